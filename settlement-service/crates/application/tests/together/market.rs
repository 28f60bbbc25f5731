//! A market in which many sales are under way, and what comes there at the same time.

use std::future::pending;
use std::sync::Arc;

use futures::executor::block_on;
use futures::future::join_all;
use futures::{join, poll};
use settlement_application::{Answered, Facts, Outcome, Settlements, UseError, Worker};
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Lot, Sale};
use settlement_domain::{AuctionId, Money, PayoutRules, Settlement, SettlementId, Status, UserId};
use settlement_harness::{Faults, HandClock, MemoryGateway, MemoryStore, fees, terms};
use settlement_ports::{Fact, FactHandler, Handled, Incoming, Receipt, RequestKey, Viewer};
use uuid::Uuid;

pub type Answer = Result<Answered<Outcome>, UseError>;
pub type Request = (RequestKey, SettlementId, Act);

pub struct Market {
    pub faults: Faults,
    pub store: MemoryStore,
    pub settlements: Settlements,
    pub facts: Facts,
    pub worker: Worker,
}

impl Market {
    pub fn new() -> Self {
        let faults = Faults::default();
        let store = MemoryStore::new(HandClock::default(), faults.clone());
        let gateway = MemoryGateway::new(Faults::default(), Box::new(|_| {}));
        let settlements = Settlements::new(Arc::new(store.clone()));
        let facts = Facts::new(Arc::new(store.clone()), terms(), fees());
        let worker = Worker::new(Arc::new(store.clone()), Arc::new(gateway), PayoutRules::default());
        Self { faults, store, settlements, facts, worker }
    }

    /// So many lots are sold.
    pub fn sells(count: usize) -> (Self, Vec<Settlement>) {
        let market = Self::new();
        let events: Vec<_> = (0..count).map(|lot| sold(AuctionId::from(Uuid::now_v7()), lot)).collect();
        assert_eq!(block_on(market.facts.handle_all(&events)), Ok(vec![Handled::Applied; count]));
        let mut settlements = market.store.all_settlements();
        settlements.sort_by_key(Settlement::id);
        (market, settlements)
    }

    /// Somebody pays for one lot, and while that is decided others come.
    pub fn act_together(&self, first: &Settlement, requests: &[Request]) -> Vec<Answer> {
        block_on(async {
            let closed = self.store.closed().await;
            let first = [pays(first, 0)];
            let mut first = Box::pin(self.act(&first));
            assert!(poll!(&mut first).is_pending());
            let mut others = Box::pin(self.act(requests));
            assert!(poll!(&mut others).is_pending());
            drop(closed);
            let (first, others) = join!(first, others);
            assert_eq!(status(&first[0]), Some(Status::Authorizing));
            others
        })
    }

    pub async fn act(&self, requests: &[Request]) -> Vec<Answer> {
        let requests = requests.iter().map(|(key, id, act)| {
            let actor = Viewer { user: key.principal.clone(), admin: false };
            async move { self.settlements.act(&actor, key, *id, act.clone()).await }
        });
        join_all(requests).await
    }

    pub fn status(&self, id: SettlementId) -> Status {
        self.store.committed_settlement(id).unwrap().status()
    }

    pub fn count(&self, port: &str) -> usize {
        self.faults.log().iter().filter(|name| **name == port).count()
    }

    /// The worker makes the calls that are due.
    pub fn makes_calls(&self) {
        block_on(self.worker.make_calls(10, pending, || false)).unwrap();
    }

    /// The worker does what is due.
    pub fn works(&self) {
        while !block_on(self.worker.run_once(10)).unwrap().is_idle() {}
    }
}

pub fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub fn sold(auction: AuctionId, lot: usize) -> Incoming {
    let sale = Sale {
        auction_id: auction,
        seller_id: user("seller"),
        buyer_id: user(&format!("buyer-{lot}")),
        price: Money::new(1_000, "USD".parse().unwrap()).unwrap(),
        lot: Lot::Units,
        closed_at: HandClock::default().now(),
    };
    told(auction, 1, Fact::AuctionSold(vec![sale]))
}

pub fn told(auction: AuctionId, sequence: u64, fact: Fact) -> Incoming {
    let source = "/outcry/bidding-service".to_owned();
    let receipt = Receipt { event_id: Uuid::now_v7(), source, key: auction.to_string(), sequence };
    Incoming { receipt, fact, span: tracing::Span::none() }
}

pub fn key(who: &UserId, number: u32) -> RequestKey {
    let mut fingerprint = [0; 32];
    fingerprint[..4].copy_from_slice(&number.to_be_bytes());
    RequestKey { principal: who.clone(), key: format!("key-{number}"), fingerprint }
}

pub fn pay() -> Act {
    Act::Pay("pm_card_visa".parse().unwrap())
}

/// The buyer's request to pay.
pub fn pays(sale: &Settlement, number: u32) -> Request {
    (key(sale.buyer_id(), number), sale.id(), pay())
}

/// The buyers' requests to pay, numbered from 1.
pub fn all_pay(sales: &[Settlement]) -> Vec<Request> {
    (1..).zip(sales).map(|(number, sale)| pays(sale, number)).collect()
}

pub fn status(answer: &Answer) -> Option<Status> {
    match answer {
        Ok(Answered { outcome: Outcome::Done { settlement }, .. }) => Some(settlement.status),
        _ => None,
    }
}
