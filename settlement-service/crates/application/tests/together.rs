//! What comes at the same time is decided in one unit of work, and each as if it had come alone.

use std::sync::Arc;

use chrono::DateTime;
use futures::executor::block_on;
use futures::future::join_all;
use futures::{join, poll};
use settlement_application::{Answered, Facts, Outcome, Settlements, UseError, Worker};
use settlement_domain::call::CallStatus;
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Lot, Parcel, Sale};
use settlement_domain::{
    AuctionId, GatewayCall, Instruction, Money, PayoutRules, Settlement, SettlementId, Status, UserId,
};
use settlement_harness::{Faults, HandClock, MemoryGateway, MemoryStore, When, fees, terms};
use settlement_ports::{
    Fact, FactHandler, HandleError, Handled, Incoming, Receipt, RequestKey, SettlementStore, Viewer,
};
use uuid::Uuid;

/// A market in which many sales are under way.
struct Market {
    faults: Faults,
    store: MemoryStore,
    settlements: Settlements,
    facts: Facts,
    worker: Worker,
}

impl Market {
    fn new() -> Self {
        let faults = Faults::default();
        let store = MemoryStore::new(HandClock::default(), faults.clone());
        let gateway = MemoryGateway::new(Faults::default(), Box::new(|_| {}));
        let settlements = Settlements::new(Arc::new(store.clone()));
        let facts = Facts::new(Arc::new(store.clone()), terms(), fees());
        let worker = Worker::new(Arc::new(store.clone()), Arc::new(gateway), PayoutRules::default());
        Self { faults, store, settlements, facts, worker }
    }

    /// So many lots are sold.
    fn sells(count: usize) -> (Self, Vec<Settlement>) {
        let market = Self::new();
        let events: Vec<_> = (0..count).map(|lot| sold(AuctionId::from(Uuid::now_v7()), lot)).collect();
        assert_eq!(block_on(market.facts.handle_all(&events)), Ok(vec![Handled::Applied; count]));
        let mut settlements = market.store.all_settlements();
        settlements.sort_by_key(Settlement::id);
        (market, settlements)
    }

    /// Somebody is kept waiting, and meanwhile others come.
    fn act_together(&self, delayed: &Settlement, requests: &[(RequestKey, SettlementId, Act)]) -> Vec<Answer> {
        block_on(async {
            let mut elsewhere = self.store.begin().await.unwrap();
            elsewhere.lock(delayed.id()).await.unwrap();
            let first = [(key(delayed.buyer_id(), 0), delayed.id(), pay())];
            let mut first = Box::pin(self.act(&first));
            assert!(poll!(&mut first).is_pending());
            let mut others = Box::pin(self.act(requests));
            assert!(poll!(&mut others).is_pending());
            drop(elsewhere);
            let (first, others) = join!(first, others);
            assert_eq!(status(&first[0]), Some(Status::Authorizing));
            others
        })
    }

    async fn act(&self, requests: &[(RequestKey, SettlementId, Act)]) -> Vec<Answer> {
        let requests = requests.iter().map(|(key, id, act)| {
            let actor = Viewer { user: key.principal.clone(), admin: false };
            async move { self.settlements.act(&actor, key, *id, act.clone()).await }
        });
        join_all(requests).await
    }

    fn status(&self, id: SettlementId) -> Status {
        self.store.committed_settlement(id).unwrap().status()
    }

    fn count(&self, port: &str) -> usize {
        self.faults.log().iter().filter(|name| **name == port).count()
    }

    /// The worker does what is due.
    fn works(&self) {
        while !block_on(self.worker.run_once(10)).unwrap().is_idle() {}
    }
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn sold(auction: AuctionId, lot: usize) -> Incoming {
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

fn told(auction: AuctionId, sequence: u64, fact: Fact) -> Incoming {
    let source = "/outcry/bidding-service".to_owned();
    let receipt = Receipt { event_id: Uuid::now_v7(), source, key: auction.to_string(), sequence };
    Incoming { receipt, fact, span: tracing::Span::none() }
}

fn key(who: &UserId, number: u32) -> RequestKey {
    let mut fingerprint = [0; 32];
    fingerprint[..4].copy_from_slice(&number.to_be_bytes());
    RequestKey { principal: who.clone(), key: format!("key-{number}"), fingerprint }
}

fn pay() -> Act {
    Act::Pay("pm_card_visa".parse().unwrap())
}

type Answer = Result<Answered<Outcome>, UseError>;

fn status(answer: &Answer) -> Option<Status> {
    match answer {
        Ok(Answered { outcome: Outcome::Done { settlement }, .. }) => Some(settlement.status),
        _ => None,
    }
}

#[test]
fn requests_that_come_while_one_is_decided_are_decided_in_one_unit_of_work() {
    let (market, sales) = Market::sells(9);
    let before = market.count("tx.commit");
    let requests: Vec<_> =
        (1..).zip(&sales[1..]).map(|(n, sale)| (key(sale.buyer_id(), n), sale.id(), pay())).collect();
    let answers = market.act_together(&sales[0], &requests);
    assert!(answers.iter().all(|answer| status(answer) == Some(Status::Authorizing)), "{answers:?}");
    assert!(sales.iter().all(|sale| market.status(sale.id()) == Status::Authorizing));
    assert_eq!((market.store.all_calls().len(), market.count("tx.commit") - before), (9, 2));
}

#[test]
fn what_both_parties_wish_in_the_same_moment_counts_as_if_it_had_come_one_after_the_other() {
    let (market, sales) = Market::sells(2);
    let sale = &sales[1];
    let cancel = |who: &UserId, n| (key(who, n), sale.id(), Act::Cancel(who.clone()));
    let answers = market.act_together(&sales[0], &[cancel(sale.buyer_id(), 1), cancel(sale.seller_id(), 2)]);
    assert_eq!(answers.iter().filter_map(status).collect::<Vec<_>>(), [Status::AwaitingPayment, Status::Failed]);
    assert_eq!(market.status(sale.id()), Status::Failed);
}

#[test]
fn everybody_is_answered_as_if_alone() {
    let (market, sales) = Market::sells(5);
    let paid_before = (key(sales[1].buyer_id(), 1), sales[1].id(), pay());
    block_on(market.act(std::slice::from_ref(&paid_before)));
    let other_body = RequestKey { fingerprint: [9; 32], ..paid_before.0.clone() };
    let twin = (key(sales[2].buyer_id(), 2), sales[2].id(), pay());
    let requests = [
        paid_before.clone(),
        (other_body, sales[1].id(), pay()),
        twin.clone(),
        twin,
        (key(&user("stranger"), 4), sales[3].id(), pay()),
        (key(sales[3].seller_id(), 5), sales[3].id(), pay()),
        (key(sales[3].buyer_id(), 6), sales[3].id(), Act::Receive),
        (key(sales[4].buyer_id(), 7), sales[4].id(), pay()),
        paid_before,
    ];
    let answers = market.act_together(&sales[0], &requests);
    for again in [&answers[0], &answers[8]] {
        assert!(matches!(again, Ok(Answered { replayed: true, .. })), "{again:?}");
    }
    assert_eq!(answers[1], Err(UseError::KeyReused));
    assert_eq!((status(&answers[2]), &answers[3]), (Some(Status::Authorizing), &Err(UseError::KeyRunning)));
    assert_eq!(answers[4], Err(UseError::NotFound));
    assert_eq!(answers[5], Err(UseError::Forbidden("the buyer")));
    assert!(matches!(&answers[6], Ok(Answered { outcome: Outcome::Refused { .. }, replayed: false })));
    assert_eq!(status(&answers[7]), Some(Status::Authorizing));
    assert_eq!(market.store.all_calls().len(), 4, "one for each lot that was paid for");
}

#[test]
fn a_unit_of_work_that_is_spoilt_is_done_for_each_request_alone() {
    for when in [When::Before, When::After] {
        let (market, sales) = Market::sells(4);
        let requests: Vec<_> =
            (1..).zip(&sales[1..]).map(|(n, sale)| (key(sale.buyer_id(), n), sale.id(), pay())).collect();
        // The commit of the delayed one comes first.
        market.faults.at("tx.commit", market.count("tx.commit") + 1, when);
        let answers = market.act_together(&sales[0], &requests);
        assert!(answers.iter().all(|answer| status(answer) == Some(Status::Authorizing)), "{when:?}: {answers:?}");
        assert_eq!(market.store.all_calls().len(), 4, "{when:?}: each took effect once");
    }
}

#[test]
fn who_shared_a_unit_of_work_with_one_that_went_away_asks_again() {
    let (market, sales) = Market::sells(3);
    let requests: Vec<_> = (0..).zip(&sales).map(|(n, sale)| [(key(sale.buyer_id(), n), sale.id(), pay())]).collect();
    block_on(async {
        let mut elsewhere = Vec::new();
        for sale in &sales[..2] {
            let mut tx = market.store.begin().await.unwrap();
            tx.lock(sale.id()).await.unwrap();
            elsewhere.push(tx);
        }
        let mut waiting: Vec<_> = requests.iter().map(|request| Box::pin(market.act(request))).collect();
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        let (third, mut second, first) = (waiting.pop().unwrap(), waiting.pop().unwrap(), waiting.pop().unwrap());
        drop(elsewhere.remove(0));
        assert_eq!(status(&first.await[0]), Some(Status::Authorizing));
        assert!(poll!(&mut second).is_pending(), "it decides for the third one, too");
        drop(second);
        assert_eq!(third.await[0], Err(UseError::Unknown));
        drop(elsewhere);
        for request in &requests[1..] {
            assert_eq!(status(&market.act(request).await[0]), Some(Status::Authorizing));
        }
    });
    assert_eq!(market.store.all_calls().len(), 3, "each took effect once");
}

#[test]
fn what_follows_from_an_answer_is_taken_up_with_it() {
    let (market, sales) = Market::sells(1);
    block_on(market.act(&[(key(sales[0].buyer_id(), 1), sales[0].id(), pay())]));
    let before = market.count("tx.commit");
    block_on(market.worker.make_calls(10)).unwrap();
    let commits = market.count("tx.commit") - before;
    assert_eq!(
        (market.status(sales[0].id()), commits),
        (Status::Escrowed, 3),
        "one before each call, and the last answer's"
    );
}

#[test]
fn answers_that_cannot_be_taken_in_together_are_taken_in_one_by_one() {
    let (market, sales) = Market::sells(3);
    let requests: Vec<_> = (0..).zip(&sales).map(|(n, sale)| (key(sale.buyer_id(), n), sale.id(), pay())).collect();
    block_on(market.act(&requests));
    market.faults.at("tx.call", market.count("tx.call"), When::Before);
    block_on(market.worker.make_calls(10)).unwrap();
    let escrowed = sales.iter().filter(|sale| market.status(sale.id()) == Status::Escrowed).count();
    assert_eq!(escrowed, 3, "nobody waits until the call is asked for");
}

#[test]
fn sales_that_are_told_together_begin_in_one_unit_of_work() {
    let (market, sales) = Market::sells(20);
    assert_eq!((sales.len(), market.count("tx.commit")), (20, 1));
    assert_eq!(market.store.events().len(), 20);
}

#[test]
fn what_is_told_of_a_lot_in_the_same_run_finds_what_was_told_before() {
    let declined = |auction, buyer: &str| Fact::AwardDeclined { auction_id: auction, buyer_id: user(buyer) };
    for early in [false, true] {
        let market = Market::new();
        let auctions = [(); 2].map(|()| AuctionId::from(Uuid::now_v7()));
        let mut events = vec![sold(auctions[0], 0), told(auctions[0], 2, declined(auctions[0], "buyer-0"))];
        if early {
            // It comes by another way than the sale and has a number of its own.
            events[1].receipt.source = "/outcry/listing-service".to_owned();
            events.swap(0, 1);
        }
        events.push(sold(auctions[1], 1));
        assert_eq!(block_on(market.facts.handle_all(&events)), Ok(vec![Handled::Applied; 3]), "early: {early}");
        let statuses = auctions.map(|auction| {
            let of_auction = |it: &Settlement| it.auction_id() == auction;
            market.store.all_settlements().into_iter().find(of_auction).unwrap().status()
        });
        assert_eq!(statuses, [Status::Failed, Status::AwaitingPayment], "early: {early}");
        let again = block_on(market.facts.handle_all(&events));
        assert_eq!(again, Ok(vec![Handled::Duplicate; 3]), "early: {early}");
    }
}

#[test]
fn a_run_with_poison_in_it_has_no_effect_until_it_is_taken_one_by_one() {
    let market = Market::new();
    let mut events: Vec<_> = (0..3).map(|lot| sold(AuctionId::from(Uuid::now_v7()), lot)).collect();
    let Fact::AuctionSold(sales) = &mut events[1].fact else { panic!() };
    sales[0].price = Money::zero(sales[0].price.currency());
    assert!(matches!(block_on(market.facts.handle_all(&events)), Err(HandleError::Poison(_))));
    assert!(market.store.all_settlements().is_empty());
    let alone = events.iter().map(|event| block_on(market.facts.handle_all(std::slice::from_ref(event))).is_ok());
    assert_eq!(alone.collect::<Vec<_>>(), [true, false, true]);
}

/// Calls that nothing depends on any more are rare; none may undo what another answer to the same settlement brings.
#[test]
fn two_answers_for_one_settlement_both_count_also_when_one_of_them_is_its_payout() {
    let (market, sales) = Market::sells(1);
    let id = sales[0].id();
    let stray = |attempt| {
        let hold = "a hold of long ago".to_owned().into();
        GatewayCall::plan(id, attempt, Instruction::Void { hold }, DateTime::UNIX_EPOCH)
    };
    let add_stray = |attempt| {
        block_on(async {
            let mut tx = market.store.begin().await.unwrap();
            tx.lock(id).await.unwrap();
            tx.save_calls(&[stray(attempt)]).await.unwrap();
            tx.commit().await.unwrap();
        });
    };
    let act = |who: &UserId, n, act| {
        let answers = block_on(market.act(&[(key(who, n), id, act)]));
        assert!(status(&answers[0]).is_some(), "{answers:?}");
    };
    let over = |attempt| market.store.committed_call(&stray(attempt).key()).unwrap().is_over();
    act(sales[0].buyer_id(), 1, pay());
    add_stray(1);
    market.works();
    assert_eq!((market.status(id), over(1)), (Status::Escrowed, true));

    act(sales[0].seller_id(), 2, Act::Ship(Parcel::new("UPS", "1Z999").unwrap()));
    act(sales[0].buyer_id(), 3, Act::Receive);
    block_on(market.worker.pass_time(10)).unwrap();
    add_stray(2);
    block_on(market.worker.make_calls(10)).unwrap();
    assert_eq!((market.status(id), over(2)), (Status::Completed, true), "both were answered in one round");
    assert!(market.store.all_calls().iter().all(|call| matches!(call.status(), CallStatus::Answered(_))));
}
