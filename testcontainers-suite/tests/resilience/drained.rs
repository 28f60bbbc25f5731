//! SIGTERM: what is under way is finished, streams end with a hint, the exit code is 0.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures::future::try_join;
use libtest_mimic::Trial;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};
use testcontainers_suite::{
    client::fresh_key,
    sse::EventStream,
    story::Terms,
    target::Local,
    wait::within,
    world::{Service, World},
};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::trial;

/// DESIGN §8: all of it inside 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);

pub fn trials() -> Vec<Trial> {
    vec![
        trial("drained::a_draft_in_flight_is_answered_and_kept".to_owned(), a_draft_in_flight_is_answered_and_kept),
        trial(
            "drained::a_bid_in_flight_is_answered_and_a_stream_ends_with_a_hint".to_owned(),
            a_bid_in_flight_is_answered_and_a_stream_ends_with_a_hint,
        ),
        trial("drained::a_payment_in_flight_is_answered_and_made".to_owned(), a_payment_in_flight_is_answered_and_made),
    ]
}

pub fn terminate(world: &World, service: Service) -> Result<i32> {
    let pid = world.pid(service.context())?;
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    Ok(pid)
}

/// `outcry up` tells how a process has ended, and starts it again.
pub async fn has_ended_well(local: &Local, world: &World, service: Service, pid: i32) -> Result<()> {
    within(ENDS_WITHIN, "the process has ended", || async {
        ensure!(kill(Pid::from_raw(pid), None).is_err(), "{pid} runs");
        Ok(())
    })
    .await?;
    within(RECOVERS_WITHIN, "it runs again", || async {
        ensure!(world.pid(service.context())? != pid, "the same process");
        Ok(())
    })
    .await?;
    let said = local.said()?;
    let ended = format!("{} ended (", service.name());
    let last = said.lines().rfind(|line| line.contains(&ended)).context("`outcry up` does not say that it ended")?;
    ensure!(last.contains("exit status: 0"), "{last}");
    Ok(())
}

/// How many requests the service is answering, by its metrics.
async fn in_flight(world: &World, service: Service) -> Result<f64> {
    let admin = world.endpoints.admin.get(service.context()).context("no operator's port")?;
    let page = world.ask(world.http.get(format!("{admin}/metrics"))).await?;
    let line = page.text.lines().find(|line| line.starts_with("outcry_http_requests_in_flight "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).context("outcry_http_requests_in_flight is not told")
}

/// A request of which the first half has come when its service is told to stop, and the second half comes after that: it is
/// answered.
async fn is_answered_in_flight(
    local: &Local,
    world: &World,
    service: Service,
    request: RequestBuilder,
    body: &Value,
) -> Result<()> {
    let before = in_flight(world, service).await?;
    let (first, second) = halves_of(body);
    let (half, halves) = mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    half.send(Ok(first)).await?;
    let request = request.header("idempotency-key", fresh_key()).header("content-type", "application/json");
    let request = request.body(reqwest::Body::wrap_stream(ReceiverStream::new(halves)));
    let terminated = async {
        within(Duration::from_secs(20), "the service has begun with it", || async {
            let now = in_flight(world, service).await?;
            ensure!(now > before, "{now} requests are in flight, before {before}");
            Ok(())
        })
        .await?;
        let pid = terminate(world, service)?;
        let url = Url::parse(world.endpoints.api(service))?;
        let address = (url.host_str().context("a host")?.to_owned(), url.port().context("a port")?);
        within(Duration::from_secs(10), "no new connection is taken", || async {
            if TcpStream::connect((address.0.as_str(), address.1)).await.is_ok() {
                bail!("a connection was taken");
            }
            Ok(())
        })
        .await?;
        half.send(Ok(second)).await?;
        drop(half);
        Ok(pid)
    };
    let (answer, pid) = try_join(world.ask(request), terminated).await?;
    answer.success().context("the request in flight")?;
    has_ended_well(local, world, service, pid).await
}

fn halves_of(body: &Value) -> (Bytes, Bytes) {
    let mut first = Bytes::from(body.to_string());
    let second = first.split_off(first.len() / 2);
    (first, second)
}

async fn a_draft_in_flight_is_answered_and_kept(local: &mut Local, world: &World) -> Result<()> {
    let anna = world.seller("anna");
    let draft = Terms::from(100).lasting(Duration::from_secs(300)).body();
    let request = anna.request(Method::POST, Service::Listing, "/v1/listings");
    is_answered_in_flight(local, world, Service::Listing, request, &draft).await?;
    let own = anna.get(Service::Listing, &format!("/v1/listings?seller={}", anna.sub)).await?.success()?;
    ensure!(own["items"].as_array().is_some_and(|items| items.len() == 1), "{own}");
    Ok(())
}

async fn a_payment_in_flight_is_answered_and_made(local: &mut Local, world: &World) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).with_buy_now(500).lasting(Duration::from_secs(300))).await?;
    bert.buys_now(&lot).await?;
    let sale = bert.awaits_sale(&lot).await?;
    let request = bert.request(Method::POST, Service::Settlement, &format!("/v1/settlements/{}/pay", sale.id));
    let card = json!({"payment_method": "pm_card_visa"});
    is_answered_in_flight(local, world, Service::Settlement, request, &card).await?;
    bert.awaits_sale_status(&sale, "escrowed", RECOVERS_WITHIN).await?;
    Ok(())
}

async fn a_bid_in_flight_is_answered_and_a_stream_ends_with_a_hint(local: &mut Local, world: &World) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    let mut stream = EventStream::open(&carla, &lot.id, Some(0)).await?;
    ensure!(stream.next(Duration::from_secs(20)).await?.is_some(), "the stream is silent");

    let request = bert.request(Method::POST, Service::Bidding, &format!("/v1/auctions/{}/bids", lot.id));
    is_answered_in_flight(local, world, Service::Bidding, request, &json!({"max_amount": 500})).await?;
    stream.rest(ENDS_WITHIN).await.context("the stream ends in order")?;
    ensure!(!stream.retry_ms.is_empty(), "the stream gave no hint when to come again: {}", stream.transcript);

    // The reader comes back and finds the bid.
    let mut again = EventStream::open(&carla, &lot.id, Some(1)).await?;
    let next = again.next(Duration::from_secs(20)).await?.context("the stream has ended")?;
    ensure!(next.id == Some(2) && next.name.contains("bid"), "{next:?}");
    Ok(())
}
