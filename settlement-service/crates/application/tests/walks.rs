//! Random walks: people do anything in any order, time jumps, anything fails. Money is never made or lost on the way,
//! and once the faults stop and time goes on, every sale comes to an end.

use chrono::TimeDelta;
use futures::executor::block_on;
use proptest::prelude::*;
use settlement_domain::saga::Act;
use settlement_domain::{Parcel, Status};
use settlement_harness::{Scene, When};

#[derive(Debug, Clone)]
enum Move {
    Pay(&'static str),
    Ship,
    Receive,
    HoursPass(i64),
    WorkerRuns,
    GatewayLeaves,
    GatewayReturns,
    Fault(usize, bool),
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => prop::sample::select(vec!["pm_card_visa", "pm_card_chargeDeclined", "pm_unheard_of"]).prop_map(Move::Pay),
        2 => Just(Move::Ship),
        2 => Just(Move::Receive),
        2 => (1_i64..120).prop_map(Move::HoursPass),
        6 => Just(Move::WorkerRuns),
        1 => Just(Move::GatewayLeaves),
        1 => Just(Move::GatewayReturns),
        4 => (0_usize..12, any::<bool>()).prop_map(|(ahead, after)| Move::Fault(ahead, after)),
    ]
}

fn act(scene: &mut Scene, who: &str, act: &Act) {
    // One request; whether it is refused or fails is part of the walk.
    let key = scene.next_key(who);
    let _outcome = block_on(scene.request(&key, act));
}

fn make(scene: &mut Scene, step: &Move) {
    match step {
        Move::Pay(method) => act(scene, "buyer", &Act::Pay(method.parse().unwrap())),
        Move::Ship => act(scene, "seller", &Act::Ship(Parcel::new("UPS", "1Z999").unwrap())),
        Move::Receive => act(scene, "buyer", &Act::Receive),
        Move::HoursPass(hours) => scene.time_passes(TimeDelta::hours(*hours)),
        Move::WorkerRuns => {
            let _progress = block_on(scene.worker.run_once(10));
        }
        Move::GatewayLeaves => scene.gateway.goes_away(true),
        Move::GatewayReturns => scene.gateway.goes_away(false),
        Move::Fault(ahead, after) => {
            let when = if *after { When::After } else { When::Before };
            scene.faults.at_call(scene.faults.log().len() + ahead, when);
        }
    }
}

/// The faults stop, the gateway is back, and time goes on.
fn heal(scene: &Scene) {
    scene.faults.heal();
    scene.gateway.goes_away(false);
    for _ in 0..4 {
        scene.worker_works();
        scene.days_go_by(8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_money_is_kept_and_the_sale_ends(
        price in prop_oneof![Just(1_i64), 2_i64..100, 1_000_i64..10_000_000],
        moves in prop::collection::vec(any_move(), 1..60),
    ) {
        let mut scene = Scene::new(price, "USD");
        scene.hammer_falls();
        for step in &moves {
            make(&mut scene, step);
            scene.books_are_sound();
        }
        heal(&scene);
        prop_assert!(scene.status().is_end(), "{} after {moves:?}", scene.status());
        prop_assert!(scene.status() != Status::NeedsOperator);
        scene.books_agree_at_the_end();
    }
}
