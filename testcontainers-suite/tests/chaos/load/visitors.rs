//! Visitors: somebody who drafts listings and somebody who looks after settlements, all the time and whatever becomes of
//! anything else. A sale stands still when one service does; by them it is seen whether the others serve.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use testcontainers_suite::{client::Answer, story::text, terms::Terms, world::Service};
use tokio::sync::watch;

use super::client::{Ask, Attempted, Client, Crowd};

/// Many of these are in [`SILENT_FOR`](testcontainers_suite::served::SILENT_FOR).
const EVERY: Duration = Duration::from_millis(150);
/// A draft is never published; it would be for so long.
const LASTS: Duration = Duration::from_secs(3600);
/// So many drafts are looked at again, the first ones: to write them takes longer than anything is wrong with listing.
const KEPT: usize = 300;

/// Drafts one listing after the other until told to stop; then those that were answered have to be there as they were. Nothing
/// takes listing's database back to an earlier moment.
pub async fn draft(crowd: Arc<Crowd>, stop: watch::Receiver<bool>) -> Result<()> {
    let mut anna = Client::new(&crowd, "anna", &["seller"])?;
    let mut drafts = Vec::new();
    let ask = || Ask::write(Service::Listing, "/v1/listings", Terms::from(1_000).lasting(LASTS).body());
    let keep = |answer: Answer| {
        if answer.status == 201 && drafts.len() < KEPT {
            drafts.push(answer);
        }
    };
    visit(&anna, &stop, ask, keep).await;
    for draft in drafts {
        let path = format!("/v1/listings/{}", text(&draft.body, "id")?);
        let now = anna.insists(&Ask::read(Service::Listing, path).or(&["not-found"])).await?;
        if now.body != draft.body {
            crowd.record.finding(format!("a draft was answered {}, and now {}", draft.text, now.text));
        }
    }
    Ok(())
}

/// Reads the own settlements until told to stop.
pub async fn look_after_settlements(crowd: Arc<Crowd>, stop: watch::Receiver<bool>) -> Result<()> {
    let carla = Client::new(&crowd, "carla", &["bidder"])?;
    visit(&carla, &stop, || Ask::read(Service::Settlement, "/v1/settlements?limit=5"), |_| {}).await;
    Ok(())
}

async fn visit(client: &Client, stop: &watch::Receiver<bool>, ask: impl Fn() -> Ask, mut answered: impl FnMut(Answer)) {
    while !*stop.borrow() {
        let inside = client.crowd.gate.pass().await;
        // What is wrong with the answer is recorded.
        if let (_, Attempted::Answered(answer)) = client.attempts(&ask()).await {
            answered(answer);
        }
        drop(inside);
        tokio::time::sleep(EVERY).await;
    }
}
