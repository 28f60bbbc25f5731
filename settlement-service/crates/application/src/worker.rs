//! What moves settlements on without anybody asking: deadlines that passed and calls to the gateway.
//!
//! The worker holds nothing in memory between runs: it may be killed anywhere, and any number may run at once.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use settlement_domain::saga::{self, Dispatch};
use settlement_domain::{Contact, GatewayCall, Report, Way};
use settlement_ports::{GatewayResult, Lookup, PaymentGateway, SettlementStore, StoreError};

use crate::batch::Batch;
use crate::retry::on_conflict;

/// Drives settlements on; told when to by the service.
#[derive(Clone)]
pub struct Worker {
    store: Arc<dyn SettlementStore>,
    gateway: Arc<dyn PaymentGateway>,
}

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Deadlines of settlements and of suspensions that had passed.
    pub deadlines: usize,
    /// Calls that were taken up.
    pub calls: usize,
}

impl Progress {
    /// Whether nothing was due: there is time to wait.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.deadlines == 0 && self.calls == 0
    }
}

/// A contact that was made.
#[derive(Clone)]
struct Heard {
    call: GatewayCall,
    contact: Contact,
    report: Report,
}

impl Worker {
    /// Over a store and a gateway.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>, gateway: Arc<dyn PaymentGateway>) -> Self {
        Self { store, gateway }
    }

    /// Takes up at most `limit` passed deadlines and `limit` due calls. Trouble with the one does not keep it from
    /// the other; what was left undone by an error is due again later.
    pub async fn run_once(&self, limit: u32) -> Result<Progress, StoreError> {
        let deadlines = on_conflict(|| self.pass_deadlines(limit)).await;
        let standings = on_conflict(|| self.end_suspensions(limit)).await;
        let calls = self.make_calls(limit).await;
        Ok(Progress { deadlines: deadlines? + standings?, calls: calls? })
    }

    async fn pass_deadlines(&self, limit: u32) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.lock_due_timers(limit).await?;
        let (count, mut batch) = (due.len(), Batch::default());
        for locked in due {
            batch.add(saga::deadline(locked.aggregate, locked.now));
        }
        if count > 0 {
            batch.write(tx.as_mut()).await?;
            tx.commit().await?;
        }
        Ok(count)
    }

    async fn end_suspensions(&self, limit: u32) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.lock_due_standings(limit).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let passed = due.into_iter().map(|locked| locked.aggregate.time_passed(locked.now));
        let (standings, events): (Vec<_>, Vec<_>) = passed.unzip();
        tx.save_standings(&standings).await?;
        tx.record_standings(&events.into_iter().flatten().collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(standings.len())
    }

    async fn make_calls(&self, limit: u32) -> Result<usize, StoreError> {
        let (count, contacts) = on_conflict(|| self.claim_calls(limit)).await?;
        let mut answers = contacts
            .into_iter()
            .map(|(call, contact)| self.contact(call, contact))
            .collect::<FuturesUnordered<_>>()
            .ready_chunks(limit.max(1) as usize);
        let mut trouble = Ok(());
        while let Some(heard) = answers.next().await {
            trouble = trouble.and(on_conflict(|| self.take_in(heard.clone())).await);
        }
        trouble.map(|()| count)
    }

    /// First unit of work: the contacts are counted and the calls put in doubt before the gateway hears of them.
    async fn claim_calls(&self, limit: u32) -> Result<(usize, Vec<(GatewayCall, Contact)>), StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.lock_pending_calls(limit).await?;
        let (count, mut batch, mut contacts) = (due.len(), Batch::default(), Vec::new());
        for locked in due {
            match saga::dispatch(locked.aggregate.settlement, locked.aggregate.call, locked.now) {
                Dispatch::Contact(call, contact) => {
                    batch.add_call(call.clone());
                    contacts.push((call, contact));
                }
                Dispatch::Overtaken(change) => batch.add(*change),
            }
        }
        if count > 0 {
            batch.write(tx.as_mut()).await?;
            tx.commit().await?;
        }
        Ok((count, contacts))
    }

    async fn contact(&self, call: GatewayCall, contact: Contact) -> Heard {
        let report = match contact.way {
            Way::Send => match self.gateway.execute(&call.key(), call.instruction()).await {
                GatewayResult::Answered(answer) => Report::Answered(answer),
                GatewayResult::Unknown => Report::Unknown,
                GatewayResult::Unavailable => Report::Unavailable,
            },
            Way::Ask => match self.gateway.lookup(&call.key()).await {
                Lookup::Answered(answer) => Report::Answered(answer),
                Lookup::Absent => Report::Absent,
                Lookup::Unavailable => Report::Unavailable,
            },
        };
        Heard { call, contact, report }
    }

    /// Second unit of work: what came of the contacts. Rows are locked in id order, so that workers cannot wait for
    /// each other in a circle.
    async fn take_in(&self, mut heard: Vec<Heard>) -> Result<(), StoreError> {
        heard.sort_by_key(|heard| heard.call.settlement_id());
        let mut tx = self.store.begin().await?;
        let mut batch = Batch::default();
        for Heard { call, contact, report } in heard {
            let Some(locked) = tx.lock(call.settlement_id()).await? else { continue };
            let Some(stored) = tx.call(&call.key()).await? else { continue };
            batch.add(saga::report(locked.aggregate, stored, contact, report, locked.now));
        }
        batch.write(tx.as_mut()).await?;
        tx.commit().await
    }
}
