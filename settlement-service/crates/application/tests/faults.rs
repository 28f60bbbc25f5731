//! Every port call of a whole sale fails in turn and in pairs, before its effect and after it. The parties insist, the worker
//! comes back, and the sale ends as it would have, with ledger and gateway in agreement.

use settlement_application::Outcome;
use settlement_domain::saga::Act;
use settlement_domain::settlement::Verdict;
use settlement_domain::{Operation, Statement, Status};
use settlement_harness::seeds::Dice;
use settlement_harness::{Scene, When};

/// What happens in a sale, and how it has to end.
struct Story {
    name: &'static str,
    scene: fn() -> Scene,
    play: fn(&mut Scene),
    ends: Status,
}

const fn story(name: &'static str, scene: fn() -> Scene, play: fn(&mut Scene), ends: Status) -> Story {
    Story { name, scene, play, ends }
}

#[rustfmt::skip]
const STORIES: [Story; 23] = [
    story("completed",                      units,   completed,               Status::Completed),
    story("completed by silence",           units,   completed_by_silence,    Status::Completed),
    story("declined, then paid",            units,   declined_then_paid,      Status::Completed),
    story("unpaid",                         units,   unpaid,                  Status::Failed),
    story("capture refused",                units,   capture_refused,         Status::Failed),
    story("never shipped",                  units,   never_shipped,           Status::Refunded),
    story("hold ran out",                   units,   hold_ran_out,            Status::Completed),
    story("disputed, refunded",             units,   disputed_refunded,       Status::Refunded),
    story("disputed, part refunded",        units,   disputed_part_refunded,  Status::Completed),
    story("disputed, released",             units,   disputed_released,       Status::Completed),
    story("kept by the buyer's bank",       units,   kept_by_the_bank,        Status::Refunded),
    story("called off before payment",      units,   called_off_unpaid,       Status::Failed),
    story("called off after payment",       units,   called_off_paid,         Status::Refunded),
    story("award declined",                 units,   award_declined,          Status::Refunded),
    story("award declined while paying",    units,   award_declined_paying,   Status::Failed),
    story("award declined before the sale", units,   award_declined_before,   Status::Failed),
    story("award declined after shipping",  units,   award_declined_shipped,  Status::Refunded),
    story("stuck, then retried",            units,   stuck_then_retried,      Status::Completed),
    story("relisted",                       closed,  unpaid_and_relisted,     Status::Failed),
    story("second chance taken",            contest, second_chance_taken,     Status::Completed),
    story("second chances lapse",           contest, second_chances_lapse,    Status::Failed),
    story("second chance withdrawn",        contest, second_chance_withdrawn, Status::Failed),
    story("paid second chance withdrawn",   contest, paid_chance_withdrawn,   Status::Refunded),
];

fn units() -> Scene {
    Scene::new(12_050, "USD")
}

fn closed() -> Scene {
    Scene::without_contenders()
}

fn contest() -> Scene {
    Scene::with_contenders(&[("carol", 11_000), ("dave", 9_000)])
}

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

fn escrowed(scene: &mut Scene) {
    scene.hammer_falls();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
}

fn hold_ran_out(scene: &mut Scene) {
    scene.hammer_falls();
    scene.gateway.goes_away_for(Some(Operation::Capture));
    scene.buyer_pays("pm_card_visa");
    scene.worker_works_until(|scene| scene.status() == Status::Authorized);
    scene.gateway.goes_away_for(None);
    scene.days_go_by(7);
    scene.seller_ships();
    scene.buyer_receives();
    scene.worker_works();
}

fn disputed(scene: &mut Scene) {
    escrowed(scene);
    scene.seller_ships();
    scene.buyer_disputes();
    let evidence = Statement::try_from("It was whole.".to_owned()).unwrap();
    scene.act("seller", &Act::Evidence("seller".parse().unwrap(), evidence));
    scene.days_go_by(30);
}

fn disputed_refunded(scene: &mut Scene) {
    disputed(scene);
    scene.operator_decides(Verdict::Refund);
    scene.worker_works();
}

fn disputed_part_refunded(scene: &mut Scene) {
    disputed(scene);
    scene.operator_decides(Verdict::PartRefund { amount: 2_000 });
    scene.worker_works();
}

fn kept_by_the_bank(scene: &mut Scene) {
    escrowed(scene);
    while scene.bank_takes_it_back("evt_1", "dp_1").is_err() {}
    scene.operator_decides(Verdict::Close);
    scene.worker_works();
}

fn disputed_released(scene: &mut Scene) {
    disputed(scene);
    scene.operator_decides(Verdict::Release);
    scene.worker_works();
}

fn called_off_unpaid(scene: &mut Scene) {
    scene.hammer_falls();
    scene.cancels("buyer");
    scene.cancels("seller");
}

fn called_off_paid(scene: &mut Scene) {
    escrowed(scene);
    scene.cancels("seller");
    scene.cancels("buyer");
    scene.worker_works();
}

fn award_declined(scene: &mut Scene) {
    escrowed(scene);
    scene.award_is_declined();
    scene.worker_works();
}

fn award_declined_paying(scene: &mut Scene) {
    scene.hammer_falls();
    scene.gateway.goes_away_for(Some(Operation::Authorize));
    scene.buyer_pays("pm_card_visa");
    scene.worker_works_until(|scene| scene.store.all_calls().iter().any(|call| call.tries() > 0));
    scene.gateway.goes_away_for(None);
    scene.award_is_declined();
    scene.worker_works();
}

fn award_declined_before(scene: &mut Scene) {
    scene.award_was_declined_before();
    scene.hammer_falls();
}

fn award_declined_shipped(scene: &mut Scene) {
    escrowed(scene);
    scene.seller_ships();
    scene.award_is_declined();
    scene.operator_decides(Verdict::Refund);
    scene.worker_works();
}

fn stuck_then_retried(scene: &mut Scene) {
    escrowed(scene);
    scene.seller_ships();
    scene.gateway.refuses(Some(Operation::PayOut));
    scene.buyer_receives();
    scene.worker_works();
    assert_eq!(scene.status(), Status::NeedsOperator);
    scene.gateway.refuses(None);
    scene.operator_decides(Verdict::Retry);
    scene.worker_works();
}

fn unpaid_and_relisted(scene: &mut Scene) {
    scene.hammer_falls();
    scene.days_change_the_world(4);
}

fn second_chance_taken(scene: &mut Scene) {
    scene.hammer_falls();
    scene.days_change_the_world(4);
    scene.act("carol", &Act::Decline);
    scene.world_settles();
    scene.act("dave", &Act::Pay("pm_card_visa".parse().unwrap()));
    scene.worker_works();
    scene.seller_ships();
    scene.act("dave", &Act::Receive);
    scene.worker_works();
}

fn second_chances_lapse(scene: &mut Scene) {
    scene.hammer_falls();
    for days in [4, 3, 3] {
        scene.days_change_the_world(days);
    }
}

fn second_chance_withdrawn(scene: &mut Scene) {
    scene.hammer_falls();
    scene.days_change_the_world(4);
    scene.act("carol", &Act::Pay("pm_card_visa".parse().unwrap()));
    scene.seller_relists();
    scene.world_settles();
}

fn paid_chance_withdrawn(scene: &mut Scene) {
    scene.hammer_falls();
    scene.days_change_the_world(4);
    scene.act("carol", &Act::Pay("pm_card_visa".parse().unwrap()));
    scene.worker_works();
    scene.seller_relists();
    scene.world_settles();
}

/// The events of an undisturbed run, to which every disturbed one is held.
fn undisturbed(story: &Story) -> (usize, Vec<String>) {
    let mut scene = (story.scene)();
    (story.play)(&mut scene);
    assert_eq!(scene.status(), story.ends, "{}", story.name);
    scene.books_agree_at_the_end();
    (scene.faults.log().len(), scene.told())
}

#[test]
fn a_sale_survives_any_one_port_call_failing_before_or_after_its_effect() {
    for story in &STORIES {
        let (calls, told) = undisturbed(story);
        assert!(calls > 10, "{}: only {calls} port calls", story.name);
        for call in 0..calls {
            for when in [When::Before, When::After] {
                let mut scene = (story.scene)();
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
                let mut scene = (story.scene)();
                scene.faults.at_call(call, first);
                scene.faults.at_call(call + 1, second);
                (story.play)(&mut scene);
                assert_eq!((scene.status(), scene.told()), (story.ends, told.clone()), "{}: {call}", story.name);
                scene.books_agree_at_the_end();
            }
        }
    }
}

#[test]
fn a_sale_survives_any_two_port_calls_failing() {
    for (seed, story) in (0..).zip(&STORIES) {
        let (calls, told) = undisturbed(story);
        let mut dice = Dice::new(seed);
        for pair in 0..40 {
            let mut scene = (story.scene)();
            let mut fails = || {
                let place = usize::try_from(dice.roll(calls as u64)).unwrap();
                (place, dice.pick(&[When::Before, When::After]))
            };
            let faults = [fails(), fails()];
            for (place, when) in faults {
                scene.faults.at_call(place, when);
            }
            (story.play)(&mut scene);
            let name = story.name;
            assert_eq!((scene.status(), scene.told()), (story.ends, told.clone()), "{name}: pair {pair}, {faults:?}");
            scene.books_agree_at_the_end();
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
