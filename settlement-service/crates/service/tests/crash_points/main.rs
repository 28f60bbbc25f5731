//! The service is killed (SIGKILL) before and after each commit, each call to the gateway and each event it produces, on a
//! real PostgreSQL and a real Kafka, and started again. However that falls, every settlement comes to its end, its ledger
//! balances and agrees with what the gateway keeps, and its events are at the broker, each once or repeated to the letter.
//!
//! ```text
//!   people ──HTTPS──► settlement-service ──► postgres.rs ──TLS──► PostgreSQL
//!   (people, story)      (process)       ──► gateway.rs  ───────► a small Stripe with a memory
//!                                        ──────mutual TLS───────► Kafka (broker)
//! ```
//!
//! [`postgres`] and [`gateway`] stand in between and tell [`watch`] of everything that is about to happen or has just
//! happened for the settlement that it follows; at the moment asked for it kills the process, before anything else goes
//! either way. So a kill is exact, whatever the machine is doing. The stories are told undisturbed first ([`run`]): that
//! shows which [`point`]s there are, and how everything has to look in the end ([`books`]).
//!
//! One process after the other works on one database, while settlements that were cut before go on: a call in doubt is
//! taken up after half a minute, and nobody waits for that. A relay's lease of five seconds is waited for once, in the end.
//!
//! A normal run plays a sample. `OUTCRY_CRASH_POINTS=all` plays all points, `=100` so many, and
//! `=sale/after-call/2,refund/before-commit/5` these, as a failure prints them. Needs what the adapters' tests need:
//! `OUTCRY_TEST_DATABASE_URL`, `OUTCRY_TEST_KAFKA_BROKERS` and `OUTCRY_TEST_KAFKA_TLS_DIR`; `make test` sets them.

mod books;
mod broker;
mod database;
#[allow(dead_code)] // the tests of the Stripe adapter use all of it
#[path = "../../../adapter-payments/tests/stripe/fake.rs"]
mod fake;
mod frames;
mod gateway;
mod party;
mod people;
mod point;
mod postgres;
mod process;
mod run;
mod story;
mod watch;
#[allow(dead_code)] // as above
#[path = "../../../adapter-payments/tests/stripe/wire.rs"]
mod wire;
mod world;

use std::io::Write;

use anyhow::Result;
use settlement_harness::seeds::Dice;
use uuid::Uuid;

use crate::point::{Wanted, replay};
use crate::run::Run;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_comes_to_its_end_wherever_its_service_is_killed() -> Result<()> {
    let wanted = Wanted::from_env()?;
    let mut run = Run::new(World::create().await?);
    let all = run.record().await?;
    let total = all.len();
    // Its last bytes are random.
    let seed = Uuid::now_v7().as_u64_pair().1;
    let points = wanted.of(all, &mut Dice::new(seed));
    say(&format!("{} of {total} points are played", points.len()));
    run.cut(&points).await?;
    let wrong = run.end().await?;
    for (point, what) in &wrong {
        match point {
            Some(point) => say(&format!("FAILED, cut at {point}: {what}\n  again: {}", replay(&[*point]))),
            None => say(&format!("FAILED: {what}")),
        }
    }
    assert!(wrong.is_empty(), "{} failures; all of it again: {}", wrong.len(), replay(&points));
    Ok(())
}

/// Progress: a test's output is kept back until it ends, this goes around that.
fn say(line: &str) {
    let _said = std::io::stderr().lock().write_all(format!("crash points: {line}\n").as_bytes());
}
