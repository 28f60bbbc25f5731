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
use reqwest::{Method, Url};
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
    let mut trials = vec![trial(
        "drained::a_bid_in_flight_is_answered_and_a_stream_ends_with_a_hint".to_owned(),
        a_bid_in_flight_is_answered_and_a_stream_ends_with_a_hint,
    )];
    for service in Service::ALL {
        trials.push(trial(format!("drained::{service}_ends_with_exit_code_0"), async move |local, world| {
            let pid = terminate(world, service)?;
            has_ended_well(local, world, service, pid).await
        }));
    }
    trials
}

fn terminate(world: &World, service: Service) -> Result<i32> {
    let pid = world.pid(service.context())?;
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    Ok(pid)
}

/// `outcry up` tells how a process has ended, and starts it again.
async fn has_ended_well(local: &Local, world: &World, service: Service, pid: i32) -> Result<()> {
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

async fn a_bid_in_flight_is_answered_and_a_stream_ends_with_a_hint(local: &mut Local, world: &World) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    let mut stream = EventStream::open(&carla, &lot.id, Some(0)).await?;
    ensure!(stream.next(Duration::from_secs(20)).await?.is_some(), "the stream is silent");

    // A bid whose second half is still to come.
    let before = in_flight(world, Service::Bidding).await?;
    let (half, halves) = mpsc::channel::<Result<Bytes, std::io::Error>>(2);
    half.send(Ok(Bytes::from_static(br#"{"max_amount""#))).await?;
    let request = bert.request(Method::POST, Service::Bidding, &format!("/v1/auctions/{}/bids", lot.id));
    let request = request.header("idempotency-key", fresh_key()).header("content-type", "application/json");
    let request = request.body(reqwest::Body::wrap_stream(ReceiverStream::new(halves)));
    let terminated = async {
        within(Duration::from_secs(20), "the service has begun with the bid", || async {
            let now = in_flight(world, Service::Bidding).await?;
            ensure!(now > before, "{now} requests are in flight, before {before}");
            Ok(())
        })
        .await?;

        let pid = terminate(world, Service::Bidding)?;
        let url = Url::parse(world.endpoints.api(Service::Bidding))?;
        let address = (url.host_str().context("a host")?.to_owned(), url.port().context("a port")?);
        within(Duration::from_secs(10), "no new connection is taken", || async {
            if TcpStream::connect((address.0.as_str(), address.1)).await.is_ok() {
                bail!("a connection was taken");
            }
            Ok(())
        })
        .await?;
        half.send(Ok(Bytes::from_static(b":500}"))).await?;
        drop(half);
        Ok(pid)
    };
    let (answer, pid) = try_join(world.ask(request), terminated).await?;
    ensure!(answer.status == 201, "the bid in flight was answered {}: {}", answer.status, answer.text);
    stream.rest(ENDS_WITHIN).await.context("the stream ends in order")?;
    ensure!(!stream.retry_ms.is_empty(), "the stream gave no hint when to come again: {}", stream.transcript);
    has_ended_well(local, world, Service::Bidding, pid).await?;

    // The reader comes back and finds the bid.
    let mut again = EventStream::open(&carla, &lot.id, Some(1)).await?;
    let next = again.next(Duration::from_secs(20)).await?.context("the stream has ended")?;
    ensure!(next.id == Some(2) && next.name.contains("bid"), "{next:?}");
    Ok(())
}
