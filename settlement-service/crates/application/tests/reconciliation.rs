//! The gateway's list against the ledger: each difference by its name, and none where there is none.

use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;
use settlement_application::{GRACE_MIN, MAX_NAMED, Name, ReconcileError, Report};
use settlement_domain::settlement::Verdict;
use settlement_domain::{CallKey, GatewayRef, Money, Movement, MovementKind, Operation, Status};
use settlement_harness::Scene;

fn usd(amount: i64) -> Money {
    Money::new(amount, "USD".parse().unwrap()).unwrap()
}

/// The money is in escrow, and nothing is young any more.
fn escrowed() -> Scene {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);
    scene.time_passes(TimeDelta::hours(1));
    scene
}

fn completed() -> Scene {
    let mut scene = escrowed();
    scene.seller_ships();
    scene.buyer_receives();
    scene.worker_works();
    assert_eq!(scene.status(), Status::Completed);
    scene.time_passes(TimeDelta::hours(1));
    scene
}

/// Money that nobody here told the gateway to move.
fn slipped_in(scene: &Scene, kind: MovementKind, at: DateTime<Utc>) -> Movement {
    let reference = GatewayRef::from(format!("slipped_in_{kind}"));
    let movement = Movement { kind, key: None, reference, charge: None, amount: usd(700), at };
    scene.gateway.tampers(|moved| moved.push(movement.clone()));
    movement
}

fn names(report: &Report) -> Vec<Name> {
    report.differences.iter().map(|difference| difference.name).collect()
}

/// The one difference there is, in its one line.
fn only(report: &Report, name: Name) -> String {
    assert_eq!(names(report), [name], "{:#?}", report.differences);
    assert_eq!((report.agrees(), report.difference_count), (false, 1));
    report.differences[0].to_string()
}

#[test]
fn a_sale_by_the_book_agrees_on_both_sides_to_the_cent() {
    let report = completed().reconciled();
    assert!(report.agrees(), "{:#?}", report.differences);
    let sums: Vec<_> = report.sums.iter().map(|line| (line.kind, line.ledger.amount, line.gateway.amount)).collect();
    assert_eq!(sums, [(MovementKind::Charge, 12_050, 12_050), (MovementKind::Payout, 10_845, 10_845)]);
    assert_eq!((report.clearing[0].account, report.clearing[0].lines, report.pending), (1_205, 1_205, 0));
}

#[test]
fn refunds_and_part_refunds_agree_too() {
    let mut scene = escrowed();
    scene.seller_ships();
    scene.buyer_disputes();
    scene.operator_decides(Verdict::PartRefund { amount: 5_000 });
    scene.worker_works();
    let report = scene.reconciled();
    assert!(report.agrees(), "{:#?}", report.differences);
    let scene = escrowed();
    scene.days_go_by(8);
    assert_eq!(scene.status(), Status::Refunded);
    scene.time_passes(TimeDelta::hours(1));
    let report = scene.reconciled();
    assert!(report.agrees(), "{:#?}", report.differences);
    assert_eq!((report.sums.len(), report.clearing[0].account), (2, 0));
}

#[test]
fn what_the_buyers_bank_keeps_is_missing_on_neither_side_and_counts_in_the_account() {
    let mut scene = escrowed();
    scene.bank_takes_it_back("evt_1", "dp_1").unwrap();
    scene.operator_decides(Verdict::Close);
    assert_eq!(scene.status(), Status::Refunded);
    scene.time_passes(TimeDelta::hours(1));
    let report = scene.reconciled();
    assert!(report.agrees() && report.pending == 0, "{report:#?}");
    let sums: Vec<_> = report.sums.iter().map(|line| (line.kind, line.ledger.amount, line.gateway.amount)).collect();
    assert_eq!(sums, [(MovementKind::Charge, 12_050, 12_050)]);
    assert_eq!((report.clearing[0].account, report.clearing[0].lines), (0, 0));
    // The bank gives it back after all: the entry is reversed.
    let entry = format!("{}:charged_back", scene.id());
    block_on(scene.books.reverse(&entry, "the bank has given it back")).unwrap();
    scene.time_passes(TimeDelta::hours(1));
    let report = scene.reconciled();
    assert!(report.agrees() && report.reversed == 1, "{report:#?}");
    assert_eq!((report.clearing[0].account, report.clearing[0].lines), (12_050, 12_050));
}

#[test]
fn money_that_no_call_of_ours_moved_is_not_ours() {
    let scene = escrowed();
    slipped_in(&scene, MovementKind::Charge, scene.clock.now() - TimeDelta::hours(1));
    let said = only(&scene.reconciled(), Name::NotOurs);
    assert!(said.contains("slipped_in_charge") && said.contains("gateway 7.00 USD; ledger nothing"), "{said}");
    let scene = escrowed();
    let unplanned = CallKey::new(scene.id(), Operation::PayOut, 1);
    slipped_in(&scene, MovementKind::Payout, scene.clock.now() - TimeDelta::hours(1));
    scene.gateway.tampers(|moved| moved.last_mut().unwrap().key = Some(unplanned.clone()));
    let said = only(&scene.reconciled(), Name::NotOurs);
    assert!(said.contains(&format!("payout {}; key {unplanned}", scene.id())), "{said}");
}

#[test]
fn what_is_younger_than_the_grace_period_is_pending_and_no_difference() {
    let scene = escrowed();
    slipped_in(&scene, MovementKind::Charge, scene.clock.now() - TimeDelta::minutes(GRACE_MIN - 1));
    let report = scene.reconciled();
    assert!(report.agrees());
    assert_eq!(report.pending, 1);
    scene.time_passes(TimeDelta::minutes(2));
    only(&scene.reconciled(), Name::NotOurs);
}

#[test]
fn a_call_that_is_under_way_is_pending_however_long() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    // The gateway captures, and nobody hears of it any more.
    let captured = |scene: &Scene| scene.gateway.totals().captured > 0;
    scene.faults.at("gateway.execute", 1, settlement_harness::When::After);
    scene.worker_works_until(captured);
    scene.time_passes(TimeDelta::days(3));
    let report = scene.reconciled();
    assert!(report.agrees(), "{:#?}", report.differences);
    assert_eq!((report.pending, report.sums.len()), (1, 0));
}

#[test]
fn a_movement_by_our_call_without_an_entry_is_not_in_the_ledger() {
    let scene = escrowed();
    scene.store.loses(&format!("{}:captured", scene.id()));
    let said = only(&scene.reconciled(), Name::NotInLedger);
    assert!(said.contains(&format!("settlement {}", scene.id())) && said.contains("gateway 120.50 USD"), "{said}");
}

#[test]
fn an_entry_without_a_movement_is_not_at_the_gateway() {
    let scene = escrowed();
    scene.gateway.tampers(Vec::clear);
    let said = only(&scene.reconciled(), Name::NotAtGateway);
    let (id, key) = (scene.id(), CallKey::new(scene.id(), Operation::Capture, 1));
    let expected = format!(
        "not_at_gateway: the ledger has it and the gateway has not moved it; charge; settlement {id}; key {key}; gateway's \
         reference mem_{key}; entry {id}:captured; gateway nothing; ledger 120.50 USD"
    );
    assert_eq!(said, expected);
}

#[test]
fn amounts_and_currencies_that_differ_are_told_with_both() {
    let scene = completed();
    scene.gateway.tampers(|moved| moved[0].amount = usd(12_049));
    let said = only(&scene.reconciled(), Name::AmountsDiffer);
    assert!(said.ends_with("gateway 120.49 USD; ledger 120.50 USD"), "{said}");
    scene.gateway.tampers(|moved| moved[0].amount = Money::new(12_050, "EUR".parse().unwrap()).unwrap());
    let said = only(&scene.reconciled(), Name::CurrenciesDiffer);
    assert!(said.ends_with("gateway 120.50 EUR; ledger 120.50 USD"), "{said}");
}

#[test]
fn a_call_that_counts_as_refused_and_moved_money_is_told() {
    let mut scene = Scene::sold();
    scene.gateway.refuses(Some(Operation::Capture));
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.time_passes(TimeDelta::hours(1));
    assert!(scene.reconciled().agrees());
    slipped_in(&scene, MovementKind::Charge, scene.clock.now() - TimeDelta::hours(1));
    let id = scene.store.all_settlements()[0].id();
    scene.gateway.tampers(|moved| moved[0].key = Some(CallKey::new(id, Operation::Capture, 1)));
    only(&scene.reconciled(), Name::RefusedAndMoved);
}

#[test]
fn money_that_moved_twice_under_one_key_is_told_under_another_reference_and_under_the_same() {
    let scene = completed();
    scene.gateway.tampers(|moved| {
        let reference = GatewayRef::from("another".to_owned());
        moved.push(Movement { reference, ..moved[0].clone() });
    });
    let said = only(&scene.reconciled(), Name::TwiceUnderOneKey);
    assert!(said.contains("another"), "{said}");
    let scene = completed();
    scene.gateway.tampers(|moved| moved.push(moved[1].clone()));
    only(&scene.reconciled(), Name::TwiceUnderOneKey);
}

#[test]
fn an_entry_that_was_reversed_agrees_with_a_gateway_that_has_nothing_and_with_no_other() {
    let scene = escrowed();
    block_on(scene.books.reverse(&format!("{}:captured", scene.id()), "a test")).unwrap();
    let said = only(&scene.reconciled(), Name::ReversedAndMoved);
    assert!(said.contains("gateway 120.50 USD; ledger nothing"), "{said}");
    scene.gateway.tampers(Vec::clear);
    let report = scene.reconciled();
    assert!(report.agrees(), "{:#?}", report.differences);
    assert_eq!((report.reversed, report.clearing[0].account), (1, 12_050), "the reversal is too young to be summed");
}

#[test]
fn what_was_given_back_whole_at_the_gateway_is_made_good() {
    let scene = escrowed();
    let at = scene.clock.now() - TimeDelta::hours(1);
    let charge = slipped_in(&scene, MovementKind::Charge, at);
    slipped_in(&scene, MovementKind::Refund, at);
    scene.gateway.tampers(|moved| {
        let refund = moved.last_mut().unwrap();
        (refund.charge, refund.amount) = (Some(charge.reference.clone()), usd(699));
    });
    assert_eq!(names(&scene.reconciled()), [Name::NotOurs, Name::NotOurs], "one cent is missing");
    scene.gateway.tampers(|moved| moved.last_mut().unwrap().amount = usd(700));
    let report = scene.reconciled();
    assert!(report.agrees(), "{:#?}", report.differences);
    assert_eq!(report.made_good, 2);
}

#[test]
fn a_reversed_capture_that_was_given_back_at_the_gateway_by_hand_agrees() {
    let scene = escrowed();
    block_on(scene.books.reverse(&format!("{}:captured", scene.id()), "given back by hand")).unwrap();
    slipped_in(&scene, MovementKind::Refund, scene.clock.now() - TimeDelta::hours(1));
    scene.gateway.tampers(|moved| {
        let charge = moved[0].clone();
        let refund = moved.last_mut().unwrap();
        (refund.charge, refund.key, refund.amount) = (Some(charge.reference), charge.key, charge.amount);
    });
    let report = scene.reconciled();
    assert!(report.agrees(), "{:#?}", report.differences);
    assert_eq!((report.made_good, report.reversed), (2, 1));
}

#[test]
fn a_span_may_begin_between_a_movement_and_its_entry() {
    let scene = completed();
    // The gateway's clock is days behind: its list since the beginning has nothing.
    scene.gateway.tampers(|moved| moved.iter_mut().for_each(|one| one.at -= TimeDelta::days(5)));
    let report = scene.reconciled();
    assert!(report.agrees(), "{:#?}", report.differences);
    assert_eq!(report.sums[0].gateway.amount, 12_050, "it was asked for by its reference");
}

#[test]
fn there_is_no_report_without_the_gateways_list() {
    let scene = completed();
    scene.gateway.goes_away(true);
    assert!(matches!(scene.reconciles(), Err(ReconcileError::Gateway(_))));
}

#[test]
fn however_many_differences_there_are_only_so_many_are_named_and_all_are_counted() {
    let scene = escrowed();
    let more = MAX_NAMED + 5;
    for _ in 0..more {
        slipped_in(&scene, MovementKind::Charge, scene.clock.now() - TimeDelta::hours(1));
    }
    let report = scene.reconciled();
    assert_eq!((report.differences.len(), report.difference_count), (MAX_NAMED, more as u64));
}
