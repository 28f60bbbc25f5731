//! Domain events are kept for readers, and become contract payloads in the outbox.

use bidding_domain::{
    auction::CancelledBy,
    bid::BidOutcome,
    event::{AuctionEvent, Happening},
    format::{Outcome, ReserveStatus},
};
use bidding_ports::error::StoreError;
use event_contracts::bidding as contract;
use opentelemetry::trace::TraceContextExt;
use sqlx::{Postgres, Transaction};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    row::number,
};

pub(crate) async fn record(tx: &mut Transaction<'static, Postgres>, event: &AuctionEvent) -> Result<(), StoreError> {
    let contract = to_contract(event);
    sqlx::query!(
        "WITH kept AS (INSERT INTO event (auction_id, sequence, at, what) VALUES ($1, $2, $3, $4))
         INSERT INTO outbox (event_id, event_type, topic, key, sequence, time, traceparent, data)
         VALUES ($5, $6, $7, $8, $2, $3, $9, $10)",
        event.auction_id.0,
        number(event.sequence)?,
        event.at,
        serde_json::to_value(&event.what).map_err(corrupt)?,
        Uuid::now_v7(),
        contract.event_type(),
        contract::BiddingEvent::TOPIC,
        contract.key(),
        traceparent(),
        contract.to_data().map_err(corrupt)?
    )
    .execute(&mut **tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

fn to_contract(event: &AuctionEvent) -> contract::BiddingEvent {
    let auction_id = event.auction_id.0;
    match &event.what {
        Happening::Opened { seller, currency, next_minimum, starts_at, ends_at } => contract::AuctionOpened {
            auction_id,
            seller_id: seller.0.clone(),
            currency: currency.to_string(),
            next_minimum: next_minimum.minor(),
            starts_at: *starts_at,
            ends_at: *ends_at,
        }
        .into(),
        Happening::BidPlaced {
            bid_id,
            bidder,
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
            outcome: match outcome {
                BidOutcome::Leading => contract::BidOutcome::Leading,
                BidOutcome::Outbid => contract::BidOutcome::Outbid,
                BidOutcome::MaxRaised => contract::BidOutcome::MaxRaised,
            },
            price: price.minor(),
            currency: currency.to_string(),
            next_minimum: next_minimum.minor(),
            bid_count: *bid_count,
            leader_id: leader.0.clone(),
            displaced_bidder_id: displaced.as_ref().map(|bidder| bidder.0.clone()),
            reserve: match reserve {
                ReserveStatus::None => contract::ReserveStatus::None,
                ReserveStatus::NotMet => contract::ReserveStatus::NotMet,
                ReserveStatus::Met => contract::ReserveStatus::Met,
            },
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
        Happening::Closed { seller, currency, outcome, bid_count, second_chance, ended_at } => {
            let (how, price, winner) = match outcome {
                Outcome::Sold { price, winner } => (contract::CloseOutcome::Sold, Some(price), Some(winner)),
                Outcome::ReserveNotMet { price } => (contract::CloseOutcome::ReserveNotMet, Some(price), None),
                Outcome::NoBids => (contract::CloseOutcome::NoBids, None, None),
            };
            contract::AuctionClosed {
                auction_id,
                seller_id: seller.0.clone(),
                currency: currency.to_string(),
                outcome: how,
                price: price.map(|price| price.minor()),
                winner_id: winner.map(|winner| winner.0.clone()),
                bid_count: *bid_count,
                second_chance: *second_chance,
                ended_at: *ended_at,
                closed_at: event.at,
            }
            .into()
        }
        Happening::Cancelled { seller, by: CancelledBy::Seller } => contract::AuctionCancelled {
            auction_id,
            seller_id: seller.0.clone(),
            cancelled_by: contract::CancelledBy::Seller,
            cancelled_at: event.at,
        }
        .into(),
    }
}

/// W3C trace context (`traceparent`, version 00) of the span that causes the event.
fn traceparent() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}
