//! Row locks by name, held until the unit of work ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use bidding_domain::ids::AuctionId;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    Auction(AuctionId),
    Inbox(String, String),
}

/// The locks of all rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks(Arc<Mutex<BTreeMap<Row, Arc<Lock<()>>>>>);

impl Locks {
    fn of(&self, row: &Row) -> Arc<Lock<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(row.clone()).or_default())
    }
}

/// The locks of one unit of work.
#[derive(Debug, Default)]
pub(super) struct Held {
    rows: BTreeSet<Row>,
    guards: Vec<OwnedMutexGuard<()>>,
}

impl Held {
    pub(super) fn has(&self, row: &Row) -> bool {
        self.rows.contains(row)
    }

    /// Waits for the row.
    pub(super) async fn take(&mut self, locks: &Locks, row: Row) {
        if !self.has(&row) {
            self.guards.push(locks.of(&row).lock_owned().await);
            self.rows.insert(row);
        }
    }

    /// Takes the row if nobody else has it.
    pub(super) fn try_take(&mut self, locks: &Locks, row: Row) -> bool {
        if self.has(&row) {
            return true;
        }
        let Ok(guard) = locks.of(&row).try_lock_owned() else { return false };
        self.guards.push(guard);
        self.rows.insert(row);
        true
    }
}
