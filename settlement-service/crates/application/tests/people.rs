//! Who may do what, who sees what, and how people stand who did not keep their word.

use chrono::TimeDelta;
use futures::executor::block_on;
use settlement_application::{Outcome, Reinstated, UseError};
use settlement_domain::money::Unit;
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Decision, Lot, Sale, Verdict};
use settlement_domain::{FailureReason, Money, Parcel, Role, Statement, Status, UserId};
use settlement_harness::Scene;
use settlement_ports::{Fact, FactHandler, Handled, Receipt, SettlementStore, Viewer};
use uuid::Uuid;

fn viewer(who: &str) -> Viewer {
    Viewer { user: who.parse().unwrap(), admin: who == "root" }
}

fn say(text: &str) -> Statement {
    Statement::try_from(text.to_owned()).unwrap()
}

fn decide(by: &str, verdict: Verdict) -> Act {
    Act::Resolve(Decision { by: by.parse().unwrap(), verdict, note: Some(say("so it is")), chargebacks_seen: None })
}

/// A disputed sale.
fn disputed() -> Scene {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.buyer_disputes();
    assert_eq!(scene.status(), Status::Disputed);
    scene
}

/// An act of somebody's.
type Made = fn(&str) -> Act;

#[test]
fn each_act_is_its_partys_and_nobody_elses() {
    let user = |who: &str| -> UserId { who.parse().unwrap() };
    let acts: [(Made, &[&str]); 8] = [
        (|_| Act::Pay("pm_card_visa".parse().unwrap()), &["buyer"]),
        (|_| Act::Ship(Parcel::new("UPS", "1Z999").unwrap()), &["seller"]),
        (|_| Act::Receive, &["buyer"]),
        (|_| Act::Decline, &["buyer"]),
        (|who| Act::Dispute(who.parse().unwrap(), say("broken")), &["buyer", "root"]),
        (|who| Act::Evidence(who.parse().unwrap(), say("see")), &["buyer", "seller"]),
        (|who| Act::Cancel(who.parse().unwrap()), &["buyer", "seller"]),
        (|who| decide(who, Verdict::Refund), &["root"]),
    ];
    for (act, allowed) in acts {
        for who in ["buyer", "seller", "root", "stranger"] {
            let mut scene = Scene::sold();
            let key = scene.next_key(who);
            let act = act(who);
            let answered = block_on(scene.settlements.act(&viewer(who), &key, scene.id(), act.clone()));
            match answered {
                Ok(_) => assert!(allowed.contains(&who), "{who} may not {}", act.name()),
                Err(UseError::Forbidden(_)) => assert!(!allowed.contains(&who) && who != "stranger", "{who}"),
                Err(UseError::NotFound) => assert_eq!(user(who), user("stranger")),
                Err(error) => panic!("{who}, {}: {error}", act.name()),
            }
        }
    }
}

#[test]
fn an_operator_does_not_decide_in_a_matter_of_the_own() {
    let mut scene = disputed();
    for party in ["buyer", "seller"] {
        let (key, actor) = (scene.next_key(party), Viewer { user: party.parse().unwrap(), admin: true });
        let decided = block_on(scene.settlements.act(&actor, &key, scene.id(), decide(party, Verdict::Release)));
        assert!(matches!(decided, Err(UseError::Forbidden(_))), "{party}: {decided:?}");
    }
}

#[test]
fn an_operator_disputes_what_is_shipped_and_nothing_else_and_no_sale_of_the_own() {
    let mut scene = Scene::sold();
    let dispute = |who: &str| Act::Dispute(who.parse().unwrap(), say("The bank took the payment back."));
    let refused = |status| Outcome::Refused { status, event: "dispute".to_owned() };
    assert_eq!(scene.act("root", &dispute("root")), refused(Status::AwaitingPayment));
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    assert_eq!(scene.act("root", &dispute("root")), refused(Status::Escrowed));
    scene.seller_ships();
    let (key, seller) = (scene.next_key("seller"), Viewer { user: "seller".parse().unwrap(), admin: true });
    let own = block_on(scene.settlements.act(&seller, &key, scene.id(), dispute("seller")));
    assert_eq!(own, Err(UseError::Forbidden("the buyer or an admin who is not the seller")));
    assert!(matches!(scene.act("root", &dispute("root")), Outcome::Done { .. }));
    for who in ["root", "buyer"] {
        assert_eq!(scene.act(who, &dispute(who)), refused(Status::Disputed));
    }
    scene.operator_decides(Verdict::Release);
    assert_eq!(scene.act("root", &dispute("root")), refused(Status::Received), "the payout is under way");
}

#[test]
fn a_dispute_is_seen_by_both_parties_and_the_operators_side_of_it_by_the_operator_only() {
    let mut scene = disputed();
    let get = |scene: &Scene, who: &str| block_on(scene.settlements.get(&viewer(who), scene.id())).unwrap();
    for who in ["buyer", "seller"] {
        let view = get(&scene, who);
        assert_eq!(view.dispute.unwrap().reason.as_str(), "It is broken.");
        assert!(view.operator_actions.is_empty() && view.resolutions.is_empty());
    }
    assert_eq!(get(&scene, "root").operator_actions, ["refund", "part_refund", "release"]);
    scene.operator_decides(Verdict::PartRefund { amount: 2_000 });
    scene.worker_works();
    assert_eq!(get(&scene, "buyer").refunded.map(Money::amount), Some(2_000));
    assert_eq!(get(&scene, "seller").payout.map(Money::amount), Some(8_845));
    let trail = get(&scene, "root").resolutions;
    assert_eq!((trail.len(), trail[0].by.as_str(), trail[0].verdict.amount()), (1, "root", Some(2_000)));
    assert!(get(&scene, "buyer").resolutions.is_empty());
}

#[test]
fn what_the_operator_may_not_decide_is_answered_with_what_may_be() {
    let mut scene = disputed();
    let outcome = scene.operator_decides(Verdict::Close);
    let allowed = ["refund", "part_refund", "release"].map(str::to_owned).to_vec();
    assert_eq!(outcome, Outcome::NotAllowed { decision: "close".to_owned(), allowed });
    let outcome = scene.operator_decides(Verdict::PartRefund { amount: 99_999 });
    assert_eq!(outcome, Outcome::NoPart { most: 10_845, unit: Unit::MIN });
}

#[test]
fn a_wish_to_cancel_is_seen_by_both() {
    let mut scene = Scene::sold();
    scene.cancels("seller");
    for who in ["buyer", "seller"] {
        assert_eq!(scene.seen_by(who).cancel_wish, Some(Role::Seller));
    }
}

/// Another lot is sold to the same buyer.
fn sold_another(scene: &Scene) {
    let auction_id = Uuid::now_v7();
    let sale = Sale {
        auction_id: auction_id.into(),
        seller_id: "seller".parse().unwrap(),
        buyer_id: "buyer".parse().unwrap(),
        price: Money::new(5_000, "USD".parse().unwrap()).unwrap(),
        lot: Lot::Units,
        closed_at: scene.clock.now(),
    };
    let source = "/outcry/bidding-service".to_owned();
    let receipt = Receipt { event_id: Uuid::now_v7(), source, key: auction_id.to_string(), sequence: 1 };
    let handled = block_on(scene.facts.handle(receipt, Fact::AuctionSold(vec![sale])));
    assert_eq!(handled, Ok(Handled::Applied));
}

/// A buyer who did not pay two lots at once.
fn suspended() -> Scene {
    let scene = Scene::sold();
    sold_another(&scene);
    scene.days_go_by(4);
    scene
}

fn told_of_bidders(scene: &Scene) -> Vec<String> {
    scene.told().into_iter().filter(|told| told.contains("bidder")).collect()
}

#[test]
fn two_unpaid_lots_suspend_their_buyer_in_the_transaction_that_decides_it() {
    let scene = suspended();
    let standing = block_on(scene.settlements.standing(&viewer("buyer"), &"buyer".parse().unwrap())).unwrap();
    assert_eq!((standing.strikes().len(), standing.suspended_since()), (2, Some(scene.clock.now())));
    assert_eq!(told_of_bidders(&scene), ["outcry.settlement.bidder.suspended.v1"]);
    scene.books_are_sound();
}

#[test]
fn time_alone_reinstates() {
    let scene = suspended();
    scene.days_go_by(360);
    assert_eq!(told_of_bidders(&scene).len(), 1);
    scene.days_go_by(6);
    assert_eq!(told_of_bidders(&scene)[1], "outcry.settlement.bidder.reinstated.v1");
    scene.books_are_sound();
}

#[test]
fn the_operator_reinstates_once_and_the_audit_trail_knows() {
    let mut scene = suspended();
    let buyer: UserId = "buyer".parse().unwrap();
    let key = scene.next_key("root");
    let reinstate = || block_on(scene.settlements.reinstate(&viewer("root"), &key, &buyer, Some(say("A mistake."))));
    let (first, again) = (reinstate().unwrap(), reinstate().unwrap());
    assert_eq!((first.outcome.clone(), first.replayed, again.replayed), (again.outcome, false, true));
    assert!(matches!(first.outcome, Reinstated::Done { standing } if standing.suspended_since().is_none()));
    let [noted] = &scene.store.reinstatements()[..] else { panic!("noted once") };
    assert_eq!((noted.by.as_str(), noted.note.as_ref().unwrap().as_str()), ("root", "A mistake."));
    let key = scene.next_key("root");
    let twice = block_on(scene.settlements.reinstate(&viewer("root"), &key, &buyer, None)).unwrap();
    assert_eq!(twice.outcome, Reinstated::NotSuspended);
    sold_another(&scene);
    scene.days_go_by(4);
    assert_eq!(told_of_bidders(&scene).len(), 3, "the next strike suspends again");
}

#[test]
fn only_an_operator_reinstates_and_nobody_reads_anothers_standing() {
    let mut scene = suspended();
    let buyer: UserId = "buyer".parse().unwrap();
    for (who, admin) in [("buyer", false), ("seller", false), ("buyer", true)] {
        let (key, actor) = (scene.next_key(who), Viewer { user: who.parse().unwrap(), admin });
        let refused = block_on(scene.settlements.reinstate(&actor, &key, &buyer, None));
        assert!(matches!(refused, Err(UseError::Forbidden(_))), "{who}: {refused:?}");
    }
    assert_eq!(block_on(scene.settlements.standing(&viewer("seller"), &buyer)), Err(UseError::NoBidder));
    assert!(block_on(scene.settlements.standing(&viewer("root"), &buyer)).is_ok());
}

#[test]
fn a_relisting_that_is_heard_of_before_the_sale_leaves_nothing_to_follow() {
    let mut scene = Scene::with_contenders(&[("carol", 11_000)]);
    scene.seller_relists();
    scene.hammer_falls();
    scene.time_passes(TimeDelta::days(4));
    scene.world_settles();
    assert_eq!(scene.store.all_settlements().len(), 1);
    assert_eq!(scene.told(), ["started", "failed"].map(|name| format!("outcry.settlement.{name}.v1")));
    assert!(block_on(scene.store.standing(&"buyer".parse().unwrap())).unwrap().is_some(), "unpaid is unpaid");
}

/// A contender was offered the lot and has paid.
fn paid_by_carol() -> Scene {
    let mut scene = Scene::with_contenders(&[("carol", 11_000), ("dave", 9_000)]);
    scene.hammer_falls();
    scene.days_change_the_world(4);
    scene.act("carol", &Act::Pay("pm_card_visa".parse().unwrap()));
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);
    scene
}

#[test]
fn a_relisting_gives_a_contender_who_has_paid_the_money_back_and_nobody_else_is_asked() {
    let mut scene = paid_by_carol();
    for _ in 0..2 {
        scene.seller_relists();
    }
    assert_eq!(scene.seller_ships(), Outcome::Refused { status: Status::Refunding, event: "ship".to_owned() });
    scene.world_settles();
    let view = scene.seen_by("carol");
    assert_eq!((view.status, view.failure_reason), (Status::Refunded, Some(FailureReason::OfferWithdrawn)));
    assert_eq!(view.refunded.map(Money::amount), Some(11_000));
    assert!(block_on(scene.store.standing(&"carol".parse().unwrap())).unwrap().is_none(), "no strike");
    assert_eq!(scene.store.all_settlements().len(), 2, "dave is not offered it");
    assert!(!scene.told().iter().any(|told| told.contains("relist")), "it is listed again already");
    scene.books_agree_at_the_end();
}

#[test]
fn a_lot_that_was_shipped_and_is_listed_again_waits_for_the_operator() {
    let mut scene = paid_by_carol();
    scene.seller_ships();
    scene.seller_relists();
    scene.days_go_by(30);
    assert_eq!(scene.status(), Status::NeedsOperator);
    assert_eq!(scene.seen_by("root").operator_actions, ["refund", "release"]);
    scene.operator_decides(Verdict::Release);
    scene.worker_works();
    assert_eq!(scene.status(), Status::Completed);
    scene.books_agree_at_the_end();
}
