//! Sellers are paid for many settlements at once.

use std::collections::BTreeMap;

use super::*;
use crate::payout::{MAX_ITEMS, PayoutState};

fn received(number: u128, price: i64) -> Settlement {
    let story = Story::sold(price, 1_000).pays().agrees().agrees().ships().act(Act::Receive);
    let mut whole = serde_json::to_value(&story.settlement).unwrap();
    whole["id"] = uuid::Uuid::from_u128(number).to_string().into();
    serde_json::from_value(whole).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn rules(minimum: i64, collect_s: u32) -> PayoutRules {
    let minimum = BTreeMap::from([("USD".parse().unwrap(), minimum)]);
    PayoutRules { minimum, collect_s, longest_wait_s: 1_000 }
}

fn gathered(owed: Vec<Settlement>, rules: &PayoutRules, now: DateTime<Utc>) -> PayoutChange {
    gather(owed, rules, now)
}

fn settlements(change: &PayoutChange) -> Vec<Settlement> {
    change.settlements.iter().map(|change| change.settlement.clone()).collect()
}

fn answered(change: &PayoutChange, report: Report) -> PayoutChange {
    let (call, contact) = change.calls.last().unwrap().clone().claim(at(0));
    payout_report(change.payout.clone().unwrap(), settlements(change), call, contact, report, at(0))
}

fn succeeds() -> Report {
    Report::Answered(Answer::Succeeded { reference: GatewayRef::from("tr_1".to_owned()) })
}

fn fails() -> Report {
    Report::Answered(Answer::Declined(Decline { code: "no_account".into(), message: "No account.".into() }))
}

#[test]
fn one_call_and_one_entry_pay_for_all_that_waits() {
    let change = gathered(vec![received(1, 1_000), received(2, 2_000)], &PayoutRules::default(), at(0));
    assert_eq!((change.calls.len(), change.payout.as_ref().unwrap().amount()), (1, usd(2_700)));
    assert!(settlements(&change).iter().all(|one| due_at(one).is_none() && one.status() == Status::Received));
    let paid = answered(&change, succeeds());
    assert_eq!(paid.transactions.len(), 1);
    let usd = "USD".parse().unwrap();
    assert_eq!(TrialBalance::of(&paid.transactions).balance(AccountKind::SellerPayable, usd), 2_700);
    for change in &paid.settlements {
        assert_eq!(change.settlement.status(), Status::Completed);
        assert_eq!(change.settlement.payout_id(), Some(paid.payout.as_ref().unwrap().id()));
        assert_eq!(change.events.last().unwrap().what.name(), "completed");
    }
}

#[test]
fn less_than_the_minimum_waits_for_more_but_not_for_ever() {
    let rules = rules(1_000, 0);
    let change = gathered(vec![received(1, 1_000)], &rules, at(0));
    assert!(change.payout.is_none() && change.calls.is_empty());
    let waiting = settlements(&change);
    assert_eq!(due_at(&waiting[0]), Some(at(1_000)));
    let more = gathered(vec![waiting[0].clone(), received(2, 1_000)], &rules, at(1));
    assert_eq!(more.payout.unwrap().amount(), usd(1_800));
    assert_eq!(gathered(waiting, &rules, at(1_000)).payout.unwrap().amount(), usd(900));
}

#[test]
fn settlements_of_the_same_while_are_collected() {
    let rules = rules(1, 60);
    let change = gathered(vec![received(1, 1_000)], &rules, at(59));
    assert_eq!((change.payout.is_none(), due_at(&settlements(&change)[0])), (true, Some(at(60))));
    assert_eq!(gathered(vec![received(1, 1_000), received(2, 500)], &rules, at(60)).payout.unwrap().items().len(), 2);
}

#[test]
fn a_full_payout_waits_for_nothing() {
    let rules = rules(1, 86_400);
    let many = |count| (1..=count).map(|number| received(number, 1_000)).collect::<Vec<_>>();
    assert!(gathered(many(u128::from(MAX_ITEMS) - 1), &rules, at(0)).payout.is_none());
    assert_eq!(gathered(many(MAX_ITEMS.into()), &rules, at(0)).payout.unwrap().items().len(), MAX_ITEMS as usize);
}

#[test]
fn a_payout_has_a_bound_and_the_rest_waits_for_the_next() {
    let many: Vec<_> = (1..=u128::from(MAX_ITEMS) + 3).map(|number| received(number, 1_000)).collect();
    let change = gathered(many, &PayoutRules::default(), at(0));
    assert_eq!(
        (change.payout.unwrap().items().len(), change.settlements.len()),
        (MAX_ITEMS as usize, MAX_ITEMS as usize)
    );
}

#[test]
fn nothing_is_gathered_twice() {
    let change = gathered(vec![received(1, 1_000)], &PayoutRules::default(), at(0));
    assert_eq!(gathered(settlements(&change), &PayoutRules::default(), at(0)), PayoutChange::default());
}

#[test]
fn a_payout_refused_for_good_parks_all_of_its_settlements_and_the_seller_is_still_owed() {
    let mut change = gathered(vec![received(1, 1_000), received(2, 2_000)], &PayoutRules::default(), at(0));
    let waiting = settlements(&change);
    for attempt in 1..=5 {
        assert_eq!(change.payout.as_ref().unwrap().attempts(), attempt);
        let owed = settlements(&change);
        let (call, contact) = change.calls.last().unwrap().clone().claim(at(0));
        let owed = if owed.is_empty() { waiting.clone() } else { owed };
        change = payout_report(change.payout.unwrap(), owed, call, contact, fails(), at(0));
        assert!(change.transactions.is_empty());
    }
    assert!(matches!(change.payout.as_ref().unwrap().state(), PayoutState::Refused { .. }));
    let parked = settlements(&change);
    assert!(parked.len() == 2 && parked.iter().all(|one| one.status() == Status::NeedsOperator));
}

#[test]
fn the_same_settlements_are_paid_by_the_same_call_and_after_a_refusal_for_good_by_another() {
    let owed = || vec![received(1, 1_000), received(2, 2_000)];
    let key = |change: &PayoutChange| change.calls[0].key();
    let first = gathered(owed(), &PayoutRules::default(), at(0));
    let forgotten = gathered(owed().into_iter().rev().collect(), &PayoutRules::default(), at(7));
    assert_eq!(key(&first), key(&forgotten), "a seller is not paid again by who has forgotten the first time");

    let others = gathered(vec![received(1, 1_000)], &PayoutRules::default(), at(0));
    assert_ne!(key(&first), key(&others), "of other settlements it is another payout");
    let waits = |change: &Change| change.settlement.clone().owed(Owed::Waiting { due_at: at(0) }).unwrap();
    let again = gathered(first.settlements.iter().map(waits).collect(), &PayoutRules::default(), at(0));
    assert_ne!(key(&first), key(&again));
}

#[test]
fn an_answer_that_comes_twice_pays_once() {
    let change = gathered(vec![received(1, 1_000)], &PayoutRules::default(), at(0));
    let paid = answered(&change, succeeds());
    let (_, contact) = change.calls[0].clone().claim(at(0));
    let echo = payout_report(paid.payout.unwrap(), Vec::new(), paid.calls[0].clone(), contact, succeeds(), at(0));
    assert_eq!(echo, PayoutChange::default());
}
