//! Deadlines that have passed, as the worker acts on them over a store: who cannot get a strike now keeps nobody else
//! waiting.

use std::sync::Arc;

use chrono::TimeDelta;
use settlement_application::Worker;
use settlement_domain::{PayoutRules, SettlementId, Status};
use settlement_ports::SettlementStore;

use super::{
    samples::{now, overdue, stored},
    soon,
};
use crate::{Faults, MemoryGateway};

/// More than are due at once.
const MANY: u32 = 100;

/// A worker over a store.
#[must_use]
pub fn worker(store: Arc<dyn SettlementStore>) -> Worker {
    let gateway = MemoryGateway::new(Faults::default(), Box::new(|_| {}));
    Worker::new(store, Arc::new(gateway), PayoutRules::default())
}

/// All checks of this file, for a store that nobody else uses.
pub async fn all(store: Arc<dyn SettlementStore>) {
    a_buyer_whose_standing_another_one_has_keeps_no_other_deadline_waiting(store).await;
}

/// The standing is not waited for, and the strike comes once it is free.
pub async fn a_buyer_whose_standing_another_one_has_keeps_no_other_deadline_waiting(store: Arc<dyn SettlementStore>) {
    let worker = worker(Arc::clone(&store));
    let now = now(store.as_ref()).await;
    let [held, free] = [9, 5].map(|seconds| overdue(now, TimeDelta::seconds(seconds)));
    for settlement in [&held, &free] {
        stored(store.as_ref(), settlement, &[]).await;
    }
    let status = async |id: SettlementId| store.settlement(id).await.unwrap().unwrap().status();

    let mut elsewhere = store.begin().await.unwrap();
    elsewhere.lock_standing(held.buyer_id()).await.unwrap();
    assert_eq!(worker.pass_time(MANY).await, Ok(1));
    assert_eq!((status(held.id()).await, status(free.id()).await), (Status::AwaitingPayment, Status::Failed));
    assert_eq!(worker.pass_time(MANY).await, Ok(0), "it is passed over, and there is time to wait");
    drop(elsewhere);
    soon(async || worker.pass_time(MANY).await.unwrap() == 1).await;
    assert_eq!(status(held.id()).await, Status::Failed);
    for settlement in [&held, &free] {
        let standing = store.standing(settlement.buyer_id()).await.unwrap().unwrap();
        assert_eq!(standing.strikes().len(), 1);
    }
}
