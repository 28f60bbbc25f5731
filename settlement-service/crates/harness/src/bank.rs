//! A day at the bank: many settlements at once, of every ending, over any store, while others sum the ledger all the
//! time. Every read balances, the ledger never knows of money that the gateway has not moved, and at the end both
//! agree to the cent, and are reconciled entry by entry. The store's clock is a real one, so deadlines are seconds. Needs
//! a tokio runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::DateTime;
use settlement_application::{Facts, Reconciliation, Settlements, UseError, Worker};
use settlement_domain::ledger::{AccountKind, TrialBalance};
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Decision, Lot, Sale, Terms, Verdict};
use settlement_domain::{
    AuctionId, Money, MovementKind, Parcel, PayoutRules, Schedules, SettlementId, Statement, Status,
};
use settlement_ports::{
    ClearingReads, Fact, FactHandler, LedgerReads, ListFilter, Receipt, RequestKey, SettlementStore, Viewer,
};
use uuid::Uuid;

use crate::{Faults, GatewayTotals, MemoryGateway, audit};

const READ_EVERY: Duration = Duration::from_millis(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(120);

/// The people and machines of one day.
#[derive(Clone)]
struct Bank {
    store: Arc<dyn SettlementStore>,
    ledger: Arc<dyn LedgerReads>,
    settlements: Settlements,
    facts: Facts,
    worker: Worker,
    gateway: Arc<MemoryGateway>,
    closed: Arc<AtomicBool>,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    /// How often the ledger was summed while settlements ran.
    pub reads: usize,
    /// How many settlements ended in each of completed, refunded and failed.
    pub ends: [usize; 3],
}

/// Runs so many settlements at once over a store that nobody else uses, with `readers` who sum the ledger every 10 ms.
pub async fn day<S>(store: Arc<S>, settlements: usize, readers: usize, fees: Schedules) -> Day
where
    S: SettlementStore + LedgerReads + ClearingReads + 'static,
{
    let gateway = Arc::new(MemoryGateway::new(Faults::default(), Box::new(|_| {})));
    let terms = Terms { payment_due_s: 6, ship_due_s: 3, inspection_s: 1, offer_day_s: 1 };
    let bank = Bank {
        settlements: Settlements::new(store.clone()),
        facts: Facts::new(store.clone(), terms, fees),
        worker: Worker::new(store.clone(), gateway.clone(), PayoutRules::default()),
        store: store.clone(),
        ledger: store.clone(),
        gateway,
        closed: Arc::default(),
    };
    let machines: Vec<_> = (0..2).map(|_| tokio::spawn(bank.clone().works())).collect();
    let readers: Vec<_> = (0..readers).map(|_| tokio::spawn(bank.clone().sums())).collect();
    let people: Vec<_> = (0..settlements).map(|n| tokio::spawn(bank.clone().sale(n))).collect();
    let mut ends = [0; 3];
    for person in people {
        match person.await.unwrap() {
            Status::Completed => ends[0] += 1,
            Status::Refunded => ends[1] += 1,
            Status::Failed => ends[2] += 1,
            other => panic!("a settlement ended {other}"),
        }
    }
    bank.closed.store(true, Ordering::Relaxed);
    let mut reads = 0;
    for reader in readers {
        reads += reader.await.unwrap();
    }
    for machine in machines {
        machine.await.unwrap();
    }
    let clearing = bank.read().await.balance(AccountKind::GatewayClearing, "USD".parse().unwrap());
    let GatewayTotals { held, captured, refunded, paid_out, .. } = bank.gateway.totals();
    assert_eq!((held, clearing), (0, i128::from(captured - refunded - paid_out)), "ledger and gateway at the end");
    let report = Reconciliation::new(store, bank.gateway).run(None).await.unwrap();
    assert!(report.agrees() && report.pending == 0, "{report:#?}");
    let by_list: i128 =
        report.sums.iter().filter(|line| line.kind == MovementKind::Charge).map(|line| line.gateway.amount).sum();
    assert_eq!(by_list, i128::from(captured), "charges by the gateway's list");
    Day { reads, ends }
}

impl Bank {
    /// What is due is done, as the service's loop does it.
    async fn works(self) {
        while !self.closed.load(Ordering::Relaxed) {
            if !self.worker.run_once(32).await.is_ok_and(|progress| !progress.is_idle()) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// The ledger is summed again and again.
    async fn sums(self) -> usize {
        let mut ticks = tokio::time::interval(READ_EVERY);
        let mut reads = 0;
        while !self.closed.load(Ordering::Relaxed) {
            ticks.tick().await;
            self.read().await;
            reads += 1;
        }
        reads
    }

    /// One read, which has to be sound. The gateway acts first and the ledger follows.
    async fn read(&self) -> TrialBalance {
        let sums = self.ledger.trial_balance(None).await.unwrap();
        let totals = self.gateway.totals();
        audit::sums_are_sound(&sums, "USD".parse().unwrap());
        let clearing = sums.accounts().iter().find(|line| line.account == AccountKind::GatewayClearing);
        let (came, went) = clearing.map_or((0, 0), |line| (line.debits, line.credits));
        assert!(came <= i128::from(totals.captured), "the ledger has {came}, the gateway took {totals:?}");
        assert!(went <= i128::from(totals.refunded + totals.paid_out), "{went} went, the gateway gave {totals:?}");
        sums
    }

    /// One sale: a fifth each is never paid, never shipped, and received by silence; some come before the operator; the
    /// others are done by the book.
    async fn sale(self, n: usize) -> Status {
        let id = self.hammer_falls(n).await;
        let (buyer, seller) = (format!("buyer-{n}"), format!("seller-{}", n % 10));
        if n.is_multiple_of(5) {
            return self.until(id, Status::is_end).await;
        }
        if n.is_multiple_of(7) {
            self.does(id, &buyer, Act::Pay("pm_card_chargeDeclined".parse().unwrap())).await;
            self.until(id, |status| status == Status::AwaitingPayment || status.is_end()).await;
        }
        self.does(id, &buyer, Act::Pay("pm_card_visa".parse().unwrap())).await;
        let paid = self.until(id, |status| status == Status::Escrowed || status.is_end()).await;
        if n % 5 != 1 && paid == Status::Escrowed {
            self.does(id, &seller, Act::Ship(Parcel::new("UPS", "1Z999").unwrap())).await;
            if n % 10 == 3 {
                let complaint = Statement::try_from("a scratch".to_owned()).unwrap();
                self.does(id, &buyer, Act::Dispute(buyer.parse().unwrap(), complaint)).await;
                let verdict = Verdict::PartRefund { amount: 100 };
                let by = "root".parse().unwrap();
                let decision = Decision { by, verdict, note: None, chargebacks_seen: None };
                self.does(id, "root", Act::Resolve(decision)).await;
            } else if n % 5 != 2 {
                self.does(id, &buyer, Act::Receive).await;
            }
        }
        self.until(id, Status::is_end).await
    }

    async fn hammer_falls(&self, n: usize) -> SettlementId {
        let auction_id = AuctionId::from(Uuid::now_v7());
        let price = 1_000 + 37 * i64::try_from(n).unwrap();
        let sale = Sale {
            auction_id,
            seller_id: format!("seller-{}", n % 10).parse().unwrap(),
            buyer_id: format!("buyer-{n}").parse().unwrap(),
            price: Money::new(price, "USD".parse().unwrap()).unwrap(),
            lot: Lot::Units,
            closed_at: DateTime::UNIX_EPOCH,
        };
        let source = "/outcry/bidding-service".to_owned();
        let receipt = Receipt { event_id: Uuid::now_v7(), source, key: auction_id.to_string(), sequence: 1 };
        while self.facts.handle(receipt.clone(), Fact::AuctionSold(vec![sale.clone()])).await.is_err() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let filter = ListFilter { auction_id: Some(auction_id), ..ListFilter::default() };
        let all = Viewer { user: "root".parse().unwrap(), admin: true };
        self.store.list(&all, &filter, 1).await.unwrap()[0].id()
    }

    /// Somebody asks until there is an answer, by the same key.
    async fn does(&self, id: SettlementId, who: &str, act: Act) {
        let actor = Viewer { user: who.parse().unwrap(), admin: who == "root" };
        let key = RequestKey { principal: actor.user.clone(), key: Uuid::now_v7().to_string(), fingerprint: [0; 32] };
        let asking = async {
            loop {
                match self.settlements.act(&actor, &key, id, act.clone()).await {
                    Ok(_) => return,
                    Err(UseError::Conflict | UseError::Held | UseError::Unavailable(_) | UseError::KeyRunning) => {
                        tokio::time::sleep(LOOK_EVERY).await;
                    }
                    Err(error) => panic!("{who}: {error}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer");
    }

    async fn until(&self, id: SettlementId, so: impl Fn(Status) -> bool) -> Status {
        let waiting = async {
            loop {
                match self.store.settlement(id).await {
                    Ok(Some(settlement)) if so(settlement.status()) => return settlement.status(),
                    _ => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("it moves on")
    }
}
