//! Every step twice: whatever comes again takes effect once.

use futures::executor::block_on;
use settlement_application::{Outcome, UseError};
use settlement_domain::saga::Act;
use settlement_domain::{Parcel, Status};
use settlement_harness::{Scene, When};
use settlement_ports::{Handled, RequestKey};

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
        let mut contacts = 0;
        while contacts <= nth {
            let calls = scene.faults.log().iter().filter(|name| **name == "gateway.execute").count();
            if calls == nth {
                let begins = scene.faults.log().iter().filter(|name| **name == "store.begin").count();
                scene.faults.at("store.begin", begins + 3, When::Before);
            }
            let _died = block_on(scene.worker.run_once(10));
            contacts = scene.faults.log().iter().filter(|name| **name == "gateway.execute").count();
            if scene.status() == Status::Escrowed {
                scene.seller_ships();
                scene.buyer_receives();
            }
        }
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
