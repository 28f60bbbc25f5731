//! What listing and settlement say, in bidding's own words.

use bidding_domain::{
    english::EnglishTerms,
    format::FormatTerms,
    ids::{AuctionId, UserId},
    increments::{IncrementTable, Preset, Tier},
    money::{Amount, Currency},
    soft_close::SoftClose,
    terms::{Sale, Terms},
};
use bidding_ports::fact::Fact;
use event_contracts::{
    envelope::Envelope,
    listing::{self as contract, AuctionFormat, ListingEvent, ListingPublished},
    settlement::SettlementEvent,
};

/// The topics that bidding follows.
pub(crate) const TOPICS: [&str; 2] = [ListingEvent::TOPIC, SettlementEvent::TOPIC];

/// A known event that makes no sense, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Nonsense(String);

impl From<String> for Nonsense {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

/// Reads an event; `None` when it does not concern auctions, or its type is not known here.
pub(crate) fn read(envelope: &Envelope, data: &[u8]) -> Result<Option<Fact>, Nonsense> {
    let event_type = envelope.event_type.as_str();
    if event_type.starts_with("outcry.listing.") {
        return match ListingEvent::decode(event_type, data).map_err(|error| error.to_string())? {
            Some(ListingEvent::Published(event)) => Ok(Some(published(event)?)),
            Some(ListingEvent::Cancelled(event)) => Ok(Some(Fact::ListingCancelled {
                auction: AuctionId(event.listing_id),
                seller: UserId(event.seller_id),
            })),
            Some(ListingEvent::Revised(_)) | None => Ok(None),
        };
    }
    Ok(match SettlementEvent::decode(event_type, data).map_err(|error| error.to_string())? {
        Some(SettlementEvent::BidderSuspended(event)) => Some(Fact::BidderSuspended(UserId(event.bidder_id))),
        Some(SettlementEvent::BidderReinstated(event)) => Some(Fact::BidderReinstated(UserId(event.bidder_id))),
        _ => None,
    })
}

fn published(event: ListingPublished) -> Result<Fact, String> {
    let currency: Currency = event.currency.parse().map_err(|error| format!("{}: {error}", event.currency))?;
    let AuctionFormat::English(english) = event.format;
    if english.buy_now_price.is_some() {
        return Err("buy-now is not known here".into());
    }
    let english = EnglishTerms {
        start_price: amount(english.start_price)?,
        reserve_price: english.reserve_price.map(amount).transpose()?,
        increments: increments(english.increments, currency)?,
        soft_close: match english.soft_close {
            contract::SoftClose::Off => SoftClose::Off,
            contract::SoftClose::Reset { window_s, hard_stop_s } => SoftClose::Reset { window_s, hard_stop_s },
        },
    };
    let sale = Sale {
        seller: UserId(event.seller_id),
        currency,
        starts_at: event.starts_at,
        ends_at: event.ends_at,
        second_chance: event.second_chance,
    };
    let terms = Terms::new(sale, FormatTerms::English(english)).map_err(|error| error.to_string())?;
    Ok(Fact::ListingPublished { auction: AuctionId(event.listing_id), terms })
}

fn amount(minor: i64) -> Result<Amount, String> {
    Amount::new(minor).map_err(|error| error.to_string())
}

fn increments(increments: contract::Increments, currency: Currency) -> Result<IncrementTable, String> {
    use contract::IncrementPreset;
    let table = match increments {
        contract::Increments::Preset(preset) => {
            let preset = match preset {
                IncrementPreset::EbayUs => Preset::EbayUs,
                IncrementPreset::EbayUk => Preset::EbayUk,
                IncrementPreset::TradeMe => Preset::TradeMe,
            };
            IncrementTable::preset(preset, currency)
        }
        contract::Increments::Table(tiers) => {
            let tier = |tier: &contract::IncrementTier| {
                Ok(Tier { from: amount(tier.from)?, increment: amount(tier.increment)? })
            };
            IncrementTable::own(tiers.iter().map(tier).collect::<Result<_, String>>()?)
        }
    };
    table.map_err(|error| error.to_string())
}
