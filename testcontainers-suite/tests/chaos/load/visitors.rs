//! Visitors: somebody who drafts listings and somebody who looks after settlements, all the time and whatever becomes of
//! anything else. A sale stands still when one service does; by them it is seen whether the others serve.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use testcontainers_suite::{terms::Terms, world::Service};
use tokio::sync::watch;

use super::client::{Ask, Client, Crowd};

/// Many of these are in [`SILENT_FOR`](testcontainers_suite::served::SILENT_FOR).
const EVERY: Duration = Duration::from_millis(150);
/// A draft is never published; it would be for so long.
const LASTS: Duration = Duration::from_secs(3600);

/// Drafts one listing after the other until told to stop.
pub async fn draft(crowd: Arc<Crowd>, stop: watch::Receiver<bool>) -> Result<()> {
    let anna = Client::new(&crowd, "anna", &["seller"])?;
    visit(&anna, &stop, || Ask::write(Service::Listing, "/v1/listings", Terms::from(1_000).lasting(LASTS).body()))
        .await;
    Ok(())
}

/// Reads the own settlements until told to stop.
pub async fn look_after_settlements(crowd: Arc<Crowd>, stop: watch::Receiver<bool>) -> Result<()> {
    let carla = Client::new(&crowd, "carla", &["bidder"])?;
    visit(&carla, &stop, || Ask::read(Service::Settlement, "/v1/settlements?limit=5")).await;
    Ok(())
}

async fn visit(client: &Client, stop: &watch::Receiver<bool>, ask: impl Fn() -> Ask) {
    while !*stop.borrow() {
        let inside = client.crowd.gate.pass().await;
        // What is wrong with the answer is recorded.
        let _ = client.attempts(&ask()).await;
        drop(inside);
        tokio::time::sleep(EVERY).await;
    }
}
