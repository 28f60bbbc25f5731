//! Every port call of a whole sale fails in turn, before its effect and after it. The parties insist, the worker
//! comes back, and the sale ends as it would have, with ledger and gateway in agreement.

use settlement_application::Outcome;
use settlement_domain::{Operation, Status};
use settlement_harness::{Scene, When};

/// What happens in a sale, and how it has to end.
struct Story {
    name: &'static str,
    play: fn(&mut Scene),
    ends: Status,
}

const STORIES: [Story; 6] = [
    Story { name: "completed", play: completed, ends: Status::Completed },
    Story { name: "completed by silence", play: completed_by_silence, ends: Status::Completed },
    Story { name: "declined, then paid", play: declined_then_paid, ends: Status::Completed },
    Story { name: "unpaid", play: unpaid, ends: Status::Failed },
    Story { name: "capture refused", play: capture_refused, ends: Status::Failed },
    Story { name: "never shipped", play: never_shipped, ends: Status::Refunded },
];

fn completed(scene: &mut Scene) {
    scene.hammer_falls();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.buyer_receives();
    scene.worker_works();
}

fn completed_by_silence(scene: &mut Scene) {
    scene.hammer_falls();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.days_go_by(3);
}

fn declined_then_paid(scene: &mut Scene) {
    scene.hammer_falls();
    scene.buyer_pays("pm_card_chargeDeclined");
    scene.worker_works();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.buyer_receives();
    scene.worker_works();
}

fn unpaid(scene: &mut Scene) {
    scene.hammer_falls();
    scene.buyer_pays("pm_card_chargeDeclined");
    scene.worker_works();
    scene.days_go_by(4);
}

fn capture_refused(scene: &mut Scene) {
    scene.hammer_falls();
    scene.gateway.refuses(Some(Operation::Capture));
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
}

fn never_shipped(scene: &mut Scene) {
    scene.hammer_falls();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.days_go_by(7);
}

/// The events of an undisturbed run, to which every disturbed one is held.
fn undisturbed(story: &Story) -> (usize, Vec<String>) {
    let mut scene = Scene::new(12_050, "USD");
    (story.play)(&mut scene);
    assert_eq!(scene.status(), story.ends, "{}", story.name);
    scene.books_agree_at_the_end();
    (scene.faults.log().len(), scene.told())
}

#[test]
fn a_sale_survives_any_one_port_call_failing_before_or_after_its_effect() {
    for story in &STORIES {
        let (calls, told) = undisturbed(story);
        assert!(calls > 20, "{}: only {calls} port calls", story.name);
        for call in 0..calls {
            for when in [When::Before, When::After] {
                let mut scene = Scene::new(12_050, "USD");
                scene.faults.at_call(call, when);
                (story.play)(&mut scene);
                let at = scene.faults.log()[call];
                assert_eq!(scene.status(), story.ends, "{}: {when:?} {at}, call {call}", story.name);
                assert_eq!(scene.told(), told, "{}: {when:?} {at}, call {call}", story.name);
                scene.books_agree_at_the_end();
            }
        }
    }
}

#[test]
fn a_sale_survives_the_same_port_failing_twice_running() {
    for story in &STORIES {
        let (calls, told) = undisturbed(story);
        for call in 0..calls {
            for (first, second) in [(When::After, When::Before), (When::After, When::After)] {
                let mut scene = Scene::new(12_050, "USD");
                scene.faults.at_call(call, first);
                scene.faults.at_call(call + 1, second);
                (story.play)(&mut scene);
                assert_eq!((scene.status(), scene.told()), (story.ends, told.clone()), "{}: {call}", story.name);
                scene.books_agree_at_the_end();
            }
        }
    }
}

/// Each gateway operation is refused in turn: the sale ends as the saga's table says, with sound books.
#[test]
fn each_step_refused_by_the_gateway_ends_as_the_table_says() {
    let stories = [
        (Operation::Authorize, Status::AwaitingPayment),
        (Operation::Capture, Status::Failed),
        (Operation::PayOut, Status::NeedsOperator),
    ];
    for (operation, expected) in stories {
        let mut scene = Scene::sold();
        scene.gateway.refuses(Some(operation));
        scene.buyer_pays("pm_card_visa");
        scene.worker_works();
        if scene.status() == Status::Escrowed {
            assert!(matches!(scene.seller_ships(), Outcome::Done { .. }));
            scene.buyer_receives();
            scene.worker_works();
        }
        assert_eq!(scene.status(), expected, "{operation:?} refused");
        scene.books_are_sound();
    }
}
