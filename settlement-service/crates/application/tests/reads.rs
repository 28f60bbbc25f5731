//! What people may read, and what a store that is away or a lost race means to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::DateTime;
use futures::executor::block_on;
use settlement_application::{Facts, SettlementView, Settlements, UseError, Worker};
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Lot, Sale};
use settlement_domain::{Money, Settlement, Status};
use settlement_harness::{Scene, fees, terms};
use settlement_ports::{
    Claim, Fact, FactHandler, Free, HandleError, Handled, ListFilter, MockPaymentGateway, MockSettlementStore,
    MockSettlementTx, Receipt, RequestKey, Seen, SettlementTx, StoreError, Viewer,
};

fn viewer(who: &str, admin: bool) -> Viewer {
    Viewer { user: who.parse().unwrap(), admin }
}

#[test]
fn a_settlement_is_there_for_buyer_seller_and_admin_only() {
    let scene = Scene::sold();
    let get = |who, admin| block_on(scene.settlements.get(&viewer(who, admin), scene.id()));
    assert_eq!(get("buyer", false).unwrap().status, Status::AwaitingPayment);
    assert!(get("seller", false).is_ok() && get("root", true).is_ok());
    assert_eq!(get("stranger", false), Err(UseError::NotFound));
}

#[test]
fn what_the_seller_gets_is_not_shown_to_the_buyer() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.buyer_receives();
    scene.worker_works();
    let payout = |who, admin| {
        let view = block_on(scene.settlements.get(&viewer(who, admin), scene.id())).unwrap();
        assert!(view.parcel.is_some() && view.ended_at.is_some());
        view.payout.map(Money::amount)
    };
    assert_eq!(
        [payout("buyer", false), payout("seller", false), payout("root", true)],
        [None, Some(10_845), Some(10_845)]
    );
}

#[test]
fn an_answer_that_was_kept_before_chargebacks_were_shown_is_still_read() {
    let scene = Scene::sold();
    let seen = scene.seen_by("root");
    let kept = serde_json::to_value(&seen).unwrap();
    assert!(kept.get("chargebacks").is_none(), "{kept}");
    assert_eq!(serde_json::from_value::<SettlementView>(kept).unwrap(), seen);
}

#[test]
fn the_trial_balance_is_for_admins() {
    let scene = Scene::sold();
    assert!(block_on(scene.books.trial_balance(&viewer("root", true), None)).unwrap().is_balanced());
    let refused = block_on(scene.books.trial_balance(&viewer("seller", false), None));
    assert_eq!(refused.unwrap_err(), UseError::Forbidden("an admin"));
}

#[test]
fn a_page_tells_where_the_next_one_goes_on() {
    let scene = Scene::sold();
    let page = |limit| block_on(scene.settlements.list(&viewer("buyer", false), &ListFilter::default(), limit));
    let only = page(0).unwrap();
    assert_eq!((only.items.len(), only.next), (1, None));

    let (first, second) = (scene.settlement(), Scene::sold().settlement());
    let mut store = MockSettlementStore::new();
    let both: Vec<Settlement> = vec![second.clone(), first];
    store.expect_list().withf(|_, _, limit| *limit == 2).returning(move |_, _, _| Ok(both.clone()));
    let settlements = Settlements::new(Arc::new(store));
    let page = block_on(settlements.list(&viewer("buyer", false), &ListFilter::default(), 1)).unwrap();
    assert_eq!((page.items.len(), page.next), (1, Some(second.id())));
}

fn request() -> RequestKey {
    RequestKey { principal: "buyer".parse().unwrap(), key: "key".to_owned(), fingerprint: [0; 32] }
}

/// A store whose first units of work lose a race, and whose claims then find a key that is running.
fn racing(lost: usize) -> Settlements {
    let mut store = MockSettlementStore::new();
    store.expect_begin().times(lost).returning(|| Err(StoreError::Conflict));
    store.expect_begin().returning(|| {
        let mut tx = MockSettlementTx::new();
        tx.expect_claim_all().returning(|keys| Ok(vec![Claim::Running; keys.len()]));
        Ok(Box::new(tx) as Box<dyn SettlementTx>)
    });
    Settlements::new(Arc::new(store))
}

#[test]
fn a_lost_race_is_run_again_a_bounded_number_of_times() {
    let receive = |lost| {
        let id = uuid::Uuid::nil().into();
        block_on(racing(lost).act(&viewer("buyer", false), &request(), id, Act::Receive)).unwrap_err()
    };
    assert_eq!(receive(4), UseError::KeyRunning);
    assert_eq!(receive(5), UseError::Conflict);
}

#[test]
fn a_store_that_is_away_is_told_as_that_and_not_tried_again() {
    let mut store = MockSettlementStore::new();
    store.expect_begin().times(1).returning(|| Err(StoreError::Unavailable("down".to_owned())));
    let id = uuid::Uuid::nil().into();
    let settlements = Settlements::new(Arc::new(store));
    let answer = block_on(settlements.act(&viewer("buyer", false), &request(), id, Act::Receive));
    assert_eq!(answer, Err(UseError::Unavailable("down".to_owned())));
}

/// Passed over, waited for in vain, and passed over again.
#[test]
fn a_settlement_that_is_kept_for_too_long_is_told_as_that_after_three_tries() {
    let mut store = MockSettlementStore::new();
    store.expect_begin().times(3).returning(|| {
        let mut tx = MockSettlementTx::new();
        tx.expect_claim_all().returning(|keys| Ok(vec![Claim::New; keys.len()]));
        tx.expect_lock_free().returning(|ids| Ok(Free { locked: Vec::new(), held: ids.to_vec() }));
        tx.expect_lock_all().returning(|_| Err(StoreError::Locked));
        tx.expect_commit().returning(|| Ok(()));
        Ok(Box::new(tx) as Box<dyn SettlementTx>)
    });
    let id = uuid::Uuid::nil().into();
    let settlements = Settlements::new(Arc::new(store));
    let answer = block_on(settlements.act(&viewer("buyer", false), &request(), id, Act::Receive));
    assert_eq!(answer, Err(UseError::Held));
}

fn sale(price: i64) -> Sale {
    Sale {
        auction_id: uuid::Uuid::nil().into(),
        seller_id: "seller".parse().unwrap(),
        buyer_id: "buyer".parse().unwrap(),
        price: Money::new(price, "USD".parse().unwrap()).unwrap(),
        lot: Lot::Units,
        closed_at: DateTime::UNIX_EPOCH,
    }
}

fn receipt() -> Receipt {
    let source = "/outcry/bidding-service".to_owned();
    Receipt { event_id: uuid::Uuid::nil(), source, key: "key".to_owned(), sequence: 1 }
}

#[test]
fn a_sale_that_makes_no_sense_is_poison_and_a_store_that_is_away_is_not() {
    let scene = Scene::new(12_050, "USD");
    let free = block_on(scene.facts.handle(receipt(), Fact::AuctionSold(vec![sale(0)])));
    assert!(matches!(free, Err(HandleError::Poison(_))));

    let meets = |error: StoreError| {
        let mut store = MockSettlementStore::new();
        store.expect_begin().returning(move || Err(error.clone()));
        let facts = Facts::new(Arc::new(store), terms(), fees());
        block_on(facts.handle(receipt(), Fact::AuctionSold(vec![sale(1)])))
    };
    for passes in [StoreError::Conflict, StoreError::Locked, StoreError::Unavailable("it is away".to_owned())] {
        assert_eq!(meets(passes.clone()), Err(HandleError::Retry(passes.to_string())));
    }
    let unreadable = StoreError::Corrupt("no settlement".to_owned());
    assert_eq!(meets(unreadable.clone()), Err(HandleError::Poison(unreadable.to_string())));
}

#[test]
fn every_winner_of_a_lot_of_many_units_has_a_settlement_of_the_own_and_only_one() {
    let scene = Scene::new(12_050, "USD");
    let won = |buyer: &str, price| Sale { buyer_id: buyer.parse().unwrap(), ..sale(price) };
    let sales = vec![won("ann", 8_000), won("bob", 2_000)];
    let sold = |sequence| {
        let receipt = Receipt { sequence, ..receipt() };
        block_on(scene.facts.handle(receipt, Fact::AuctionSold(sales.clone())))
    };
    assert_eq!(sold(1), Ok(Handled::Applied));
    assert_eq!(sold(2), Ok(Handled::Duplicate), "told again under another number");
    for (buyer, price) in [("ann", 8_000), ("bob", 2_000)] {
        let mine = block_on(scene.settlements.list(&viewer(buyer, false), &ListFilter::default(), 10)).unwrap();
        assert_eq!(mine.items.len(), 1, "{buyer}");
        assert_eq!(mine.items[0].price.amount(), price);
    }
}

#[test]
fn a_duplicate_receipt_is_the_end_of_it() {
    let mut store = MockSettlementStore::new();
    store.expect_begin().times(1).returning(|| {
        let mut tx = MockSettlementTx::new();
        tx.expect_receive_all().returning(|receipts| Ok(vec![Seen::Duplicate; receipts.len()]));
        Ok(Box::new(tx) as Box<dyn SettlementTx>)
    });
    let facts = Facts::new(Arc::new(store), terms(), fees());
    assert_eq!(block_on(facts.handle(receipt(), Fact::AuctionSold(vec![sale(1)]))), Ok(Handled::Duplicate));
}

#[test]
fn trouble_with_deadlines_does_not_keep_the_worker_from_calls() {
    let mut store = MockSettlementStore::new();
    store.expect_begin().times(3).returning(|| {
        let mut tx = MockSettlementTx::new();
        tx.expect_lock_due_standings().times(0..=1).returning(|_| Ok(Vec::new()));
        tx.expect_lock_due_timers().returning(|_| Err(StoreError::Corrupt("a row".to_owned())));
        tx.expect_lock_pending_calls().times(0..=1).returning(|_| Ok(Vec::new()));
        tx.expect_lock_pending_payouts().times(0..=1).returning(|_| Ok(Vec::new()));
        tx.expect_commit().times(0..=1).returning(|| Ok(()));
        Ok(Box::new(tx) as Box<dyn SettlementTx>)
    });
    assert_eq!(block_on(worker(store).run_once(10)), Err(StoreError::Corrupt("a row".to_owned())));
}

fn worker(store: MockSettlementStore) -> Worker {
    Worker::new(Arc::new(store), Arc::new(MockPaymentGateway::new()), settlement_domain::PayoutRules::default())
}

/// What is due and cannot be read is put aside by looking for it.
#[test]
fn that_nothing_is_due_is_committed_like_anything_else() {
    let (mut store, commits) = (MockSettlementStore::new(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&commits);
    store.expect_begin().returning(move || {
        let (mut tx, counted) = (MockSettlementTx::new(), Arc::clone(&counted));
        tx.expect_lock_due_standings().returning(|_| Ok(Vec::new()));
        tx.expect_lock_due_timers().returning(|_| Ok(Vec::new()));
        tx.expect_lock_pending_calls().returning(|_| Ok(Vec::new()));
        tx.expect_lock_pending_payouts().returning(|_| Ok(Vec::new()));
        tx.expect_commit().returning(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        Ok(Box::new(tx) as Box<dyn SettlementTx>)
    });
    assert!(block_on(worker(store).run_once(10)).unwrap().is_idle());
    assert_eq!(commits.load(Ordering::Relaxed), 3, "deadlines, suspensions and calls");
}

/// Servers spawn these: their futures move between threads.
#[test]
fn use_cases_and_the_worker_may_be_spawned() {
    fn spawnable(_: impl Future<Output: Send> + Send) {}
    let scene = Scene::sold();
    let (settlements, worker) = (scene.settlements.clone(), scene.worker.clone());
    spawnable(async move { worker.run_once(1).await });
    let id = uuid::Uuid::nil().into();
    spawnable(async move { settlements.act(&viewer("buyer", false), &request(), id, Act::Receive).await });
    let facts = scene.facts.clone();
    spawnable(async move { facts.handle(receipt(), Fact::AuctionSold(Vec::new())).await });
}
