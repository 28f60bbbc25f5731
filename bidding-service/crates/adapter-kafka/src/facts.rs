//! What listing and settlement say, in bidding's own words.

use bidding_domain::{
    dutch::DutchTerms,
    english::EnglishTerms,
    format::FormatTerms,
    ids::{AuctionId, UserId},
    increments::{IncrementTable, Preset, Tier},
    money::{Amount, Currency},
    sealed::SealedTerms,
    soft_close::SoftClose,
    terms::{Sale, Terms},
    uniform::UniformTerms,
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
    let format = format(event.format, currency)?;
    let sale = Sale {
        seller: UserId(event.seller_id),
        currency,
        starts_at: event.starts_at,
        ends_at: event.ends_at,
        second_chance: event.second_chance,
    };
    let terms = Terms::new(sale, format).map_err(|error| error.to_string())?;
    Ok(Fact::ListingPublished { auction: AuctionId(event.listing_id), terms })
}

fn format(format: AuctionFormat, currency: Currency) -> Result<FormatTerms, String> {
    Ok(match format {
        AuctionFormat::English(english) => FormatTerms::English(EnglishTerms {
            start_price: amount(english.start_price)?,
            reserve_price: english.reserve_price.map(amount).transpose()?,
            buy_now_price: english.buy_now_price.map(amount).transpose()?,
            increments: increments(english.increments, currency)?,
            soft_close: soft_close(english.soft_close),
        }),
        AuctionFormat::SealedFirstPrice(sealed) => FormatTerms::SealedFirstPrice(sealed_terms(&sealed)?),
        AuctionFormat::Vickrey(sealed) => FormatTerms::Vickrey(sealed_terms(&sealed)?),
        AuctionFormat::Dutch(dutch) => FormatTerms::Dutch(DutchTerms {
            start_price: amount(dutch.start_price)?,
            floor_price: amount(dutch.floor_price)?,
            step: amount(dutch.step)?,
            step_every_s: dutch.step_every_s,
        }),
        AuctionFormat::UniformMultiUnit(uniform) => FormatTerms::UniformMultiUnit(UniformTerms {
            start_price: amount(uniform.start_price)?,
            quantity: uniform.quantity,
            increments: increments(uniform.increments, currency)?,
            soft_close: soft_close(uniform.soft_close),
            decline_within_s: uniform.decline_within_s,
        }),
    })
}

fn sealed_terms(sealed: &contract::SealedFormat) -> Result<SealedTerms, String> {
    let reserve_price = sealed.reserve_price.map(amount).transpose()?;
    Ok(SealedTerms { start_price: amount(sealed.start_price)?, reserve_price })
}

fn soft_close(soft_close: contract::SoftClose) -> SoftClose {
    match soft_close {
        contract::SoftClose::Off => SoftClose::Off,
        contract::SoftClose::Reset { window_s, hard_stop_s } => SoftClose::Reset { window_s, hard_stop_s },
        contract::SoftClose::Add { window_s, extension_s, hard_stop_s } => {
            SoftClose::Add { window_s, extension_s, hard_stop_s }
        }
    }
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
