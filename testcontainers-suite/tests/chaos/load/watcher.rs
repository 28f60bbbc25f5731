//! Somebody who watches every event of a lot, and comes back after the last one whenever the stream breaks off.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use testcontainers_suite::{
    history::{Entry, Event, Placed},
    sse::{self, EventStream},
    story::{text, time},
};
use tokio::time::Instant;

use super::client::Crowd;

/// A stream says something at least this often, a comment if nothing else; without it the watcher comes anew.
const SILENT_FOR: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);
/// No lot is watched for longer.
const WATCHES_FOR: Duration = Duration::from_secs(300);

/// What was seen of a lot from its opening to its close.
#[derive(Debug, PartialEq, Eq)]
pub struct Watched {
    /// Every event.
    pub log: Vec<Entry>,
    /// When the close was decided, by the service's clock, which is the database's.
    pub closed_at: DateTime<Utc>,
}

/// Every event up to the close.
pub async fn watches(crowd: Arc<Crowd>, lot: String) -> Result<Watched> {
    let carla = crowd.world.bidder("carla");
    let (mut log, mut closed_at) = (Vec::<Entry>::new(), None);
    let begun = Instant::now();
    while !matches!(log.last(), Some(Entry { event: Event::Closed { .. }, .. })) {
        ensure!(begun.elapsed() < WATCHES_FOR, "the stream of {lot} does not end");
        let last = log.last().map(|entry| entry.sequence);
        if let Ok(mut stream) = EventStream::open(&carla, &lot, last).await {
            while let Ok(Some(event)) = stream.next(SILENT_FOR).await {
                log.push(entry(&event)?);
                if event.name == "auction.closed" {
                    closed_at = Some(time(&event.data, "at")?);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Watched { log, closed_at: closed_at.context("it closes at no time")? })
}

fn entry(event: &sse::Event) -> Result<Entry> {
    let data = &event.data;
    let number = |member: &str| data[member].as_i64().with_context(|| format!("no {member} in {data}"));
    let what = match event.name.as_str() {
        "auction.opened" => Event::Opened,
        "bid.placed" => Event::Bid(Placed {
            bid: text(data, "bid_id")?,
            alias: text(data, "bidder")?,
            effect: text(data, "outcome")?,
            price: number("price")?,
            leader: text(data, "leader")?,
            next_minimum: number("next_minimum")?,
            bid_count: data["bid_count"].as_u64().context("bid_count")?,
        }),
        "auction.closed" => {
            let winner = data["winner"].as_str().map(ToOwned::to_owned);
            Event::Closed { price: data["result"]["price"].as_i64(), winner }
        }
        other => Event::Other(other.to_owned()),
    };
    Ok(Entry { sequence: event.id.context("an event has an id")?, event: what })
}
