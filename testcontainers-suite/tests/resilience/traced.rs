//! Traces as a collector gets them by OTLP: a purchase is one trace with spans of every service, one that is not sampled is
//! told by nobody, and nobody waits for a collector that says nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use futures::future::try_join_all;
use libtest_mimic::Trial;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testcontainers_suite::{
    broker::events_of,
    client::fresh_key,
    collector::{Collector, Span},
    story::{Lot, Sale, Terms, time},
    target::Local,
    wait::{CONVERGES_WITHIN, eventually},
    world::{Service, World},
};
use tokio::{net::TcpListener, time::timeout};
use uuid::Uuid;

use crate::{
    drained::{has_ended_well, terminate},
    trial,
};

/// Spans are sent every five seconds; the rest is for a machine that is busy.
const SENT_WITHIN: Duration = Duration::from_secs(20);
/// The exporter itself waits longer: ten seconds.
const ANSWERED_WITHIN: Duration = Duration::from_secs(8);
/// The services' own bound is one second.
const HELD_UP_AT_MOST: TimeDelta = TimeDelta::seconds(3);

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "traced::a_purchase_is_one_trace_of_all_services_unless_it_is_not_sampled".to_owned(),
            a_purchase_is_one_trace_of_all_services_unless_it_is_not_sampled,
        ),
        trial(
            "traced::nobody_waits_for_a_collector_that_says_nothing".to_owned(),
            nobody_waits_for_a_collector_that_says_nothing,
        ),
    ]
}

/// The client's span, above all spans of the services.
const CLIENT: u64 = 0x00f0_67aa_0ba9_02b7;

/// A trace that a client begins.
struct Trace {
    id: u128,
    sampled: bool,
}

impl Trace {
    fn begun(sampled: bool) -> Self {
        Self { id: Uuid::now_v7().as_u128(), sampled }
    }

    fn carried_by(&self, request: RequestBuilder) -> RequestBuilder {
        let flags = u8::from(self.sampled);
        request.header("traceparent", format!("00-{:032x}-{CLIENT:016x}-{flags:02x}", self.id))
    }
}

/// A lot is published, bought at once and paid, all in one trace.
async fn purchase(world: &World, trace: &Trace) -> Result<(Lot, Sale)> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let terms = Terms::from(100).with_buy_now(500).lasting(Duration::from_secs(300));
    let lot = anna.drafts(&terms).await?;
    let publish = anna.request(Method::POST, Service::Listing, &format!("/v1/listings/{}/publish", lot.id));
    anna.send(trace.carried_by(publish)).await?.success().context("publish")?;
    bert.awaits_auction(&lot, "open").await?;
    let buy = bert.request(Method::POST, Service::Bidding, &format!("/v1/auctions/{}/buy-now", lot.id));
    let buy = trace.carried_by(buy).header("idempotency-key", fresh_key()).json(&json!({}));
    bert.send(buy).await?.success().context("buy now")?;
    let sale = bert.awaits_sale(&lot).await?;
    let pay = bert.request(Method::POST, Service::Settlement, &format!("/v1/settlements/{}/pay", sale.id));
    let card = json!({"payment_method": "pm_card_visa"});
    let pay = trace.carried_by(pay).header("idempotency-key", fresh_key()).json(&card);
    bert.send(pay).await?.success().context("pay")?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    let shown = |listing: &Value| listing["sale_status"] == "escrowed";
    anna.awaits_listing_that(&lot, "shows that it is paid", shown).await?;
    Ok((lot, sale))
}

/// Every service has told of a request and of an event, and no span hangs in the air.
fn is_whole(spans: &[Span]) -> Result<()> {
    for service in Service::ALL {
        for name in ["request", "consume"] {
            let told = spans.iter().any(|span| span.service == service.name() && span.name == name);
            ensure!(told, "{service} has told of no {name}: {spans:#?}");
        }
    }
    let is_known = |id: u64| id == CLIENT || spans.iter().any(|span| span.id == id);
    let lost = spans.iter().find(|span| !is_known(span.parent));
    ensure!(lost.is_none(), "nobody has told what caused {lost:?}: {spans:#?}");
    Ok(())
}

async fn a_purchase_is_one_trace_of_all_services_unless_it_is_not_sampled(
    local: &mut Local,
    world: &World,
) -> Result<()> {
    let collector = Collector::at(local.collector()).await?;
    let (unsampled, sampled) = (Trace::begun(false), Trace::begun(true));
    let (lot, sale) = purchase(world, &unsampled).await?;
    purchase(world, &sampled).await?;
    eventually("the trace is whole", || async { is_whole(&collector.spans_of(sampled.id)?) }).await?;

    // A service sends spans in the order in which they end, so those of the purchase before would be here, too.
    let told = collector.spans_of(unsampled.id)?;
    ensure!(told.is_empty(), "told although it is not sampled: {told:#?}");
    let of_trace = format!("-{:032x}-", unsampled.id);
    let events = events_of(world, &[&lot.id, &sale.id]).await?;
    let carried = events.iter().filter_map(|event| event.envelope.traceparent.as_deref());
    let carried: Vec<_> = carried.filter(|traceparent| traceparent.contains(&of_trace)).collect();
    let passed_on = carried.iter().all(|traceparent| traceparent.ends_with("-00"));
    ensure!(!carried.is_empty() && passed_on, "the events' traceparents are {carried:?}");
    Ok(())
}

async fn nobody_waits_for_a_collector_that_says_nothing(local: &mut Local, world: &World) -> Result<()> {
    let (local, reader) = (&*local, world.bidder("reader"));
    let address = local.collector();
    let silent = eventually("the collector's port is free", || async { Ok(TcpListener::bind(address).await?) }).await?;
    let mut begun = Vec::new();
    for service in Service::ALL {
        // A span to be sent.
        reader.get(service, "/healthz/live").await?.success()?;
    }
    // One connection each: while it has no answer, a service does not begin another one.
    for _ in Service::ALL {
        begun.push(timeout(SENT_WITHIN, silent.accept()).await.context("a service sends no spans")??);
    }
    for service in Service::ALL {
        let asked = timeout(ANSWERED_WITHIN, reader.get(service, "/healthz/live"));
        asked.await.with_context(|| format!("{service} waits for the collector"))??.success()?;
    }
    let ends = Service::ALL.map(|service| async move {
        let pid = terminate(world, service)?;
        has_ended_well(local, world, service, pid).await?;
        is_not_held_up(service, &world.log(service)?)
    });
    try_join_all(ends).await.map(|_| ())
}

/// By the log of a service that has ended.
fn is_not_held_up(service: Service, log: &[String]) -> Result<()> {
    // When it was said last.
    let said_at = |what: &str| {
        let line = log.iter().rfind(|line| line.contains(what));
        let line = line.with_context(|| format!("the log of {service} does not say {what:?}"))?;
        time(&serde_json::from_str(line)?, "timestamp")
    };
    let held_up = said_at("traces could not be flushed")? - said_at(&format!("{} has ended", service.name()))?;
    let is_of_this_end = held_up >= TimeDelta::zero();
    ensure!(is_of_this_end && held_up < HELD_UP_AT_MOST, "the collector held up the end of {service} for {held_up}");
    Ok(())
}
