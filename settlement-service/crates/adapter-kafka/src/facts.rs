//! What bidding says, in settlement's own words.

use event_contracts::{
    bidding::{AuctionClosed, Award, BiddingEvent, CloseOutcome},
    envelope::Envelope,
    event::{DataError, EventData},
};
use settlement_domain::{AuctionId, Money, UserId, settlement::Sale};
use settlement_ports::Fact;

/// The topics that settlement follows.
pub(crate) const TOPICS: [&str; 1] = [BiddingEvent::TOPIC];

/// Why an event cannot be a fact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactError {
    /// Its data does not fit the contract.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It fits the contract and makes no sale.
    #[error("the auction was sold and the event does not say {0}")]
    NoSale(&'static str),
}

/// Reads an event; `None` when it does not concern settlements, or its type is not known here. Of bidding's many
/// events only the last of an auction is looked into.
pub(crate) fn read(envelope: &Envelope, data: &[u8]) -> Result<Option<Fact>, FactError> {
    if envelope.event_type != AuctionClosed::TYPE {
        return Ok(None);
    }
    match BiddingEvent::decode(&envelope.event_type, data)? {
        Some(BiddingEvent::AuctionClosed(closed)) if closed.outcome == CloseOutcome::Sold => {
            sales(closed).map(|sales| Some(Fact::AuctionSold(sales)))
        }
        _ => Ok(None),
    }
}

/// One sale, or of a lot of many units one for each winner.
fn sales(closed: AuctionClosed) -> Result<Vec<Sale>, FactError> {
    let currency = closed.currency.parse().map_err(|_| FactError::NoSale("in which currency"))?;
    let seller_id = user(Some(closed.seller_id)).ok_or(FactError::NoSale("by whom"))?;
    let sale = |buyer: Option<String>, price: Option<i64>| {
        let price = price.and_then(|price| Money::new(price, currency).ok());
        Ok(Sale {
            auction_id: AuctionId::from(closed.auction_id),
            seller_id: seller_id.clone(),
            buyer_id: user(buyer).ok_or(FactError::NoSale("to whom"))?,
            price: price.ok_or(FactError::NoSale("for how much"))?,
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
