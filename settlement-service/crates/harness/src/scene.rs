//! Scenes: given a lot that was sold, when people, time and the gateway do this, then that. The people insist: a
//! request that got no answer is sent again with the same idempotency key, as a client would.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::executor::block_on;
use settlement_application::{
    Answered, Books, Facts, Outcome, ReconcileError, Reconciliation, Report, SettlementView, Settlements, UseError,
    Worker,
};
use settlement_domain::call::CallStatus;
use settlement_domain::ledger::{AccountKind, TrialBalance};
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Decision, Lot, Sale, Terms, Verdict};
use settlement_domain::{
    AuctionId, BasisPoints, CallKey, Money, Parcel, PayoutRules, Schedules, Settlement, SettlementId, Statement,
    Status, UserId,
};
use settlement_ports::{Fact, FactHandler, HandleError, Handled, Receipt, RequestKey, Viewer};
use uuid::Uuid;

use crate::neighbours::Neighbours;
use crate::{Faults, HandClock, MemoryGateway, MemoryStore, audit};

/// How often somebody tries again before giving up.
const PATIENCE: usize = 50;

/// Four days to pay, seven to ship, three to look at the lot.
#[must_use]
pub fn terms() -> Terms {
    let day_s = 86_400;
    Terms { payment_due_s: 4 * day_s, ship_due_s: 7 * day_s, inspection_s: 3 * day_s, offer_day_s: day_s }
}

/// Ten percent commission and nothing else.
#[must_use]
pub fn fees() -> Schedules {
    Schedules::only_commission(BasisPoints::try_from(1_000).unwrap())
}

/// One lot, its seller and its buyer, and the world they meet.
pub struct Scene {
    /// The time.
    pub clock: HandClock,
    /// What goes wrong.
    pub faults: Faults,
    /// What is stored.
    pub store: MemoryStore,
    /// Who moves the money.
    pub gateway: Arc<MemoryGateway>,
    /// What people can do.
    pub settlements: Settlements,
    /// What is read of the ledger.
    pub books: Books,
    /// What is told by other services.
    pub facts: Facts,
    /// What moves things on.
    pub worker: Worker,
    pub(crate) sale: Sale,
    pub(crate) receipt: Receipt,
    pub(crate) neighbours: Neighbours,
    requests: u32,
}

impl Scene {
    /// A lot under the hammer, at this price.
    #[must_use]
    pub fn new(amount: i64, currency: &str) -> Self {
        Self::charging(amount, currency, fees())
    }

    /// A lot under the hammer of a house with these fees.
    #[must_use]
    pub fn charging(amount: i64, currency: &str, fees: Schedules) -> Self {
        let (clock, faults) = (HandClock::default(), Faults::default());
        let store = MemoryStore::new(clock.clone(), faults.clone());
        let gateway = MemoryGateway::new(faults.clone(), contacts_are_counted_first(store.clone()));
        let gateway = Arc::new(gateway.at(clock.clone()));
        let port = Arc::new(store.clone());
        let auction_id = AuctionId::from(Uuid::now_v7());
        Self {
            settlements: Settlements::new(port.clone()),
            books: Books::new(port.clone(), port.clone()),
            facts: Facts::new(port.clone(), terms(), fees),
            worker: Worker::new(port, gateway.clone(), PayoutRules::default()),
            sale: Sale {
                auction_id,
                seller_id: "seller".parse().unwrap(),
                buyer_id: "buyer".parse().unwrap(),
                price: Money::new(amount, currency.parse().unwrap()).unwrap(),
                lot: Lot::Units,
                closed_at: clock.now(),
            },
            receipt: Receipt {
                event_id: Uuid::now_v7(),
                source: "/outcry/bidding-service".to_owned(),
                key: auction_id.to_string(),
                sequence: 7,
            },
            neighbours: Neighbours::default(),
            requests: 0,
            clock,
            faults,
            store,
            gateway,
        }
    }

    /// A lot sold for 120.50 dollars, its settlement begun.
    #[must_use]
    pub fn sold() -> Self {
        let scene = Self::new(12_050, "USD");
        scene.hammer_falls();
        scene
    }

    /// Bidding tells that the lot was sold.
    pub fn hammer_falls(&self) {
        let _: Handled = self.insist(|| match block_on(self.hear_of_sale()) {
            Err(HandleError::Retry(_)) => None,
            told => Some(told.unwrap()),
        });
    }

    /// Bidding tells once that the lot was sold.
    pub async fn hear_of_sale(&self) -> Result<Handled, HandleError> {
        self.facts.handle(self.receipt.clone(), Fact::AuctionSold(vec![self.sale.clone()])).await
    }

    /// Bidding tells it in another event.
    pub async fn hear_of_sale_in_another_event(&self) -> Result<Handled, HandleError> {
        let receipt = Receipt { event_id: Uuid::now_v7(), sequence: 8, ..self.receipt.clone() };
        self.facts.handle(receipt, Fact::AuctionSold(vec![self.sale.clone()])).await
    }

    /// The buyer pays by a method.
    pub fn buyer_pays(&mut self, method: &str) -> Outcome {
        self.act("buyer", &Act::Pay(method.parse().unwrap()))
    }

    /// The seller ships.
    pub fn seller_ships(&mut self) -> Outcome {
        self.act("seller", &Act::Ship(Parcel::new("UPS", "1Z999").unwrap()))
    }

    /// The buyer has the lot.
    pub fn buyer_receives(&mut self) -> Outcome {
        self.act("buyer", &Act::Receive)
    }

    /// Somebody acts, until there is an answer.
    pub fn act(&mut self, who: &str, act: &Act) -> Outcome {
        let key = self.next_key(who);
        self.insist(|| match block_on(self.request(&key, act)) {
            Err(UseError::Unavailable(_) | UseError::Conflict) => None,
            answered => Some(answered.unwrap().outcome),
        })
    }

    /// One request, with whatever comes of it.
    pub async fn request(&self, key: &RequestKey, act: &Act) -> Result<Answered<Outcome>, UseError> {
        self.request_about(self.id(), key, act).await
    }

    /// The same, about another settlement than the newest.
    pub async fn request_about(
        &self,
        id: SettlementId,
        key: &RequestKey,
        act: &Act,
    ) -> Result<Answered<Outcome>, UseError> {
        self.settlements.act(&viewer(key.principal.as_str()), key, id, act.clone()).await
    }

    /// A party wishes to call the sale off.
    pub fn cancels(&mut self, who: &str) -> Outcome {
        self.act(who, &Act::Cancel(user(who)))
    }

    /// The buyer complains.
    pub fn buyer_disputes(&mut self) -> Outcome {
        self.act("buyer", &Act::Dispute(user("buyer"), statement("It is broken.")))
    }

    /// The operator decides.
    pub fn operator_decides(&mut self, verdict: Verdict) -> Outcome {
        let note = Some(statement("So it is decided."));
        self.act("root", &Act::Resolve(Decision { by: user("root"), verdict, note, chargebacks_seen: None }))
    }

    /// A key nobody used yet.
    pub fn next_key(&mut self, who: &str) -> RequestKey {
        self.requests += 1;
        let key = format!("request-{}", self.requests);
        let mut fingerprint = [0; 32];
        fingerprint[..4].copy_from_slice(&self.requests.to_be_bytes());
        RequestKey { principal: user(who), key, fingerprint }
    }

    /// Time passes, all at once; nobody has noticed yet.
    pub fn time_passes(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// The worker does what is due, and waits for the gateway where that is what it takes; it does not wait for people.
    pub fn worker_works(&self) {
        self.worker_works_until(|_| false);
    }

    /// The same, and it stops where this holds.
    pub fn worker_works_until(&self, enough: impl Fn(&Self) -> bool) {
        let mut trouble = 0;
        for _ in 0..PATIENCE * 10 {
            if enough(self) {
                return;
            }
            match block_on(self.worker.run_once(10)) {
                Err(_) => trouble += 1,
                Ok(progress) if progress.is_idle() => match self.store.next_call_due() {
                    Some(due) => self.clock.advance_to(due),
                    None => return,
                },
                Ok(_) => {}
            }
            assert!(trouble < PATIENCE, "the worker does not get anywhere");
        }
        panic!("the worker does not come to rest: {:?}", self.store.all_calls());
    }

    /// Time passes and the worker works.
    pub fn days_go_by(&self, days: i64) {
        self.time_passes(TimeDelta::days(days));
        self.worker_works();
    }

    /// The settlement; if there is an offer, the newest one.
    #[must_use]
    pub fn settlement(&self) -> Settlement {
        let events = self.store.events();
        let started = events.iter().rfind(|event| event.event_type == "outcry.settlement.started.v1");
        let id = started.expect("the lot was sold").key.parse().unwrap();
        self.store.committed_settlement(id).expect("what began is there")
    }

    /// The settlement as somebody sees it.
    #[must_use]
    pub fn seen_by(&self, who: &str) -> SettlementView {
        SettlementView::of(&self.settlement(), &viewer(who))
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.settlement().status()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> SettlementId {
        self.settlement().id()
    }

    /// An account's balance in the lot's currency.
    #[must_use]
    pub fn balance(&self, account: AccountKind) -> i128 {
        TrialBalance::of(&self.store.ledger()).balance(account, self.sale.price.currency())
    }

    /// What has been told to the world, by name.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.store.events().into_iter().map(|event| event.event_type).collect()
    }

    /// Holds at every moment.
    pub fn books_are_sound(&self) {
        audit::always(&self.store, &self.gateway, self.sale.price.currency());
    }

    /// The ledger against the gateway's list, from the beginning.
    pub fn reconciles(&self) -> Result<Report, ReconcileError> {
        let reconciliation = Reconciliation::new(Arc::new(self.store.clone()), self.gateway.clone());
        block_on(reconciliation.run(Some(HandClock::default().now())))
    }

    /// The same, where both sides can be read.
    #[must_use]
    pub fn reconciled(&self) -> Report {
        self.reconciles().expect("both sides can be read")
    }

    /// Holds once all is over.
    pub fn books_agree_at_the_end(&self) {
        audit::at_the_end(&self.store, &self.gateway, self.sale.price.currency());
    }

    pub(crate) fn insist<T>(&self, attempt: impl Fn() -> Option<T>) -> T {
        let answer = (0..PATIENCE).find_map(|_| attempt());
        answer.unwrap_or_else(|| panic!("no answer after {PATIENCE} attempts: {:?}", self.faults.log()))
    }
}

/// Somebody; `root` alone has the role `admin`.
fn viewer(who: &str) -> Viewer {
    Viewer { user: user(who), admin: who == "root" }
}

fn statement(text: &str) -> Statement {
    Statement::try_from(text.to_owned()).unwrap()
}

pub(crate) fn user(who: &str) -> UserId {
    who.parse().unwrap()
}

/// At the moment the gateway hears of a call, the contact must be counted and in doubt for everybody to see.
fn contacts_are_counted_first(store: MemoryStore) -> Box<dyn Fn(&CallKey) + Send + Sync> {
    Box::new(move |key| {
        let call = store.committed_call(key).expect("the gateway hears of a call that is not stored");
        assert!(call.tries() > 0, "{key}: contacted and not counted");
        assert_eq!(*call.status(), CallStatus::InDoubt, "{key}: contacted and not put in doubt");
    })
}
