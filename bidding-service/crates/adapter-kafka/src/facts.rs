//! What listing and settlement say, in bidding's own words.

use bidding_domain::{
    dutch::DutchTerms,
    english::EnglishTerms,
    format::FormatTerms,
    ids::{AuctionId, SettlementId, UserId},
    increments::{IncrementTable, Preset, Tier},
    money::{Amount, Currency},
    sealed::SealedTerms,
    second_chance::Asked,
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
        Some(SettlementEvent::SecondChanceRequested(event)) => Some(Fact::SecondChanceRequested {
            auction: AuctionId(event.auction_id),
            asked: Asked {
                settlement: SettlementId(event.settlement_id),
                excluded: event.excluded_bidder_ids.into_iter().map(UserId).collect(),
            },
        }),
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
        second_chance_days: event.second_chance_days,
        unit: currency.payable_unit(),
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

#[cfg(test)]
mod tests {
    use bidding_domain::{
        ids::{AuctionId, SettlementId, UserId},
        money::Unit,
        second_chance::Asked,
    };
    use bidding_ports::fact::Fact;
    use event_contracts::catalogue::{Example, events};
    use serde_json::json;

    use super::read;

    /// The golden example of an event.
    fn golden(event_type: &str) -> Example {
        let event = events().expect("a catalogue").into_iter().find(|event| event.event_type == event_type);
        event.expect("a known type").example
    }

    fn fact(example: &Example) -> Option<Fact> {
        let data = serde_json::to_vec(&example.data).expect("data");
        read(&example.envelope, &data).expect("it makes sense")
    }

    #[test]
    fn every_event_of_listing_and_settlement_is_understood_or_left_alone() {
        for event in events().expect("a catalogue").iter().filter(|event| event.context != "bidding") {
            for example in event.examples() {
                let data = serde_json::to_vec(&example.data).expect("data");
                assert!(read(&example.envelope, &data).is_ok(), "{}", event.event_type);
            }
        }
    }

    #[test]
    fn settlements_question_who_is_next_comes_with_those_who_had_their_chance() {
        let example = golden("outcry.settlement.second_chance.requested.v1");
        let id = |field: &str| example.data[field].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let asked = Asked { settlement: SettlementId(id("settlement_id")), excluded: vec![UserId("bidder-23".into())] };
        let auction = AuctionId(id("auction_id"));
        assert_eq!(fact(&example), Some(Fact::SecondChanceRequested { auction, asked }));
    }

    #[test]
    fn bidders_are_suspended_and_reinstated_by_name() {
        let suspended = fact(&golden("outcry.settlement.bidder.suspended.v1"));
        assert_eq!(suspended, Some(Fact::BidderSuspended(UserId("bidder-23".into()))));
        let reinstated = fact(&golden("outcry.settlement.bidder.reinstated.v1"));
        assert_eq!(reinstated, Some(Fact::BidderReinstated(UserId("bidder-23".into()))));
    }

    #[test]
    fn the_days_of_an_offer_come_with_the_terms_and_may_be_absent() {
        let mut example = golden("outcry.listing.published.v1");
        let days = |example: &Example| match fact(example) {
            Some(Fact::ListingPublished { terms, .. }) => (terms.sale().second_chance, terms.sale().second_chance_days),
            other => panic!("not published: {other:?}"),
        };
        assert_eq!(days(&example), (true, Some(3)));
        example.data["second_chance_days"] = json!(7);
        assert_eq!(days(&example), (true, Some(7)));
        example.data.as_object_mut().expect("an object").remove("second_chance_days");
        assert_eq!(days(&example), (true, None), "a listing of before");
    }

    #[test]
    fn a_listing_of_before_whose_amounts_nobody_can_pay_is_bid_on_in_units_that_can_be_paid() {
        let mut example = golden("outcry.listing.published.v1");
        example.data["format"]["start_price"] = json!(10_005);
        for (currency, unit) in [("KWD", Some(10)), ("MGA", Some(100)), ("USD", None), ("CLF", None)] {
            example.data["currency"] = json!(currency);
            let Some(Fact::ListingPublished { terms, .. }) = fact(&example) else {
                panic!("{currency}: not published")
            };
            assert_eq!(terms.sale().unit.map(Unit::get), unit, "{currency}");
        }
    }
}
