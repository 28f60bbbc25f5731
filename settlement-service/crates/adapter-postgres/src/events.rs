//! Domain events become contract payloads in the outbox.

use chrono::{DateTime, Utc};
use event_contracts::settlement::{
    self as contract, BidderReinstated, BidderSuspended, RelistRequested, SecondChanceAccepted, SecondChanceLapsed,
    SecondChanceOffered, SecondChanceRequested, SettlementCompleted, SettlementDisputed, SettlementEscrowed,
    SettlementFailed, SettlementKind, SettlementShipped, SettlementStarted,
};
use serde_json::Value;
use settlement_domain::{
    FailureReason, SettlementEvent, SettlementId, StandingEvent, Status, UserId,
    settlement::{Kind, What},
    standing::StandingNews,
};
use settlement_ports::StoreError;
use tracing::Span;
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    row::number,
    session::Work,
    traces::{Traces, traceparent},
};

/// Rows of the outbox by column.
#[derive(Default)]
struct Rows {
    event_ids: Vec<Uuid>,
    types: Vec<&'static str>,
    keys: Vec<String>,
    sequences: Vec<i64>,
    times: Vec<DateTime<Utc>>,
    settlements: Vec<Option<Uuid>>,
    traces: Vec<Option<String>>,
    data: Vec<Value>,
}

impl Rows {
    fn add(
        &mut self,
        contract: &contract::SettlementEvent,
        (sequence, at): (u64, DateTime<Utc>),
        settlement: Option<SettlementId>,
    ) -> Result<(), StoreError> {
        self.event_ids.push(Uuid::now_v7());
        self.types.push(contract.event_type());
        self.keys.push(contract.key());
        self.sequences.push(number(sequence)?);
        self.times.push(at);
        self.settlements.push(settlement.map(SettlementId::as_uuid));
        self.data.push(contract.to_data().map_err(corrupt)?);
        Ok(())
    }
}

/// An event that the worker causes belongs to the trace that last moved its settlement.
pub(crate) async fn record(tx: &mut Work, events: &[SettlementEvent], traces: &Traces) -> Result<(), StoreError> {
    let traces = traces.of_all(events.iter().map(|event| event.settlement_id));
    let mut rows = Rows { traces, ..Rows::default() };
    for event in events {
        rows.add(&to_contract(event), (event.sequence, event.at), Some(event.settlement_id))?;
    }
    put_out(tx, &rows).await
}

pub(crate) async fn record_standings(tx: &mut Work, events: &[StandingEvent]) -> Result<(), StoreError> {
    let mut rows = Rows { traces: vec![traceparent(&Span::current()); events.len()], ..Rows::default() };
    for event in events {
        let (bidder_id, at) = (event.user_id.to_string(), event.at);
        let contract = match event.what {
            StandingNews::Suspended { strikes } => BidderSuspended { bidder_id, strikes, suspended_at: at }.into(),
            StandingNews::Reinstated => BidderReinstated { bidder_id, reinstated_at: at }.into(),
        };
        rows.add(&contract, (event.sequence, at), None)?;
    }
    put_out(tx, &rows).await
}

/// In this order: the relay goes by the outbox's ids.
async fn put_out(tx: &mut Work, rows: &Rows) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO outbox (event_id, event_type, topic, key, sequence, time, data, traceparent)
         SELECT event_id, event_type, $1, key, sequence, time, data,
                coalesce(new.traceparent, (SELECT traceparent FROM settlement WHERE id = new.settlement_id))
         FROM unnest($2::text[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[], $8::jsonb[],
                     $9::uuid[])
              WITH ORDINALITY
              AS new (traceparent, event_id, event_type, key, sequence, time, data, settlement_id, place)
         ORDER BY place",
        contract::SettlementEvent::TOPIC,
        &rows.traces as &[Option<String>],
        &rows.event_ids,
        &rows.types as &[&str],
        &rows.keys,
        &rows.sequences,
        &rows.times,
        &rows.data,
        &rows.settlements as &[Option<Uuid>]
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

fn to_contract(event: &SettlementEvent) -> contract::SettlementEvent {
    let (settlement_id, auction_id) = (event.settlement_id.as_uuid(), event.auction_id.as_uuid());
    let (status, at) = (contract_status(event.status), event.at);
    match &event.what {
        What::Started { seller_id, buyer_id, amount, payment_due_at, kind } => SettlementStarted {
            settlement_id,
            auction_id,
            seller_id: seller_id.to_string(),
            buyer_id: buyer_id.to_string(),
            amount: amount.amount(),
            currency: amount.currency().to_string(),
            status,
            payment_due_at: *payment_due_at,
            started_at: at,
            kind: Some(match kind {
                Kind::Sale => SettlementKind::Sale,
                Kind::SecondChance => SettlementKind::SecondChance,
            }),
            total: None,
        }
        .into(),
        What::Escrowed { amount, ship_due_at } => SettlementEscrowed {
            settlement_id,
            auction_id,
            amount: amount.amount(),
            currency: amount.currency().to_string(),
            status,
            ship_due_at: *ship_due_at,
            escrowed_at: at,
        }
        .into(),
        What::Shipped { parcel, inspection_ends_at } => SettlementShipped {
            settlement_id,
            auction_id,
            carrier: parcel.carrier().to_owned(),
            tracking_number: parcel.tracking_number().to_owned(),
            status,
            inspection_ends_at: *inspection_ends_at,
            shipped_at: at,
        }
        .into(),
        What::Disputed => SettlementDisputed { settlement_id, auction_id, status, disputed_at: at }.into(),
        What::Completed { payout, commission } => SettlementCompleted {
            settlement_id,
            auction_id,
            payout: payout.amount(),
            commission: commission.amount(),
            currency: payout.currency().to_string(),
            status,
            completed_at: at,
        }
        .into(),
        What::Failed { reason, refunded } => SettlementFailed {
            settlement_id,
            auction_id,
            reason: contract_reason(*reason),
            refunded: refunded.amount(),
            currency: refunded.currency().to_string(),
            status,
            failed_at: at,
        }
        .into(),
        What::SecondChanceRequested { excluded } => SecondChanceRequested {
            settlement_id,
            auction_id,
            excluded_bidder_ids: excluded.iter().map(UserId::to_string).collect(),
            requested_at: at,
        }
        .into(),
        What::SecondChanceOffered { bidder_id, amount, expires_at } => SecondChanceOffered {
            settlement_id,
            auction_id,
            bidder_id: bidder_id.to_string(),
            amount: amount.amount(),
            currency: amount.currency().to_string(),
            expires_at: *expires_at,
        }
        .into(),
        What::SecondChanceAccepted { bidder_id } => {
            SecondChanceAccepted { settlement_id, auction_id, bidder_id: bidder_id.to_string(), accepted_at: at }.into()
        }
        What::SecondChanceLapsed { bidder_id } => {
            SecondChanceLapsed { settlement_id, auction_id, bidder_id: bidder_id.to_string(), lapsed_at: at }.into()
        }
        What::RelistRequested => RelistRequested { settlement_id, auction_id, requested_at: at }.into(),
    }
}

/// The contract's word for a reason. A sale that the operator called off was decided for the buyer, too.
const fn contract_reason(reason: FailureReason) -> contract::FailureReason {
    use contract::FailureReason as Contract;
    match reason {
        FailureReason::Unpaid => Contract::Unpaid,
        FailureReason::PaymentFailed => Contract::PaymentFailed,
        FailureReason::OfferLapsed => Contract::OfferLapsed,
        FailureReason::OfferWithdrawn => Contract::OfferWithdrawn,
        FailureReason::Agreed => Contract::Agreed,
        FailureReason::AwardDeclined => Contract::AwardDeclined,
        FailureReason::NotShipped => Contract::NotShipped,
        FailureReason::DisputeRefunded | FailureReason::CalledOff => Contract::DisputeRefunded,
    }
}

fn contract_status(status: Status) -> contract::SettlementStatus {
    use contract::SettlementStatus as Contract;
    match status {
        Status::AwaitingPayment => Contract::AwaitingPayment,
        Status::Authorizing => Contract::Authorizing,
        Status::Authorized => Contract::Authorized,
        Status::Escrowed => Contract::Escrowed,
        Status::Shipped => Contract::Shipped,
        Status::Disputed => Contract::Disputed,
        Status::Received => Contract::Received,
        Status::Completed => Contract::Completed,
        Status::Refunding => Contract::Refunding,
        Status::Refunded => Contract::Refunded,
        Status::Failed => Contract::Failed,
        Status::NeedsOperator => Contract::NeedsOperator,
    }
}
