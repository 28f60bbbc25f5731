//! What bidding and listing say, in settlement's own words.

use event_contracts::{
    bidding::{
        AuctionClosed, Award, AwardDeclined, BiddingEvent, CloseOutcome, SecondChanceExhausted, SecondChanceNominated,
    },
    envelope::Envelope,
    event::{DataError, EventData},
    listing::{ListingEvent, ListingPublished},
};
use serde::Deserialize;
use settlement_domain::{
    AuctionId, Money, SettlementId, UserId,
    settlement::{Lot, OfferDays, Sale},
};
use settlement_ports::Fact;
use uuid::Uuid;

/// The topics that settlement follows.
pub(crate) const TOPICS: [&str; 2] = [BiddingEvent::TOPIC, ListingEvent::TOPIC];

/// Events that are looked into; of the many others none is.
const TYPES: [&str; 5] = [
    AuctionClosed::TYPE,
    AwardDeclined::TYPE,
    SecondChanceNominated::TYPE,
    SecondChanceExhausted::TYPE,
    ListingPublished::TYPE,
];

/// Why an event cannot be a fact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactError {
    /// Its data does not fit the contract.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It fits the contract and makes no sale.
    #[error("the auction was sold and the event does not say {0}")]
    NoSale(&'static str),
    /// It fits the contract and names nobody, or no amount.
    #[error("the event does not say {0}")]
    Silent(&'static str),
}

/// Of a publication settlement needs to know only this, whatever the listing's format is.
#[derive(Deserialize)]
struct Published {
    relisted_from: Option<Uuid>,
}

/// Reads an event; `None` when it does not concern settlements, or its type is not known here.
pub(crate) fn read(envelope: &Envelope, data: &[u8]) -> Result<Option<Fact>, FactError> {
    let event_type = envelope.event_type.as_str();
    if !TYPES.contains(&event_type) {
        return Ok(None);
    }
    if event_type == ListingPublished::TYPE {
        let published: Published =
            serde_json::from_slice(data).map_err(|source| DataError { event_type: event_type.to_owned(), source })?;
        return Ok(published.relisted_from.map(|auction| Fact::Relisted { auction_id: auction.into() }));
    }
    match BiddingEvent::decode(event_type, data)? {
        Some(BiddingEvent::AuctionClosed(closed)) if closed.outcome == CloseOutcome::Sold => {
            sales(closed).map(|sales| Some(Fact::AuctionSold(sales)))
        }
        Some(BiddingEvent::AwardDeclined(declined)) => {
            let buyer_id = user(Some(declined.bidder_id)).ok_or(FactError::Silent("who declined"))?;
            Ok(Some(Fact::AwardDeclined { auction_id: declined.auction_id.into(), buyer_id }))
        }
        Some(BiddingEvent::SecondChanceNominated(nominated)) => contender(nominated).map(Some),
        Some(BiddingEvent::SecondChanceExhausted(exhausted)) => Ok(Some(Fact::ContendersExhausted {
            auction_id: exhausted.auction_id.into(),
            settlement_id: SettlementId::from(exhausted.settlement_id),
        })),
        _ => Ok(None),
    }
}

fn contender(nominated: SecondChanceNominated) -> Result<Fact, FactError> {
    let currency = nominated.currency.parse().map_err(|_| FactError::Silent("in which currency"))?;
    Ok(Fact::ContenderNominated {
        auction_id: nominated.auction_id.into(),
        settlement_id: SettlementId::from(nominated.settlement_id),
        contender: user(Some(nominated.bidder_id)).ok_or(FactError::Silent("who is next"))?,
        price: Money::new(nominated.amount, currency).map_err(|_| FactError::Silent("for how much"))?,
    })
}

/// How long a second chance is open, if the seller opted in.
fn second_chance(closed: &AuctionClosed) -> Option<OfferDays> {
    let days = closed.second_chance_days.and_then(|days| OfferDays::try_from(u8::try_from(days).ok()?).ok());
    closed.second_chance.then(|| days.unwrap_or_default())
}

/// One sale, or of a lot of many units one for each winner.
fn sales(closed: AuctionClosed) -> Result<Vec<Sale>, FactError> {
    let currency = closed.currency.parse().map_err(|_| FactError::NoSale("in which currency"))?;
    let seller_id = user(Some(closed.seller_id.clone())).ok_or(FactError::NoSale("by whom"))?;
    let whole = Lot::Whole { second_chance: second_chance(&closed) };
    let lot = if closed.awards.is_empty() { whole } else { Lot::Units };
    let sale = |buyer: Option<String>, price: Option<i64>| {
        let price = price.and_then(|price| Money::new(price, currency).ok());
        Ok(Sale {
            auction_id: AuctionId::from(closed.auction_id),
            seller_id: seller_id.clone(),
            buyer_id: user(buyer).ok_or(FactError::NoSale("to whom"))?,
            price: price.ok_or(FactError::NoSale("for how much"))?,
            lot: lot.clone(),
            closed_at: closed.closed_at,
        })
    };
    if closed.awards.is_empty() {
        return Ok(vec![sale(closed.winner_id.clone(), closed.price)?]);
    }
    let award = |award: Award| sale(Some(award.bidder_id), award.price.checked_mul(award.quantity.into()));
    closed.awards.iter().cloned().map(award).collect()
}

fn user(id: Option<String>) -> Option<UserId> {
    id.and_then(|id| UserId::try_from(id).ok())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use serde_json::{Value, json};

    use super::*;

    const AUCTION: &str = "0190a6e0-0000-7000-8000-000000000001";
    const ASKER: &str = "0190a6e0-0000-7000-8000-000000000002";

    fn told(context: &str, event: &str, data: &Value) -> Result<Option<Fact>, FactError> {
        let envelope = Envelope {
            id: Uuid::nil(),
            source: format!("/outcry/{context}-service"),
            event_type: format!("outcry.{context}.{event}.v1"),
            subject: AUCTION.into(),
            time: DateTime::<Utc>::UNIX_EPOCH,
            sequence: 1,
            traceparent: None,
        };
        read(&envelope, data.to_string().as_bytes())
    }

    fn closed(more: &Value) -> Value {
        let mut data = json!({"auction_id": AUCTION, "seller_id": "anna", "currency": "USD", "outcome": "sold",
            "price": 12_050, "winner_id": "bert", "bid_count": 3, "second_chance": true,
            "ended_at": "2030-01-01T00:00:00Z", "closed_at": "2030-01-01T00:00:01Z"});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    }

    fn lots(data: &Value) -> Vec<Lot> {
        let Some(Fact::AuctionSold(sales)) = told("bidding", "auction.closed", data).unwrap() else { panic!() };
        assert!(sales.iter().all(|sale| sale.closed_at.to_rfc3339() == "2030-01-01T00:00:01+00:00"));
        sales.into_iter().map(|sale| sale.lot).collect()
    }

    #[test]
    fn a_whole_lot_says_whether_there_is_a_second_chance_and_units_have_none() {
        let whole = |second_chance| vec![Lot::Whole { second_chance }];
        assert_eq!(lots(&closed(&json!({}))), whole(Some(OfferDays::default())));
        assert_eq!(lots(&closed(&json!({"second_chance": false}))), whole(None));
        let award = |who: &str| json!({"bidder_id": who, "quantity": 1, "wanted": 2, "price": 100});
        let units = closed(&json!({"awards": [award("bert"), award("carl")], "winner_id": null}));
        assert_eq!(lots(&units), [Lot::Units, Lot::Units]);
    }

    #[test]
    fn the_next_contender_comes_with_the_price_of_the_offer() {
        let data = json!({"auction_id": AUCTION, "settlement_id": ASKER, "bidder_id": "carl", "amount": 9_950,
            "currency": "USD"});
        let Some(Fact::ContenderNominated { settlement_id, contender, price, .. }) =
            told("bidding", "second_chance.nominated", &data).unwrap()
        else {
            panic!()
        };
        assert_eq!((settlement_id.to_string().as_str(), contender.as_str(), price.amount()), (ASKER, "carl", 9_950));
        let exhausted = json!({"auction_id": AUCTION, "settlement_id": ASKER});
        let fact = told("bidding", "second_chance.exhausted", &exhausted).unwrap();
        assert!(matches!(fact, Some(Fact::ContendersExhausted { .. })));
    }

    #[test]
    fn an_award_given_up_names_who_gave_it_up() {
        let data = json!({"auction_id": AUCTION, "bidder_id": "bert", "quantity": 1,
            "declined_at": "2030-01-01T00:00:01Z"});
        let Some(Fact::AwardDeclined { buyer_id, .. }) = told("bidding", "award.declined", &data).unwrap() else {
            panic!()
        };
        assert_eq!(buyer_id.as_str(), "bert");
    }

    #[test]
    fn a_publication_counts_if_it_repeats_a_listing_whatever_its_format() {
        let relisted = json!({"relisted_from": AUCTION, "format": {"kind": "of_the_future"}});
        let fact = told("listing", "published", &relisted).unwrap();
        assert_eq!(fact, Some(Fact::Relisted { auction_id: AUCTION.parse().unwrap() }));
        assert_eq!(told("listing", "published", &json!({"relisted_from": null})).unwrap(), None);
        assert_eq!(told("listing", "revised", &json!({})).unwrap(), None);
    }
}
