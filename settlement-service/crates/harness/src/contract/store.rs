//! The store's timers, calls and lists.

use chrono::TimeDelta;
use settlement_domain::saga::{self, Dispatch};
use settlement_domain::{Contact, GatewayCall, Report, Settlement, SettlementId, Status, Way};
use settlement_ports::{ListFilter, Locked, SettlementStore, SettlementTx, Viewer};
use uuid::Uuid;

use super::{
    samples::{begun, now, ordinary, overdue, paid, somebody, stored},
    soon,
};

/// More than a shared store will have due at once.
const MANY: u32 = 10_000;

/// All checks of this file.
pub async fn all(store: &dyn SettlementStore) {
    super::payouts::all(store).await;
    a_timer_that_is_due_is_locked_the_most_overdue_first(store).await;
    a_timer_is_gone_once_the_settlement_awaits_nobody(store).await;
    no_more_timers_are_locked_than_asked_for(store).await;
    a_locked_settlement_is_passed_over(store).await;
    a_call_is_due_until_it_is_leased_or_over(store).await;
    a_lease_that_ran_out_gives_the_call_back(store).await;
    a_call_is_read_and_overwritten_by_its_key(store).await;
    many_are_locked_and_stored_at_once(store).await;
    a_list_shows_only_what_concerns_the_viewer(store).await;
    a_list_goes_on_after_its_cursor_newest_first(store).await;
}

async fn due_timers(tx: &mut dyn SettlementTx) -> Vec<SettlementId> {
    tx.lock_due_timers(MANY).await.unwrap().iter().map(|locked| locked.aggregate.id()).collect()
}

async fn due_call(tx: &mut dyn SettlementTx, id: SettlementId) -> Option<(GatewayCall, Settlement)> {
    let due = tx.lock_pending_calls(MANY).await.unwrap();
    let pending = due.into_iter().map(|Locked { aggregate, .. }| aggregate).find(|due| due.settlement.id() == id);
    pending.map(|pending| (pending.call, pending.settlement))
}

/// And those that are not due are not.
pub async fn a_timer_that_is_due_is_locked_the_most_overdue_first(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (late, later) = (overdue(now, TimeDelta::seconds(5)), overdue(now, TimeDelta::seconds(9)));
    let (not_due, _) = begun(now);
    for settlement in [&late, &later, &not_due] {
        stored(store, settlement, &[]).await;
    }
    let ours = [late.id(), later.id(), not_due.id()];
    let due = due_timers(store.begin().await.unwrap().as_mut()).await;
    let due: Vec<_> = due.into_iter().filter(|id| ours.contains(id)).collect();
    assert_eq!(due, [later.id(), late.id()]);
}

/// Saving a settlement sets its timer anew, or removes it.
pub async fn a_timer_is_gone_once_the_settlement_awaits_nobody(store: &dyn SettlementStore) {
    let settlement = overdue(now(store).await, TimeDelta::seconds(5));
    stored(store, &settlement, &[]).await;
    let mut tx = store.begin().await.unwrap();
    let due = tx.lock_due_timers(MANY).await.unwrap();
    let locked = due.into_iter().find(|locked| locked.aggregate.id() == settlement.id()).unwrap();
    assert_eq!(locked.aggregate, settlement);
    let failed = saga::deadline(locked.aggregate, locked.now).settlement;
    assert_eq!(failed.status(), Status::Failed);
    tx.save(&[failed]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!due_timers(store.begin().await.unwrap().as_mut()).await.contains(&settlement.id()));
}

/// A batch is bounded.
pub async fn no_more_timers_are_locked_than_asked_for(store: &dyn SettlementStore) {
    let now = now(store).await;
    for _ in 0..3 {
        stored(store, &overdue(now, TimeDelta::days(400)), &[]).await;
    }
    assert_eq!(store.begin().await.unwrap().lock_due_timers(2).await.unwrap().len(), 2);
}

/// Two workers never get the same, and none waits.
pub async fn a_locked_settlement_is_passed_over(store: &dyn SettlementStore) {
    let now = now(store).await;
    let timed = overdue(now, TimeDelta::seconds(5));
    stored(store, &timed, &[]).await;
    let (called, call) = paid(begun(now).0, now);
    stored(store, &called, &[call]).await;

    let mut first = store.begin().await.unwrap();
    assert!(due_timers(first.as_mut()).await.contains(&timed.id()));
    assert!(due_call(first.as_mut(), called.id()).await.is_some());
    let mut second = store.begin().await.unwrap();
    assert!(!due_timers(second.as_mut()).await.contains(&timed.id()));
    assert!(due_call(second.as_mut(), called.id()).await.is_none());
    drop((first, second));
    soon(async || {
        let mut third = store.begin().await.unwrap();
        due_timers(third.as_mut()).await.contains(&timed.id()) && due_call(third.as_mut(), called.id()).await.is_some()
    })
    .await;
}

/// The three ends of waiting.
pub async fn a_call_is_due_until_it_is_leased_or_over(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (settlement, call) = paid(begun(now).0, now);
    stored(store, &settlement, std::slice::from_ref(&call)).await;
    let mut tx = store.begin().await.unwrap();
    let (found, of) = due_call(tx.as_mut(), settlement.id()).await.unwrap();
    assert_eq!((&found, &of), (&call, &settlement));
    let Dispatch::Contact(leased, contact) = saga::dispatch(of, found, now) else { panic!("overtaken") };
    tx.save_calls(std::slice::from_ref(&leased)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert!(due_call(tx.as_mut(), settlement.id()).await.is_none(), "leased");
    drop(tx);

    let mut tx = store.begin().await.unwrap();
    let locked = tx.lock(settlement.id()).await.unwrap().unwrap();
    let change = saga::report(locked.aggregate, leased, contact, Report::Answered(declined()), now);
    tx.save(&[change.settlement]).await.unwrap();
    tx.save_calls(&change.calls).await.unwrap();
    tx.commit().await.unwrap();
    assert!(due_call(store.begin().await.unwrap().as_mut(), settlement.id()).await.is_none(), "over");
}

fn declined() -> settlement_domain::Answer {
    let decline = settlement_domain::Decline { code: "card_declined".into(), message: "Declined.".into() };
    settlement_domain::Answer::Declined(decline)
}

/// So a crashed worker's call is taken up by another, who sees that it was counted.
pub async fn a_lease_that_ran_out_gives_the_call_back(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (settlement, call) = paid(begun(now).0, now);
    let (leased_long_ago, _) = call.claim(now - TimeDelta::hours(1));
    stored(store, &settlement, &[leased_long_ago]).await;
    let mut tx = store.begin().await.unwrap();
    let (found, _) = due_call(tx.as_mut(), settlement.id()).await.unwrap();
    let (_, contact) = found.claim(now);
    assert_eq!(contact, Contact { way: Way::Ask, number: 2 });
}

/// One row a key.
pub async fn a_call_is_read_and_overwritten_by_its_key(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (settlement, call) = paid(begun(now).0, now);
    stored(store, &settlement, std::slice::from_ref(&call)).await;
    let mut tx = store.begin().await.unwrap();
    tx.lock(settlement.id()).await.unwrap();
    assert_eq!(tx.call(&call.key()).await.unwrap(), Some(call.clone()));
    let (claimed, _) = call.claim(now);
    tx.save_calls(std::slice::from_ref(&claimed)).await.unwrap();
    assert_eq!(tx.call(&claimed.key()).await.unwrap(), Some(claimed.clone()));
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.lock(settlement.id()).await.unwrap();
    assert_eq!(tx.call(&claimed.key()).await.unwrap(), Some(claimed));
    let other = settlement_domain::CallKey::new(settlement.id(), settlement_domain::Operation::Refund, 1);
    assert_eq!(tx.call(&other).await.unwrap(), None);
}

/// In the order of their ids, whatever order they are asked for in; what is not there is left out.
pub async fn many_are_locked_and_stored_at_once(store: &dyn SettlementStore) {
    let now = now(store).await;
    let mut paid_for: Vec<_> = (0..3).map(|_| paid(begun(now).0, now)).collect();
    for (settlement, _) in &paid_for {
        stored(store, settlement, &[]).await;
    }
    paid_for.sort_by_key(|(settlement, _)| settlement.id());
    let (settlements, calls): (Vec<_>, Vec<_>) = paid_for.into_iter().unzip();
    let ids: Vec<_> = settlements.iter().map(Settlement::id).collect();
    let mut tx = store.begin().await.unwrap();
    let locked = tx.lock_all(&[ids[2], SettlementId::from(Uuid::now_v7()), ids[0], ids[1]]).await.unwrap();
    assert_eq!(locked.iter().map(|locked| locked.aggregate.id()).collect::<Vec<_>>(), ids);
    assert!(locked.iter().all(|locked| locked.now >= now));
    let claimed: Vec<_> = calls.into_iter().map(|call| call.claim(now)).collect();
    tx.save_calls(&claimed.iter().map(|(call, _)| call.clone()).collect::<Vec<_>>()).await.unwrap();
    let answered = claimed.into_iter().zip(settlements).map(|((call, contact), settlement)| {
        saga::report(settlement, call, contact, Report::Answered(declined()), now)
    });
    let changes: Vec<_> = answered.collect();
    tx.save(&changes.iter().map(|change| change.settlement.clone()).collect::<Vec<_>>()).await.unwrap();
    tx.save_calls(&changes.iter().flat_map(|change| change.calls.clone()).collect::<Vec<_>>()).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.begin().await.unwrap();
    let locked = tx.lock_all(&ids).await.unwrap();
    let expected: Vec<_> = changes.iter().map(|change| change.settlement.clone()).collect();
    assert_eq!(locked.into_iter().map(|locked| locked.aggregate).collect::<Vec<_>>(), expected);
    let keys: Vec<_> = changes.iter().flat_map(|change| &change.calls).map(GatewayCall::key).collect();
    let mut calls = tx.calls(&keys).await.unwrap();
    calls.sort_by_key(|call| keys.iter().position(|key| *key == call.key()));
    assert_eq!(calls, changes.into_iter().flat_map(|change| change.calls).collect::<Vec<_>>());
}

async fn listed(store: &dyn SettlementStore, viewer: &Viewer, filter: ListFilter, limit: u32) -> Vec<SettlementId> {
    store.list(viewer, &filter, limit).await.unwrap().iter().map(Settlement::id).collect()
}

/// Buyer, seller and admin.
pub async fn a_list_shows_only_what_concerns_the_viewer(store: &dyn SettlementStore) {
    let (settlement, _) = begun(now(store).await);
    stored(store, &settlement, &[]).await;
    let of_auction = || ListFilter { auction_id: Some(settlement.auction_id()), ..ListFilter::default() };
    let admin = Viewer { user: somebody("admin"), admin: true };
    for viewer in [ordinary(settlement.buyer_id()), ordinary(settlement.seller_id()), admin.clone()] {
        assert_eq!(listed(store, &viewer, of_auction(), 10).await, [settlement.id()]);
    }
    assert!(listed(store, &ordinary(&somebody("stranger")), of_auction(), 10).await.is_empty());
    let in_status = |status| ListFilter { status: Some(status), ..of_auction() };
    assert_eq!(listed(store, &admin, in_status(Status::AwaitingPayment), 10).await, [settlement.id()]);
    assert!(listed(store, &admin, in_status(Status::Completed), 10).await.is_empty());
}

/// Pages neither repeat nor leave out.
pub async fn a_list_goes_on_after_its_cursor_newest_first(store: &dyn SettlementStore) {
    let now = now(store).await;
    let (first, _) = begun(now);
    let buyer = ordinary(first.buyer_id());
    let mut all = vec![first.id()];
    stored(store, &first, &[]).await;
    for _ in 0..4 {
        let mut value = serde_json::to_value(begun(now).0).unwrap();
        value["buyer_id"] = serde_json::json!(buyer.user);
        let next: Settlement = serde_json::from_value(value).unwrap();
        stored(store, &next, &[]).await;
        all.push(next.id());
    }
    all.sort_unstable_by(|left, right| right.cmp(left));
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = listed(store, &buyer, ListFilter { after, ..ListFilter::default() }, 2).await;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        seen.extend(page);
    }
    assert_eq!(seen, all);
}
