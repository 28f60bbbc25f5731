//! Auctions open and close when they are due. A timer outside calls this; any number of instances may.

use std::time::Duration;

use bidding_domain::auction::{Auction, Refused, Status, Transition};
use bidding_ports::store::Locked;
use chrono::{DateTime, Utc};

use crate::{
    Auctions,
    error::{UseError, retrying},
};

/// How long to wait before looking again for an auction that is due while another unit of work has it.
pub const LOCKED_ELSEWHERE: Duration = Duration::from_millis(20);

impl Auctions {
    /// Opens and closes what is due, at most `limit` auctions in one unit of work, and tells how long
    /// to wait before the next call: zero when more may be due, `None` when no auction waits.
    /// An auction that is published meanwhile may be due earlier.
    ///
    /// # Errors
    /// The store's.
    pub async fn run_due(&self, limit: u32) -> Result<Option<Duration>, UseError> {
        if retrying(|| self.run_due_once(limit)).await? >= limit as usize {
            return Ok(Some(Duration::ZERO));
        }
        let wait = self.store.next_due().await?;
        Ok(wait.map(|wait| wait.max(LOCKED_ELSEWHERE)))
    }

    async fn run_due_once(&self, limit: u32) -> Result<usize, UseError> {
        let mut tx = self.store.begin().await?;
        let due = tx.lock_due(limit).await?;
        let count = due.len();
        if count == 0 {
            return Ok(0);
        }
        for locked in due {
            // What the store thought due and the auction does not is left as it is.
            let Some(Transition { auction, events }) = due_transition(locked) else { continue };
            tx.save(&auction, &[]).await?;
            tx.record(&events).await?;
        }
        tx.commit().await?;
        Ok(count)
    }
}

fn due_transition(Locked { auction, now }: Locked) -> Option<Transition> {
    match auction.status() {
        Status::Scheduled => opened(auction, now).ok(),
        _ => auction.close(now).ok(),
    }
}

/// Opens an auction and, if its whole time has passed already, closes it as well.
fn opened(auction: Auction, now: DateTime<Utc>) -> Result<Transition, Refused> {
    let opened = auction.open(now)?;
    match opened.auction.clone().close(now) {
        Err(_) => Ok(opened),
        Ok(closed) => {
            let events = opened.events.into_iter().chain(closed.events).collect();
            Ok(Transition { auction: closed.auction, events })
        }
    }
}
