//! Domain events become contract payloads in the outbox.

use event_contracts::listing::{self as contract, ListingCancelled, ListingPublished, ListingRevised};
use listing_domain::{
    event::{Happening, ListingEvent},
    terms::Format,
};
use listing_ports::error::StoreError;
use opentelemetry::trace::TraceContextExt;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    row::number,
    session::Work,
};

pub(crate) async fn record(tx: &mut Work, event: &ListingEvent) -> Result<(), StoreError> {
    let contract = to_contract(event).map_err(corrupt)?;
    sqlx::query!(
        "INSERT INTO outbox (event_id, event_type, topic, key, sequence, time, traceparent, data)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        Uuid::now_v7(),
        contract.event_type(),
        contract::ListingEvent::TOPIC,
        contract.key(),
        number(event.sequence)?,
        event.at,
        traceparent(),
        contract.to_data().map_err(corrupt)?
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

fn to_contract(event: &ListingEvent) -> Result<contract::ListingEvent, serde_json::Error> {
    let listing_id = event.listing_id.0;
    Ok(match &event.what {
        Happening::Published { seller, title, category, terms, starts_at, relisted_from } => ListingPublished {
            listing_id,
            seller_id: seller.0.clone(),
            title: title.clone(),
            category: category.clone(),
            currency: terms.currency.to_string(),
            format: contract_format(&terms.format)?,
            starts_at: *starts_at,
            ends_at: terms.ends_at,
            second_chance: terms.second_chance,
            relisted_from: relisted_from.map(|id| id.0),
            published_at: event.at,
            second_chance_days: terms.offered_for_days(),
        }
        .into(),
        Happening::Revised { version, title, category } => ListingRevised {
            listing_id,
            version: *version,
            title: title.clone(),
            category: category.clone(),
            revised_at: event.at,
        }
        .into(),
        Happening::CancellationRequested { seller } => {
            ListingCancelled { listing_id, seller_id: seller.0.clone(), cancelled_at: event.at }.into()
        }
    })
}

/// Terms and contract have the same JSON form on purpose; the contract's golden examples and the
/// adapter's tests hold them together.
fn contract_format(format: &Format) -> Result<contract::AuctionFormat, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(format)?)
}

/// W3C trace context (`traceparent`, version 00) of the span that causes the event.
fn traceparent() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}
