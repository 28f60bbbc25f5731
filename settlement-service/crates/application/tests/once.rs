//! Every step twice: whatever comes again takes effect once.

use futures::executor::block_on;
use settlement_application::{Outcome, UseError};
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Decision, Verdict};
use settlement_domain::{Parcel, Statement, Status};
use settlement_harness::{Scene, When};
use settlement_ports::{Fact, Handled, RequestKey, SettlementStore};

#[test]
fn a_sale_told_twice_starts_one_settlement() {
    let scene = Scene::new(12_050, "USD");
    assert_eq!(block_on(scene.hear_of_sale()), Ok(Handled::Applied));
    assert_eq!(block_on(scene.hear_of_sale()), Ok(Handled::Duplicate));
    assert_eq!(block_on(scene.hear_of_sale_in_another_event()), Ok(Handled::Duplicate));
    assert_eq!((scene.store.all_settlements().len(), scene.told().len()), (1, 1));
}

/// Plays the whole sale, every request sent twice and the worker run twice after each.
#[test]
fn a_sale_with_every_request_sent_twice_ends_like_any_other() {
    let mut scene = Scene::sold();
    let acts = [
        ("buyer", Act::Pay("pm_card_visa".parse().unwrap())),
        ("seller", Act::Ship(Parcel::new("UPS", "1Z999").unwrap())),
        ("buyer", Act::Receive),
    ];
    for (who, act) in acts {
        let key = scene.next_key(who);
        let first = block_on(scene.request(&key, &act)).unwrap();
        let again = block_on(scene.request(&key, &act)).unwrap();
        assert!(!first.replayed && again.replayed);
        assert_eq!(first.outcome, again.outcome);
        scene.worker_works();
        scene.worker_works();
        let much_later = block_on(scene.request(&key, &act)).unwrap();
        assert_eq!((much_later.outcome, much_later.replayed), (first.outcome, true));
    }
    assert_eq!(scene.status(), Status::Completed);
    assert_eq!(scene.gateway.totals().captured, 12_050);
    scene.books_agree_at_the_end();
}

/// Sends every request twice at once, and again after the worker has done what follows.
fn everything_twice(mut scene: Scene, acts: &[(&str, Act)]) -> Scene {
    for (who, act) in acts {
        let key = scene.next_key(who);
        let id = scene.id();
        let request = |scene: &Scene| block_on(scene.request_about(id, &key, act)).unwrap();
        let first = request(&scene);
        assert!(matches!(first.outcome, Outcome::Done { .. }), "{act:?}: {first:?}");
        assert_eq!((request(&scene).outcome, first.replayed), (first.outcome.clone(), false));
        scene.world_settles();
        scene.world_settles();
        let again = request(&scene);
        assert_eq!((again.outcome, again.replayed), (first.outcome, true));
        scene.books_are_sound();
    }
    scene
}

fn pay() -> Act {
    Act::Pay("pm_card_visa".parse().unwrap())
}

fn ship() -> Act {
    Act::Ship(Parcel::new("UPS", "1Z999").unwrap())
}

fn say(text: &str) -> Statement {
    Statement::try_from(text.to_owned()).unwrap()
}

fn decide(verdict: Verdict) -> Act {
    Act::Resolve(Decision { by: "root".parse().unwrap(), verdict, note: Some(say("so it is")), chargebacks_seen: None })
}

#[test]
fn disputes_and_decisions_sent_twice_take_effect_once() {
    let part = Verdict::PartRefund { amount: 2_000 };
    for (verdict, ends) in
        [(Verdict::Refund, Status::Refunded), (part, Status::Completed), (Verdict::Release, Status::Completed)]
    {
        let acts = [
            ("buyer", pay()),
            ("seller", ship()),
            ("buyer", Act::Dispute("buyer".parse().unwrap(), say("It is broken."))),
            ("seller", Act::Evidence("seller".parse().unwrap(), say("It was whole."))),
            ("root", decide(verdict)),
        ];
        let scene = everything_twice(Scene::sold(), &acts);
        assert_eq!(scene.status(), ends);
        assert_eq!(scene.settlement().dispute().unwrap().evidence.len(), 1);
        let trail = block_on(scene.store.resolutions(scene.id())).unwrap();
        assert_eq!(trail.len(), 1, "the audit trail has the decision once");
        scene.books_agree_at_the_end();
    }
}

#[test]
fn a_cancellation_wished_twice_by_one_party_is_not_agreed() {
    let wish = |who: &str| Act::Cancel(who.parse().unwrap());
    let scene = everything_twice(Scene::sold(), &[("buyer", pay()), ("seller", wish("seller"))]);
    assert_eq!(scene.status(), Status::Escrowed);
    let scene = everything_twice(scene, &[("buyer", wish("buyer"))]);
    assert_eq!(scene.status(), Status::Refunded);
    scene.books_agree_at_the_end();
}

#[test]
fn a_second_chance_declined_twice_passes_to_the_next_contender_once() {
    let mut scene = Scene::with_contenders(&[("carol", 11_000), ("dave", 9_000)]);
    scene.hammer_falls();
    scene.days_change_the_world(4);
    let scene = everything_twice(scene, &[("carol", Act::Decline)]);
    assert_eq!(scene.settlement().buyer_id().as_str(), "dave");
    let scene = everything_twice(scene, &[("dave", pay())]);
    assert_eq!((scene.status(), scene.store.all_settlements().len()), (Status::Escrowed, 3));
}

#[test]
fn facts_told_twice_in_one_event_or_in_two_take_effect_once() {
    let mut scene = Scene::with_contenders(&[("carol", 11_000)]);
    scene.hammer_falls();
    scene.days_go_by(4);
    let asker = scene.settlement();
    let nominated = Fact::ContenderNominated {
        auction_id: asker.auction_id(),
        settlement_id: asker.id(),
        contender: "carol".parse().unwrap(),
        price: asker.price(),
    };
    for _ in 0..3 {
        scene.bidding_says(nominated.clone());
    }
    assert_eq!(scene.store.all_settlements().len(), 2);
    let exhausted = Fact::ContendersExhausted { auction_id: asker.auction_id(), settlement_id: asker.id() };
    scene.bidding_says(exhausted);
    assert!(!scene.told().iter().any(|told| told.contains("relist")), "what was answered is not answered again");
    for _ in 0..2 {
        scene.seller_relists();
        scene.worker_works();
    }
    assert_eq!(scene.told().iter().filter(|told| told.contains("lapsed")).count(), 1);
    scene.books_agree_at_the_end();
}

#[test]
fn a_refusal_is_kept_like_a_success() {
    let mut scene = Scene::sold();
    let key = scene.next_key("buyer");
    let refused = Outcome::Refused { status: Status::AwaitingPayment, event: "receive".to_owned() };
    assert_eq!(block_on(scene.request(&key, &Act::Receive)).unwrap().outcome, refused);
    scene.buyer_pays("pm_card_visa");
    let again = block_on(scene.request(&key, &Act::Receive)).unwrap();
    assert_eq!((again.outcome, again.replayed), (refused, true));
}

#[test]
fn a_key_used_for_another_request_is_refused_and_a_new_key_is_a_new_request() {
    let mut scene = Scene::sold();
    let key = scene.next_key("buyer");
    let pay = Act::Pay("pm_card_visa".parse().unwrap());
    block_on(scene.request(&key, &pay)).unwrap();
    let other_body = RequestKey { fingerprint: [0; 32], ..key };
    assert_eq!(block_on(scene.request(&other_body, &pay)), Err(UseError::KeyReused));
    let second = scene.act("buyer", &pay);
    assert_eq!(second, Outcome::Refused { status: Status::Authorizing, event: "pay".to_owned() });
}

#[test]
fn strangers_see_nothing_and_each_party_does_only_its_own() {
    let mut scene = Scene::sold();
    let pay = Act::Pay("pm_card_visa".parse().unwrap());
    let key = scene.next_key("stranger");
    assert_eq!(block_on(scene.request(&key, &pay)), Err(UseError::NotFound));
    let key = scene.next_key("seller");
    assert_eq!(block_on(scene.request(&key, &pay)), Err(UseError::Forbidden("the buyer")));
    let key = scene.next_key("buyer");
    let ship = Act::Ship(Parcel::new("UPS", "1Z999").unwrap());
    assert_eq!(block_on(scene.request(&key, &ship)), Err(UseError::Forbidden("the seller")));
    assert_eq!(scene.status(), Status::AwaitingPayment);
}

#[test]
fn a_worker_that_died_after_the_gateway_acted_does_not_act_twice() {
    for nth in 0..3 {
        let mut scene = Scene::sold();
        scene.buyer_pays("pm_card_visa");
        // The gateway acts, and the worker dies before it can store what came of it.
        scene.faults.at("tx.call", nth, When::Before);
        let died = (0..10).any(|_| {
            let died = block_on(scene.worker.run_once(10)).is_err();
            if scene.status() == Status::Escrowed {
                scene.seller_ships();
                scene.buyer_receives();
            }
            died
        });
        assert!(died, "contact {nth} was never made");
        scene.worker_works();
        if scene.status() == Status::Escrowed {
            scene.seller_ships();
            scene.buyer_receives();
            scene.worker_works();
        }
        assert_eq!(scene.status(), Status::Completed);
        assert!(scene.faults.log().contains(&"gateway.lookup"), "it asks before it sends again");
        scene.books_agree_at_the_end();
    }
}

#[test]
fn two_workers_at_once_make_each_call_once() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    for _ in 0..3 {
        let other = scene.worker.clone();
        let (left, right) = block_on(futures::future::join(scene.worker.run_once(10), other.run_once(10)));
        assert_eq!((left.is_ok(), right.is_ok()), (true, true));
    }
    assert_eq!(scene.status(), Status::Escrowed);
    assert_eq!(scene.faults.log().iter().filter(|name| **name == "gateway.execute").count(), 2);
}
