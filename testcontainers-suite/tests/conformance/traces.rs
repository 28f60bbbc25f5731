//! One trace from the client's `traceparent` to the last consumer.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::json;
use testcontainers_suite::{
    broker::events_of,
    client::fresh_key,
    story::Terms,
    trials, trials_of_each_service,
    wait::eventually,
    world::{Service, World},
};
use uuid::Uuid;

use super::samples::{read_route, writer};

pub fn trials() -> Vec<Trial> {
    let mut trials = trials_of_each_service!("conformance::traces":
        an_answer_carries_the_callers_trace_id,
        an_unreadable_traceparent_is_no_fault,
    );
    trials.extend(trials!("conformance::traces":
        a_publication_is_one_trace_up_to_biddings_log,
        a_bid_is_one_trace_up_to_listings_log,
        a_shipment_is_one_trace_up_to_listings_log,
        a_purchase_is_one_trace_through_all_services,
    ));
    trials
}

fn fresh_trace() -> (String, String) {
    let trace_id = Uuid::now_v7().simple().to_string();
    let traceparent = format!("00-{trace_id}-00f067aa0ba902b7-01");
    (trace_id, traceparent)
}

async fn an_answer_carries_the_callers_trace_id(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    for path in [read_route(service), "/v1/unknown".to_owned(), "/healthz/live".to_owned()] {
        let (trace_id, traceparent) = fresh_trace();
        let request = person.request(Method::GET, service, &path).header("traceparent", &traceparent);
        let answer = person.send(request).await?;
        ensure!(answer.header("x-trace-id") == Some(&*trace_id), "{path}: {:?}", answer.header("x-trace-id"));

        let own = person.get(service, &path).await?;
        let own = own.header("x-trace-id").context("no trace id of its own")?.to_owned();
        ensure!(own.len() == 32 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path}: {own}");
        ensure!(own != "0".repeat(32) && own != trace_id, "{path}: {own}");
    }
    Ok(())
}

async fn an_unreadable_traceparent_is_no_fault(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    for traceparent in ["", "nonsense", "00-0-0-0", "00-00000000000000000000000000000000-0000000000000000-00", "ff-x"] {
        let request = person.request(Method::GET, service, "/healthz/live").header("traceparent", traceparent);
        let answer = world.ask(request).await?;
        ensure!(answer.status == 200, "{traceparent}: {}", answer.status);
        ensure!(answer.header("x-trace-id").is_some_and(|id| id.len() == 32), "{traceparent}: no trace id");
    }
    Ok(())
}

/// The service's log has a line of this trace that tells of this event.
async fn told_in_log(world: &World, service: Service, trace_id: &str, event_type: &str) -> Result<()> {
    eventually(&format!("{service}'s log tells of {event_type} in the trace"), || async {
        let lines = world.log(service)?;
        let told = lines.iter().any(|line| line.contains(trace_id) && line.contains(event_type));
        ensure!(told, "no line has {trace_id} and {event_type}");
        Ok(())
    })
    .await
}

/// The published event carries the trace as well.
async fn told_by_broker(world: &World, key: &str, trace_id: &str, event_type: &str) -> Result<()> {
    let events = events_of(world, &[key]).await?;
    let event = events.iter().find(|event| event.envelope.event_type == event_type).context("no such event")?;
    let traceparent = event.envelope.traceparent.as_deref().unwrap_or_default();
    ensure!(traceparent.contains(trace_id), "{event_type} has the traceparent {traceparent:?}");
    Ok(())
}

async fn a_publication_is_one_trace_up_to_biddings_log(world: Arc<World>) -> Result<()> {
    const EVENT: &str = "outcry.listing.published.v1";
    let seller = world.seller("anna");
    let lot = seller.drafts(&Terms::from(100)).await?;
    let (trace_id, traceparent) = fresh_trace();
    let path = format!("/v1/listings/{}/publish", lot.id);
    let request = seller.request(Method::POST, Service::Listing, &path).header("traceparent", traceparent);
    seller.send(request).await?.success()?;
    told_in_log(&world, Service::Bidding, &trace_id, EVENT).await?;
    told_by_broker(&world, &lot.id, &trace_id, EVENT).await
}

async fn a_bid_is_one_trace_up_to_listings_log(world: Arc<World>) -> Result<()> {
    const EVENT: &str = "outcry.bidding.bid.placed.v1";
    let lot = world.seller("anna").opens(&Terms::from(100)).await?;
    let bidder = world.bidder("bert");
    let (trace_id, traceparent) = fresh_trace();
    let path = format!("/v1/auctions/{}/bids", lot.id);
    let request = bidder.request(Method::POST, Service::Bidding, &path).header("traceparent", traceparent);
    let request = request.header("idempotency-key", fresh_key()).json(&json!({"max_amount": 500}));
    bidder.send(request).await?.success()?;
    told_in_log(&world, Service::Listing, &trace_id, EVENT).await?;
    told_by_broker(&world, &lot.id, &trace_id, EVENT).await
}

async fn a_shipment_is_one_trace_up_to_listings_log(world: Arc<World>) -> Result<()> {
    const EVENT: &str = "outcry.settlement.shipped.v1";
    let (seller, bidder) = (world.seller("anna"), world.bidder("bert"));
    let lot = seller.opens(&Terms::from(100)).await?;
    bidder.bids(&lot, 500).await?;
    let sale = bidder.awaits_sale(&lot).await?;
    bidder.pays(&sale, "pm_card_visa").await?;
    bidder.awaits_sale_status(&sale, "escrowed", testcontainers_suite::wait::CONVERGES_WITHIN).await?;
    let (trace_id, traceparent) = fresh_trace();
    let path = format!("/v1/settlements/{}/ship", sale.id);
    let request = seller.request(Method::POST, Service::Settlement, &path).header("traceparent", traceparent);
    let parcel = json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"});
    seller.send(request.header("idempotency-key", fresh_key()).json(&parcel)).await?.success()?;
    told_in_log(&world, Service::Listing, &trace_id, EVENT).await?;
    told_by_broker(&world, &sale.id, &trace_id, EVENT).await
}

/// Bidding tells that it is sold, settlement begins and tells so, listing shows it: each acts on the word of the one before.
async fn a_purchase_is_one_trace_through_all_services(world: Arc<World>) -> Result<()> {
    const SOLD: &str = "outcry.bidding.auction.closed.v1";
    const BEGUN: &str = "outcry.settlement.started.v1";
    let (seller, buyer) = (world.seller("anna"), world.bidder("bert"));
    let lot = seller.opens(&Terms::from(100).with_buy_now(500)).await?;
    let (trace_id, traceparent) = fresh_trace();
    let path = format!("/v1/auctions/{}/buy-now", lot.id);
    let request = buyer.request(Method::POST, Service::Bidding, &path).header("traceparent", traceparent);
    buyer.send(request.header("idempotency-key", fresh_key()).json(&json!({}))).await?.success()?;
    told_in_log(&world, Service::Settlement, &trace_id, SOLD).await?;
    told_in_log(&world, Service::Listing, &trace_id, BEGUN).await?;
    let sale = buyer.awaits_sale(&lot).await?;
    told_by_broker(&world, &sale.id, &trace_id, BEGUN).await
}
