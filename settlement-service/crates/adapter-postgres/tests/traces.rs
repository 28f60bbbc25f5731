//! To which trace it belongs what a unit of work writes about many settlements, on a real PostgreSQL. Needs
//! `OUTCRY_TEST_DATABASE_URL`: a server on which it may create databases; `make test` starts one.

mod support;

use anyhow::Result;
use chrono::{DateTime, Utc};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use settlement_adapter_postgres::{
    database,
    outbox::PgOutbox,
    session::Sessions,
    store::{PgSettlements, Wakers},
};
use settlement_domain::{
    AuctionId, Money, Settlement, SettlementEvent, SettlementId,
    settlement::{Lot, Sale},
};
use settlement_harness::{fees, terms};
use settlement_ports::{Outbox, SettlementStore};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use uuid::Uuid;

async fn database() -> Result<Sessions> {
    Ok(database::connect(&support::migrated().await?, 5)?)
}

fn sold(now: DateTime<Utc>) -> Result<(Settlement, SettlementEvent)> {
    let sale = Sale {
        auction_id: AuctionId::from(Uuid::now_v7()),
        seller_id: "anna".parse()?,
        buyer_id: "bert".parse()?,
        price: Money::new(12_050, "USD".parse()?)?,
        lot: Lot::Units,
        closed_at: now,
    };
    Ok(Settlement::start(SettlementId::from(Uuid::now_v7()), sale, terms(), &fees(), now)?)
}

fn trace_id(span: &Span) -> String {
    span.context().span().span_context().trace_id().to_string()
}

/// The traces of all events that wait to be relayed, in their order.
async fn told(outbox: &PgOutbox) -> Result<Vec<Option<String>>> {
    let trace = |header: String| header.split('-').nth(1).map(str::to_owned);
    let events = outbox.batch(100).await?;
    Ok(events.into_iter().map(|event| event.traceparent.and_then(trace)).collect())
}

#[tokio::test]
async fn what_is_written_together_belongs_to_the_trace_of_each_and_so_does_what_follows() -> Result<()> {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let pool = database().await?;
    let (store, outbox) = (PgSettlements::new(pool.clone(), Wakers::default()), PgOutbox::new(pool));

    let spans = [tracing::info_span!("one"), tracing::info_span!("other"), Span::none()];
    let mut tx = store.begin().await?;
    let now = tx.now().await?;
    let (mut settlements, mut started) = (Vec::new(), Vec::new());
    for span in &spans {
        let (settlement, event) = sold(now)?;
        tx.trace(settlement.id(), span);
        settlements.push(settlement);
        started.push(event);
    }
    tx.insert_all(&settlements).await?;
    tx.record(&started).await?;
    tx.commit().await?;
    let traces = vec![Some(trace_id(&spans[0])), Some(trace_id(&spans[1])), None];
    assert_ne!(traces[0], traces[1]);
    assert_eq!(told(&outbox).await?, traces);

    // Later nobody is asked for, and no span is there: the worker goes on.
    let mut tx = store.begin().await?;
    let ids: Vec<SettlementId> = settlements.iter().map(Settlement::id).collect();
    tx.lock_all(&ids).await?;
    tx.save(&settlements).await?;
    tx.record(&started).await?;
    tx.commit().await?;
    assert_eq!(told(&outbox).await?, [traces.clone(), traces].concat());
    Ok(())
}
