//! What is on sale when the doors open: lots of the people who come, listed over the API like any other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use futures::{StreamExt, TryStreamExt};

use super::aftermath;
use super::goods;
use super::sample::{Looker, in_time};
use crate::api::Principal;
use crate::bench::Bench;
use crate::console::Console;
use crate::layout::Service;

/// Tokens outlive every run.
pub const TOKEN_TTL: Duration = Duration::from_secs(48 * 3600);
/// Lots that are listed at the same time.
const AT_ONCE: usize = 16;
/// Without a terminal a line is printed for so many lots.
const TOLD_EVERY: u64 = 250;
/// A lot lasts at least so long.
const SHORTEST: Duration = Duration::from_secs(60);
const OPENS_WITHIN: Duration = Duration::from_secs(60);

/// Lists and publishes `count` lots of `sellers` in turn, which end evenly spread over the time `until_last` from now.
pub async fn lots(bench: &Bench<'_>, sellers: &[&str], count: u32, until_last: Duration) -> Result<()> {
    let bar = bench.console.steps("Listing lots", count as usize);
    let longest = until_last.max(2 * SHORTEST);
    let listed = futures::stream::iter(0..count).map(|number| {
        let bar = bar.clone();
        async move {
            let sub = sellers[number as usize % sellers.len()];
            let seller = Principal { sub, role: "seller" };
            let lasts = SHORTEST + longest.saturating_sub(SHORTEST).mul_f64(fastrand::f64());
            let (draft, key) = (goods::listing(Utc::now(), lasts), format!("{sub}-seed-{number}"));
            let created = bench.api.post(Service::Listing, "/v1/listings", seller, &key, &draft).await?.success()?;
            let id = created["id"].as_str().context("a new listing has no id")?;
            let publish = format!("/v1/listings/{id}/publish");
            bench.api.post(Service::Listing, &publish, seller, &key, &serde_json::json!({})).await?.success()?;
            bar.inc(1);
            if !Console::is_terminal() && bar.position().is_multiple_of(TOLD_EVERY) {
                bench.console.say(format!("  {} of {count} lots are listed", bar.position()));
            }
            anyhow::Ok(())
        }
    });
    let listed: Result<Vec<()>> = listed.buffer_unordered(AT_ONCE).try_collect().await;
    bar.finish_and_clear();
    listed.context("cannot list the lots of the run")?;
    Ok(())
}

/// Waits until bidding has opened them all and listing knows.
pub async fn opened(bench: &Bench<'_>) -> Result<()> {
    let mut looker = in_time(Looker::open(bench.data_dir, &bench.endpoints)).await?;
    let spinner = bench.console.spinner("Waiting until bidding has opened them all");
    // First what listing has said, and then what bidding answers.
    let opened = async {
        let listed = aftermath::settles(&mut looker, OPENS_WITHIN, |_| {}).await?;
        anyhow::Ok(listed && aftermath::settles(&mut looker, OPENS_WITHIN, |_| {}).await?)
    };
    let opened = opened.await;
    spinner.finish_and_clear();
    ensure!(opened?, "events are still on their way {OPENS_WITHIN:?} after the lots were listed");
    Ok(())
}
