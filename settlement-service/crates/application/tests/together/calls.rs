//! Calls to the gateway that are under way at the same time: none keeps a place that others could have.

use std::cell::Cell;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;

use async_trait::async_trait;
use futures::channel::mpsc;
use futures::executor::block_on;
use futures::lock::{Mutex, OwnedMutexGuard};
use futures::{StreamExt, poll};
use settlement_application::Worker;
use settlement_domain::{CallKey, Instruction, PayoutRules, Settlement, Status, Subject};
use settlement_harness::{Faults, MemoryGateway};
use settlement_ports::{GatewayResult, Lookup, PaymentGateway};

use crate::market::{Market, all_pay, pays};

/// The gateway, which takes its time for one settlement.
struct Slow {
    gateway: MemoryGateway,
    of: Subject,
    gate: Arc<Mutex<()>>,
}

impl Slow {
    /// A worker at the market that calls it.
    fn at(market: &Market, of: &Settlement) -> (Worker, Arc<Self>) {
        let gateway = MemoryGateway::new(Faults::default(), Box::new(|_| {}));
        let slow = Arc::new(Self { gateway, of: of.id().into(), gate: Arc::default() });
        (Worker::new(Arc::new(market.store.clone()), slow.clone(), PayoutRules::default()), slow)
    }

    /// It answers nothing about that settlement until what this gives is dropped.
    async fn closed(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.gate).lock_owned().await
    }

    async fn pass(&self, key: &CallKey) {
        if key.subject() == Some(self.of) {
            drop(self.gate.lock().await);
        }
    }
}

#[async_trait]
impl PaymentGateway for Slow {
    async fn execute(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        self.pass(key).await;
        self.gateway.execute(key, instruction).await
    }

    async fn lookup(&self, key: &CallKey, instruction: &Instruction) -> Lookup {
        self.pass(key).await;
        self.gateway.lookup(key, instruction).await
    }
}

/// Gives it its turns, as a runtime would: it gets as far as it can, and not to its end.
async fn comes_to_rest(mut round: Pin<&mut impl Future>) {
    for _ in 0..100 {
        assert!(poll!(&mut round).is_pending());
    }
}

#[test]
fn a_place_that_is_free_is_taken_again_while_another_call_takes_its_time() {
    let (market, sales) = Market::sells(4);
    block_on(market.act(&all_pay(&sales[..3])));
    let (worker, gateway) = Slow::at(&market, &sales[0]);
    let statuses = || sales.iter().map(|sale| market.status(sale.id())).collect::<Vec<_>>();
    let (wake, woken) = mpsc::unbounded();
    let woken = Mutex::new(woken);
    let more = || async {
        woken.lock().await.next().await.unwrap();
    };
    block_on(async {
        let closed = gateway.closed().await;
        let mut round = pin!(worker.make_calls(2, more, || false));
        comes_to_rest(round.as_mut()).await;
        let [slow, next] = [Status::Authorizing, Status::AwaitingPayment];
        assert_eq!(
            statuses(),
            [slow, Status::Escrowed, Status::Escrowed, next],
            "three were due, and two have a place"
        );

        market.act(&[pays(&sales[3], 4)]).await;
        comes_to_rest(round.as_mut()).await;
        assert_eq!(statuses()[3], Status::Authorizing, "nobody has told the worker of it");
        wake.unbounded_send(()).unwrap();
        comes_to_rest(round.as_mut()).await;
        assert_eq!(statuses(), [slow, Status::Escrowed, Status::Escrowed, Status::Escrowed]);

        drop(closed);
        assert_eq!(round.await, Ok(4));
        assert_eq!(statuses(), [Status::Escrowed; 4]);
    });
}

#[test]
fn a_worker_that_stops_begins_no_call_and_ends_what_is_under_way() {
    let (market, sales) = Market::sells(2);
    block_on(market.act(&all_pay(&sales)));
    let (worker, gateway) = Slow::at(&market, &sales[0]);
    let stops = Cell::new(false);
    block_on(async {
        let closed = gateway.closed().await;
        let mut round = pin!(worker.make_calls(1, pending, || stops.get()));
        comes_to_rest(round.as_mut()).await;
        stops.set(true);
        drop(closed);
        assert_eq!(round.await, Ok(1));
        assert_eq!(worker.make_calls(1, pending, || stops.get()).await, Ok(0));
    });
    let statuses = || [market.status(sales[0].id()), market.status(sales[1].id())];
    assert_eq!(statuses(), [Status::Authorized, Status::Authorizing]);
    let calls = market.store.all_calls();
    let begun = calls.iter().filter(|call| call.tries() > 0).count();
    assert_eq!((calls.len(), begun), (3, 1), "the capture that follows is planned, and left to the next one");
    while !block_on(worker.run_once(10)).unwrap().is_idle() {}
    assert_eq!(statuses(), [Status::Escrowed; 2]);
}
