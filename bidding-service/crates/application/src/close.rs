//! Auctions open and close when they are due. A timer outside calls this; any number of instances may.

use std::time::Duration;

use bidding_domain::{
    auction::{Auction, Transition},
    halt::Halt,
};
use bidding_ports::{error::StoreError, store::Changes};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    Auctions,
    error::{UseError, retrying},
};

/// How long to wait before looking again for an auction that is due while another unit of work has it.
pub const LOCKED_ELSEWHERE: Duration = Duration::from_millis(20);

/// Without a sign of life of any instance for so long the service was down: the time is given back to
/// auctions whose last minutes it touched.
pub const DOWNTIME: Duration = Duration::from_secs(5);
/// The same, for what was read under a lock.
pub(crate) const SILENCE: TimeDelta = TimeDelta::seconds(5);

impl Auctions {
    /// Opens and closes what is due, at most `limit` auctions in one unit of work, and tells how long
    /// to wait before the next call: zero when more may be due, `None` when no auction waits or all are paused.
    /// An auction that is published meanwhile may be due earlier.
    ///
    /// # Errors
    /// The store's.
    pub async fn run_due(&self, limit: u32) -> Result<Option<Duration>, UseError> {
        // Before anything is closed, it must be known whether the service was down, and that nothing rests.
        if self.store.beat(DOWNTIME).await? {
            return Ok(None);
        }
        if retrying(|| self.run_due_once(limit)).await? >= limit as usize {
            return Ok(Some(Duration::ZERO));
        }
        let wait = self.store.next_due().await?;
        Ok(wait.map(|wait| wait.max(LOCKED_ELSEWHERE)))
    }

    async fn run_due_once(&self, limit: u32) -> Result<usize, UseError> {
        let mut tx = self.store.begin().await?;
        let locked = tx.lock_due(limit).await?;
        let count = locked.len();
        let mut changes = Changes::default();
        for locked in locked {
            if locked.silence > SILENCE {
                // Stood still since the beat: whether auctions get time back is to be known first.
                return Err(StoreError::Conflict.into());
            }
            let Transition { auction, entries } = due(locked.auction, &locked.halts, locked.now);
            let caused = Changes::of(auction, entries);
            changes.auctions.extend(caused.auctions);
            changes.entries.extend(caused.entries);
        }
        if count > 0 {
            tx.save(changes).await?;
        }
        tx.commit().await?;
        Ok(count)
    }
}

/// What time alone decides: halts are followed, what is due opens, and what has ended closes. An auction that
/// the store thought due and that is not any more, because time was given back, is saved with its new end.
pub(crate) fn due(auction: Auction, halts: &[Halt], now: DateTime<Utc>) -> Transition {
    let Transition { auction, mut entries } = auction.catch_up(halts, now);
    if now < auction.ends_at() {
        return Transition { auction, entries };
    }
    match auction.clone().close(now) {
        Err(_) => Transition { auction, entries },
        Ok(closed) => {
            entries.extend(closed.entries);
            Transition { auction: closed.auction, entries }
        }
    }
}
