//! What a log tells becomes contract payloads, when the relay takes it.

use bidding_domain::{
    auction::{CancelledBy, PausedBy},
    bid::BidOutcome,
    event::{AuctionEvent, Happening},
    format::{Award, Outcome, ReserveStatus},
    log::Entry,
    money::Amount,
};
use bidding_ports::{error::StoreError, outbox::OutboxRecord};
use event_contracts::bidding as contract;
use uuid::{Builder, Uuid, Variant, Version};

use crate::error::corrupt;

/// The events of an entry, as they are published.
pub(crate) fn waiting(
    id: i64,
    traceparent: Option<&str>,
    entry: &Entry,
    records: &mut Vec<OutboxRecord>,
) -> Result<(), StoreError> {
    for event in entry.events() {
        let contract = to_contract(&event);
        records.push(OutboxRecord {
            id,
            event_id: event_id(entry, event.sequence),
            event_type: contract.event_type().to_owned(),
            topic: contract::BiddingEvent::TOPIC.to_owned(),
            key: contract.key().clone(),
            sequence: event.sequence,
            time: event.at,
            traceparent: traceparent.map(str::to_owned),
            data: contract.to_data().map_err(corrupt)?,
        });
    }
    Ok(())
}

/// The same each time that the event is published: `UUIDv8` of the entry's link, and of the place in the entry.
fn event_id(entry: &Entry, sequence: u64) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&entry.link.0[..16]);
    bytes[15] ^= u8::try_from(entry.sequence - sequence).unwrap_or(u8::MAX);
    Builder::from_bytes(bytes).with_variant(Variant::RFC4122).with_version(Version::Custom).into_uuid()
}

#[allow(clippy::too_many_lines)] // one arm for each event, and nothing between them
fn to_contract(event: &AuctionEvent) -> contract::BiddingEvent {
    let auction_id = event.auction_id.0;
    match &event.what {
        Happening::Opened { seller, currency, next_minimum, starts_at, ends_at, format } => contract::AuctionOpened {
            auction_id,
            seller_id: seller.0.clone(),
            currency: currency.to_string(),
            next_minimum: next_minimum.minor(),
            starts_at: *starts_at,
            ends_at: *ends_at,
            format: Some(format.clone()),
        }
        .into(),
        Happening::BidPlaced {
            bid_id,
            bidder,
            quantity,
            outcome,
            price,
            currency,
            next_minimum,
            bid_count,
            leader,
            displaced,
            reserve,
            ends_at,
        } => contract::BidPlaced {
            auction_id,
            bid_id: bid_id.0,
            bidder_id: bidder.0.clone(),
            quantity: Some(*quantity).filter(|quantity| *quantity > 1),
            outcome: match outcome {
                BidOutcome::Leading => contract::BidOutcome::Leading,
                BidOutcome::Outbid => contract::BidOutcome::Outbid,
                BidOutcome::MaxRaised => contract::BidOutcome::MaxRaised,
                BidOutcome::Bought => contract::BidOutcome::Bought,
                // Never told; a later reader would take it for what it does not know.
                BidOutcome::Sealed => contract::BidOutcome::Unknown,
            },
            price: price.minor(),
            currency: currency.to_string(),
            next_minimum: next_minimum.minor(),
            bid_count: *bid_count,
            leader_id: leader.0.clone(),
            displaced_bidder_id: displaced.as_ref().map(|bidder| bidder.0.clone()),
            reserve: to_reserve(*reserve),
            ends_at: *ends_at,
            placed_at: event.at,
        }
        .into(),
        Happening::Extended { bid_id, previous_ends_at, ends_at } => contract::AuctionExtended {
            auction_id,
            bid_id: bid_id.0,
            previous_ends_at: *previous_ends_at,
            ends_at: *ends_at,
        }
        .into(),
        Happening::Retracted { bid_ids, bidder, price, currency, next_minimum, bid_count, leader, reserve } => {
            contract::BidRetracted {
                auction_id,
                bid_ids: bid_ids.iter().map(|bid| bid.0).collect(),
                bidder_id: bidder.0.clone(),
                price: price.map(Amount::minor),
                currency: currency.to_string(),
                next_minimum: next_minimum.minor(),
                bid_count: *bid_count,
                leader_id: leader.as_ref().map(|leader| leader.0.clone()),
                reserve: Some(to_reserve(*reserve)),
                retracted_at: event.at,
            }
            .into()
        }
        Happening::Paused { by, reason } => contract::AuctionPaused {
            auction_id,
            by: match by {
                PausedBy::Operator => contract::PausedBy::Operator,
                PausedBy::Downtime => contract::PausedBy::Downtime,
            },
            reason: reason.clone(),
            paused_at: event.at,
        }
        .into(),
        Happening::Resumed { by: _, paused_for_ms, ends_at } => contract::AuctionResumed {
            auction_id,
            paused_for_ms: *paused_for_ms,
            ends_at: *ends_at,
            resumed_at: event.at,
        }
        .into(),
        Happening::Closed {
            seller,
            currency,
            outcome,
            bid_count,
            second_chance,
            second_chance_days,
            ended_at,
            decline_until,
        } => {
            let (how, price, winner) = match outcome {
                Outcome::Sold { price, winner } => (contract::CloseOutcome::Sold, Some(*price), Some(winner)),
                Outcome::SoldUnits { price, .. } => (contract::CloseOutcome::Sold, Some(*price), None),
                Outcome::ReserveNotMet { price } => (contract::CloseOutcome::ReserveNotMet, *price, None),
                Outcome::NoBids => (contract::CloseOutcome::NoBids, None, None),
            };
            contract::AuctionClosed {
                auction_id,
                seller_id: seller.0.clone(),
                currency: currency.to_string(),
                outcome: how,
                price: price.map(Amount::minor),
                winner_id: winner.map(|winner| winner.0.clone()),
                bid_count: *bid_count,
                second_chance: *second_chance,
                ended_at: *ended_at,
                closed_at: event.at,
                awards: to_awards(outcome),
                decline_until: *decline_until,
                second_chance_days: *second_chance_days,
            }
            .into()
        }
        Happening::Declined { bidder, quantity } => contract::AwardDeclined {
            auction_id,
            bidder_id: bidder.0.clone(),
            quantity: *quantity,
            declined_at: event.at,
        }
        .into(),
        Happening::Cancelled { seller, by, reason } => contract::AuctionCancelled {
            auction_id,
            seller_id: seller.0.clone(),
            cancelled_by: match by {
                CancelledBy::Seller => contract::CancelledBy::Seller,
                CancelledBy::Operator => contract::CancelledBy::Operator,
            },
            reason: reason.clone(),
            cancelled_at: event.at,
        }
        .into(),
        Happening::Nominated { settlement, bidder, amount, currency } => contract::SecondChanceNominated {
            auction_id,
            settlement_id: settlement.0,
            bidder_id: bidder.0.clone(),
            amount: amount.minor(),
            currency: currency.to_string(),
        }
        .into(),
        Happening::Exhausted { settlement } => {
            contract::SecondChanceExhausted { auction_id, settlement_id: settlement.0 }.into()
        }
    }
}

fn to_reserve(reserve: ReserveStatus) -> contract::ReserveStatus {
    match reserve {
        ReserveStatus::None => contract::ReserveStatus::None,
        ReserveStatus::NotMet => contract::ReserveStatus::NotMet,
        ReserveStatus::Met => contract::ReserveStatus::Met,
    }
}

fn to_awards(outcome: &Outcome) -> Vec<contract::Award> {
    let Outcome::SoldUnits { price, awards } = outcome else { return Vec::new() };
    let award = |award: &Award| contract::Award {
        bidder_id: award.bidder.0.clone(),
        quantity: award.quantity,
        wanted: award.wanted,
        price: price.minor(),
    };
    awards.iter().map(award).collect()
}
