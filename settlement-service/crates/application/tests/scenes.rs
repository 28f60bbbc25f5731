//! Whole settlements, from the hammer to their end, as buyers and sellers live through them.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::json;
use settlement_application::Outcome;
use settlement_domain::ledger::AccountKind;
use settlement_domain::money::Unit;
use settlement_domain::{BasisPoints, Money, Operation, Schedules, Status};
use settlement_harness::{GatewayTotals, Scene, When, fees};

fn done(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::Done { settlement } => settlement.status,
        refused => panic!("{refused:?}"),
    }
}

fn escrowed() -> Scene {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);
    scene
}

#[test]
fn a_sale_ends_with_the_seller_paid_and_the_commission_kept() {
    let mut scene = Scene::sold();
    assert_eq!(done(&scene.buyer_pays("pm_card_visa")), Status::Authorizing);
    scene.worker_works();
    assert_eq!(done(&scene.seller_ships()), Status::Shipped);
    assert_eq!(done(&scene.buyer_receives()), Status::Received);
    scene.worker_works();
    assert_eq!(scene.status(), Status::Completed);
    assert_eq!(scene.balance(AccountKind::PlatformRevenue), -1_205);
    assert_eq!(scene.gateway.totals().paid_out, 10_845);
    assert_eq!(
        scene.told(),
        ["started", "escrowed", "shipped", "completed"].map(|name| format!("outcry.settlement.{name}.v1"))
    );
    scene.books_agree_at_the_end();
}

#[test]
fn commission_is_rounded_half_to_even_in_currencies_of_zero_two_and_three_decimals() {
    for (price, currency, commission) in
        [(25, "JPY", 2), (35, "JPY", 4), (12_345, "USD", 1_234), (12_355, "USD", 1_236), (1_005, "KWD", 100)]
    {
        let mut scene = Scene::new(price, currency);
        scene.hammer_falls();
        scene.buyer_pays("pm_card_visa");
        scene.worker_works();
        scene.seller_ships();
        scene.buyer_receives();
        scene.worker_works();
        assert_eq!(scene.balance(AccountKind::PlatformRevenue), -i128::from(commission), "{price} {currency}");
        assert_eq!(scene.gateway.totals().paid_out, price - commission);
        scene.books_agree_at_the_end();
    }
}

#[test]
fn of_a_price_in_dinars_so_much_moves_as_the_gateway_can_move() {
    let units = BTreeMap::from([("KWD".parse().unwrap(), Unit::new(10).unwrap())]);
    let mut scene = Scene::charging(1_237, "KWD", fees().in_units(units));
    scene.hammer_falls();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.buyer_receives();
    scene.worker_works();
    let GatewayTotals { captured, paid_out, .. } = scene.gateway.totals();
    assert_eq!((captured, paid_out), (1_230, 1_110));
    assert_eq!(scene.balance(AccountKind::PlatformRevenue), -120);
    scene.books_agree_at_the_end();
}

#[test]
fn after_a_decline_the_buyer_pays_by_another_method() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_chargeDeclined");
    scene.worker_works();
    assert_eq!(scene.status(), Status::AwaitingPayment);
    assert_eq!(scene.seen_by("buyer").declined.unwrap().code, "card_declined");
    assert_eq!(scene.seen_by("seller").declined, None, "why a card was refused is the buyer's own business");
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);
}

#[test]
fn declined_until_the_deadline_fails_with_nothing_taken() {
    let mut scene = Scene::sold();
    for _ in 0..3 {
        scene.buyer_pays("pm_card_chargeDeclined");
        scene.worker_works();
        scene.days_go_by(1);
    }
    assert_eq!(scene.status(), Status::AwaitingPayment);
    scene.days_go_by(1);
    assert_eq!(scene.status(), Status::Failed);
    assert!(scene.store.ledger().is_empty());
    scene.books_agree_at_the_end();
}

#[test]
fn a_buyer_who_paid_in_time_has_paid_even_if_the_gateways_answer_came_late() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.faults.at("gateway.execute", 0, When::After);
    futures::executor::block_on(scene.worker.run_once(10)).unwrap();
    assert_eq!((scene.status(), scene.gateway.totals().held), (Status::Authorizing, 12_050));
    scene.days_go_by(4);
    assert_eq!(scene.status(), Status::Escrowed);
}

#[test]
fn a_lot_never_shipped_is_refunded_in_full() {
    let scene = escrowed();
    scene.days_go_by(7);
    assert_eq!(scene.status(), Status::Refunded);
    assert_eq!(scene.gateway.totals().refunded, 12_050);
    let failed = scene.store.events().pop().unwrap().data;
    assert_eq!(failed["what"]["reason"], "not_shipped");
    assert_eq!(failed["what"]["refunded"]["amount"], 12_050);
    scene.books_agree_at_the_end();
}

#[test]
fn a_buyer_who_says_nothing_until_the_inspection_ends_has_received() {
    let mut scene = escrowed();
    scene.seller_ships();
    scene.days_go_by(3);
    assert_eq!(scene.status(), Status::Completed);
    scene.books_agree_at_the_end();
}

#[test]
fn an_act_that_comes_late_is_refused_naming_what_it_missed() {
    let mut scene = Scene::sold();
    let deadline = scene.settlement().payment_due_at();
    scene.time_passes(TimeDelta::days(4));
    assert_eq!(scene.buyer_pays("pm_card_visa"), Outcome::Late { event: "pay".to_owned(), deadline });
}

#[test]
fn a_gateway_that_is_away_for_hours_delays_and_loses_nothing() {
    let mut scene = escrowed();
    scene.seller_ships();
    scene.buyer_receives();
    scene.gateway.goes_away(true);
    for _ in 0..8 {
        futures::executor::block_on(scene.worker.run_once(10)).unwrap();
        scene.clock.advance_to(scene.store.next_call_due().unwrap());
    }
    assert_eq!(scene.status(), Status::Received);
    scene.gateway.goes_away(false);
    scene.worker_works();
    assert_eq!(scene.status(), Status::Completed);
    scene.books_agree_at_the_end();
}

#[test]
fn a_payout_that_keeps_failing_needs_an_operator_and_the_money_stays_owed() {
    let mut scene = escrowed();
    scene.seller_ships();
    scene.buyer_receives();
    scene.gateway.refuses(Some(Operation::PayOut));
    scene.worker_works();
    assert_eq!(scene.status(), Status::NeedsOperator);
    assert_eq!(scene.balance(AccountKind::SellerPayable), -10_845);
    assert_eq!(scene.seen_by("seller").operator_reason, None);
    scene.books_are_sound();
}

#[test]
fn a_refund_that_keeps_failing_needs_an_operator_and_the_money_stays_in_escrow() {
    let scene = escrowed();
    scene.gateway.refuses(Some(Operation::Refund));
    scene.days_go_by(7);
    assert_eq!(scene.status(), Status::NeedsOperator);
    assert_eq!(scene.balance(AccountKind::Escrow), -12_050);
    scene.books_are_sound();
}

#[test]
fn premium_and_tax_are_the_buyers_to_pay_and_the_seller_gets_hammer_less_commission() {
    let table = |rate_bps| json!({"kind": "flat", "tiers": [{"above": 0, "rate_bps": rate_bps}]});
    let source = json!({"version": "v1", "currency": "USD", "effective_from": "2020-01-01T00:00:00Z",
        "buyer_premium": table(2_500), "seller_commission": table(1_000),
        "tax": {"on": "hammer_and_premium", "table": table(2_000)}});
    let source = serde_json::from_value(source).unwrap();
    let fees = Schedules::new([("v1".to_owned(), source)], BasisPoints::try_from(0).unwrap()).unwrap();
    let mut scene = Scene::charging(10_000, "USD", fees);
    scene.hammer_falls();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    assert_eq!(scene.gateway.totals().captured, 10_000 + 2_500 + 2_500);
    assert_eq!(scene.balance(AccountKind::Escrow), -15_000);
    scene.seller_ships();
    scene.buyer_receives();
    scene.worker_works();
    assert_eq!(scene.gateway.totals().paid_out, 9_000);
    let earned = [AccountKind::PlatformRevenue, AccountKind::Fees, AccountKind::Tax].map(|kind| scene.balance(kind));
    assert_eq!(earned, [-1_000, -2_500, -2_500]);
    let view = scene.seen_by("buyer");
    assert_eq!([view.price, view.hammer, view.premium, view.tax].map(Money::amount), [15_000, 10_000, 2_500, 2_500]);
    scene.books_agree_at_the_end();
}
