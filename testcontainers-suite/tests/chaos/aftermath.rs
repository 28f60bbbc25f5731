//! What is looked at once a round has ended and everything is quiet: lots that are over, events, logs, dead letters, the
//! books against the gateway, and whether every place for a session can be used again.

use anyhow::{Context, Result, ensure};
use testcontainers_suite::world::Service;

use crate::{contract::Contract, load::record::Record, outcome, stage::Stage};

/// What there was before a round.
pub struct Before {
    missed: f64,
    letters: i64,
}

impl Before {
    /// As it is now. What is wrong with an event already is no finding of the round that begins.
    pub async fn of(stage: &Stage) -> Result<Self> {
        stage.events_hold().context("before the load")?;
        Ok(Self { missed: stage.missed().await?, letters: stage.witness().dead_letters().await? })
    }
}

/// Records everything that is wrong. What needs an end of everything is asked only if all had `ended`.
pub async fn find(stage: &mut Stage, before: &Before, contract: &Contract, record: &Record, ended: bool) {
    // Streams, too; whoever reads one comes again without a word.
    record.holds("answers", stage.world.answers.all_fit());
    record.holds("events", stage.events_hold());
    record.holds("logs", stage.logs_are_sound());
    record.holds("consumers", nothing_was_missed(stage, before, contract).await);
    record.holds("dead letters", letters_are(stage, before, contract).await);
    for silent in stage.take_silent() {
        record.finding(silent);
    }
    if !ended {
        return;
    }
    record.holds("what was committed", stage.nothing_is_untold().await);
    for lot in record.lots() {
        record.holds(&format!("lot {}", lot.id), outcome::is_told_alike(stage, &lot).await);
    }
    record.holds("the books", stage.books_agree_with_the_gateway(contract.unbooked).await);
    for service in Service::ALL {
        record.holds("sessions", stage.all_places_are_usable(service).await);
    }
}

async fn nothing_was_missed(stage: &Stage, before: &Before, contract: &Contract) -> Result<()> {
    let missed = stage.missed().await? - before.missed;
    if contract.again {
        // Who hears of a settlement again must not take that for the next event after the one that was heard last.
        ensure!(missed > 0.0, "settlement went on with higher numbers, and nobody found that any are missing");
    } else {
        ensure!(missed <= 0.0, "they missed events {missed} times");
    }
    Ok(())
}

async fn letters_are(stage: &Stage, before: &Before, contract: &Contract) -> Result<()> {
    let (letters, expected) = (stage.witness().dead_letters().await? - before.letters, contract.letters);
    ensure!(letters == expected, "there are {letters} more, and {expected} were expected");
    Ok(())
}
