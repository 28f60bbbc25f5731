//! While settlement was away nobody could do anything about a sale: that is held against nobody.

use chrono::TimeDelta;
use futures::executor::block_on;
use settlement_application::Outcome;
use settlement_domain::Status;
use settlement_domain::outage::{LONGEST_GRACE, OUTAGE};
use settlement_domain::saga::Act;
use settlement_harness::{Scene, When};

fn hours(count: i64) -> TimeDelta {
    TimeDelta::hours(count)
}

fn shows_life(scene: &Scene) {
    block_on(scene.worker.beat()).unwrap();
}

/// Settlement is away for so long, comes back and does what is due.
fn is_away(scene: &Scene, time: TimeDelta) {
    scene.clock.advance_without_life(time);
    shows_life(scene);
    scene.worker_works();
}

/// The buyer has two hours left to pay.
fn nearly_due() -> Scene {
    let scene = Scene::sold();
    scene.time_passes(TimeDelta::days(4) - hours(2));
    scene
}

/// The seller has two hours left to ship.
fn nearly_due_to_ship() -> Scene {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.time_passes(TimeDelta::days(7) - hours(2));
    scene
}

/// The buyer has two hours left to complain.
fn nearly_received() -> Scene {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.time_passes(TimeDelta::days(3) - hours(2));
    scene
}

#[test]
fn a_deadline_that_fell_into_an_outage_passes_once_there_was_as_much_time_after_it() {
    let sales: [(fn() -> Scene, Status); 3] =
        [(nearly_due, Status::Failed), (nearly_due_to_ship, Status::Refunded), (nearly_received, Status::Completed)];
    for (given, after) in sales {
        let scene = given();
        let before = scene.status();
        is_away(&scene, hours(10));
        assert_eq!(scene.status(), before);
        scene.time_passes(hours(10) - TimeDelta::seconds(1));
        scene.worker_works();
        assert_eq!(scene.status(), before);
        scene.time_passes(TimeDelta::seconds(1));
        scene.worker_works();
        assert_eq!(scene.status(), after);
        scene.books_agree_at_the_end();
    }
}

#[test]
fn what_is_shown_is_what_is_enforced_as_soon_as_the_worker_has_come_by() {
    let mut scene = nearly_due();
    is_away(&scene, hours(10));
    let due_at = scene.seen_by("buyer").payment_due_at;
    assert_eq!(due_at, scene.clock.now() + hours(10));
    scene.time_passes(hours(10));
    let late = Outcome::Late { event: "pay".to_owned(), deadline: due_at };
    assert_eq!(scene.buyer_pays("pm_card_visa"), late);
}

#[test]
fn who_comes_first_after_an_outage_is_not_late_though_nobody_has_noted_it_yet() {
    let mut scene = nearly_due();
    scene.clock.advance_without_life(hours(10));
    assert!(matches!(scene.buyer_pays("pm_card_visa"), Outcome::Done { .. }));
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);

    let mut scene = nearly_due_to_ship();
    scene.clock.advance_without_life(hours(10));
    scene.worker_works();
    assert!(matches!(scene.seller_ships(), Outcome::Done { .. }), "nor does the worker act on it");

    let mut scene = nearly_received();
    scene.clock.advance_without_life(hours(10));
    assert!(matches!(scene.buyer_disputes(), Outcome::Done { .. }));
}

#[test]
fn a_moment_without_a_sign_of_life_is_no_outage() {
    let scene = nearly_due();
    scene.time_passes(hours(2) - TimeDelta::seconds(1));
    is_away(&scene, OUTAGE - TimeDelta::seconds(1));
    assert_eq!(scene.status(), Status::Failed);
}

#[test]
fn the_longest_outage_gives_a_day() {
    let scene = nearly_due();
    is_away(&scene, TimeDelta::days(30));
    scene.time_passes(LONGEST_GRACE - TimeDelta::seconds(1));
    scene.worker_works();
    assert_eq!(scene.status(), Status::AwaitingPayment);
    scene.time_passes(TimeDelta::seconds(1));
    scene.worker_works();
    assert_eq!(scene.status(), Status::Failed);
}

#[test]
fn a_card_that_is_refused_after_an_outage_costs_no_strike() {
    let mut scene = nearly_due();
    scene.buyer_pays("pm_card_chargeDeclined");
    is_away(&scene, hours(10));
    assert_eq!(scene.status(), Status::AwaitingPayment);
    assert!(scene.store.all_standings().is_empty());
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);
}

#[test]
fn an_offer_that_ran_out_during_an_outage_may_still_be_taken() {
    let mut scene = Scene::with_contenders(&[("carol", 11_000)]);
    scene.hammer_falls();
    scene.days_change_the_world(4);
    scene.time_passes(TimeDelta::days(3) - hours(2));
    is_away(&scene, hours(10));
    assert!(matches!(scene.act("carol", &Act::Pay("pm_card_visa".parse().unwrap())), Outcome::Done { .. }));
}

#[test]
fn what_begins_after_an_outage_has_its_own_time_and_not_more() {
    let scene = Scene::new(12_050, "USD");
    scene.clock.advance_without_life(TimeDelta::days(30));
    shows_life(&scene);
    scene.hammer_falls();
    scene.days_go_by(4);
    assert_eq!(scene.status(), Status::Failed);
}

#[test]
fn an_outage_is_noted_once_also_when_the_first_sign_of_life_gets_no_answer() {
    for when in [When::Before, When::After] {
        let scene = nearly_due();
        scene.clock.advance_without_life(hours(10));
        scene.faults.at("store.beat", 0, when);
        assert!(block_on(scene.worker.beat()).is_err(), "{when:?}");
        for _ in 0..2 {
            shows_life(&scene);
        }
        scene.worker_works();
        assert_eq!(scene.seen_by("buyer").payment_due_at, scene.clock.now() + hours(10), "{when:?}");
    }
}
