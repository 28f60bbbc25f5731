//! What the gateway tells by itself: it moves a settlement at most once, whenever and however often it comes.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;
use settlement_application::{Answered, Effect, NoticeError, Notices, Outcome};
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Claim, Decision, Verdict};
use settlement_domain::{Answer, CallKey, Decline, GatewayRef, Movement, Operation, Status};
use settlement_harness::{Believed, Scene, When};
use settlement_ports::{Incident, MockGatewayStatement, News, Notice, SettlementStore, StatementError, Unsigned};

fn now(scene: &Scene) -> DateTime<Utc> {
    scene.clock.now()
}

fn notice(scene: &Scene, event_id: &str, news: News) -> Notice {
    Notice { event_id: event_id.to_owned(), kind: "told".to_owned(), signed_at: now(scene), news }
}

fn signed_by(signature: &str, scene: &Scene, notice: Notice) -> Result<Effect, NoticeError> {
    let notices = Notices::new(Arc::new(scene.store.clone()), Arc::new(Believed(notice)), scene.gateway.clone());
    block_on(notices.take_in(signature, b"{}")).map(|noticed| noticed.effect)
}

fn comes(scene: &Scene, notice: Notice) -> Effect {
    signed_by("signed", scene, notice).unwrap()
}

fn key(scene: &Scene, operation: Operation) -> CallKey {
    CallKey::new(scene.id(), operation, 1)
}

fn success(key: &CallKey) -> News {
    let reference = GatewayRef::from(format!("mem_{key}"));
    News::Answer { key: key.clone(), answer: Answer::Succeeded { reference } }
}

fn decline(key: &CallKey) -> News {
    let decline = Decline { code: "card_declined".to_owned(), message: "no".to_owned() };
    News::Answer { key: key.clone(), answer: Answer::Declined(decline) }
}

/// The buyer has paid, the gateway has done it, and its answer was lost.
fn authorized_and_unheard() -> Scene {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.faults.at("gateway.execute", 0, When::After);
    block_on(scene.worker.run_once(10)).unwrap();
    assert_eq!(scene.status(), Status::Authorizing);
    scene
}

#[test]
fn a_notice_tells_what_the_worker_did_not_hear() {
    let scene = authorized_and_unheard();
    let authorize = key(&scene, Operation::Authorize);
    assert_eq!(comes(&scene, notice(&scene, "evt_1", success(&authorize))), Effect::Moved(authorize));
    assert_eq!(scene.status(), Status::Authorized);
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);
    scene.books_are_sound();
}

#[test]
fn the_same_notice_again_changes_nothing() {
    let scene = authorized_and_unheard();
    let told = notice(&scene, "evt_1", success(&key(&scene, Operation::Authorize)));
    comes(&scene, told.clone());
    let (settlement, events) = (scene.settlement(), scene.told());
    for _ in 0..3 {
        assert_eq!(comes(&scene, told.clone()), Effect::Duplicate);
    }
    assert_eq!((scene.settlement(), scene.told()), (settlement, events));
}

#[test]
fn the_same_news_in_another_notice_is_an_echo() {
    let scene = authorized_and_unheard();
    let authorize = key(&scene, Operation::Authorize);
    comes(&scene, notice(&scene, "evt_1", success(&authorize)));
    let settlement = scene.settlement();
    assert_eq!(comes(&scene, notice(&scene, "evt_2", success(&authorize))), Effect::Echo);
    assert_eq!(scene.settlement(), settlement);
}

#[test]
fn a_notice_that_comes_before_the_workers_answer_leaves_that_an_echo() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    // The worker has the answer and cannot store it: the notice is there first.
    let saved = scene.faults.log().iter().filter(|called| **called == "tx.save").count();
    scene.faults.at("tx.save", saved, When::Before);
    assert!(block_on(scene.worker.run_once(10)).is_err());
    assert_eq!(scene.gateway.totals().held, 12_050);
    let authorize = key(&scene, Operation::Authorize);
    assert_eq!(comes(&scene, notice(&scene, "evt_1", success(&authorize))), Effect::Moved(authorize));
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);
    scene.books_are_sound();
}

#[test]
fn notices_out_of_order_and_late_change_nothing() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    let (authorize, capture) = (key(&scene, Operation::Authorize), key(&scene, Operation::Capture));
    assert_eq!(comes(&scene, notice(&scene, "evt_2", success(&capture))), Effect::Echo);
    assert_eq!(comes(&scene, notice(&scene, "evt_1", success(&authorize))), Effect::Echo);
    scene.seller_ships();
    scene.buyer_receives();
    scene.worker_works();
    let ended = scene.settlement();
    assert_eq!(comes(&scene, notice(&scene, "evt_3", success(&authorize))), Effect::Echo);
    assert_eq!((scene.settlement(), scene.status()), (ended, Status::Completed));
    scene.books_agree_at_the_end();
}

#[test]
fn a_declined_payment_that_is_told_lets_the_buyer_try_again() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_chargeDeclined");
    scene.faults.at("gateway.execute", 0, When::After);
    block_on(scene.worker.run_once(10)).unwrap();
    let authorize = key(&scene, Operation::Authorize);
    assert_eq!(comes(&scene, notice(&scene, "evt_1", decline(&authorize))), Effect::Moved(authorize.clone()));
    assert_eq!(scene.status(), Status::AwaitingPayment);
    assert_eq!(comes(&scene, notice(&scene, "evt_2", decline(&authorize))), Effect::Echo);
}

#[test]
fn another_story_than_the_one_that_counts_is_told_to_the_operator_each_time() {
    let scene = authorized_and_unheard();
    scene.worker_works();
    let authorize = key(&scene, Operation::Authorize);
    let settlement = scene.settlement();
    for event in ["evt_1", "evt_1", "evt_2"] {
        let effect = comes(&scene, notice(&scene, event, decline(&authorize)));
        assert!(matches!(effect, Effect::Incident { what: Incident::Contradiction, .. }), "{effect:?}");
    }
    assert_eq!(scene.settlement(), settlement);
}

#[test]
fn money_that_arrives_for_a_declined_call_is_no_echo() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_chargeDeclined");
    scene.worker_works();
    let effect = comes(&scene, notice(&scene, "evt_1", success(&key(&scene, Operation::Authorize))));
    assert!(matches!(effect, Effect::Incident { what: Incident::Contradiction, .. }), "{effect:?}");
}

/// The money is in escrow.
fn escrowed() -> Scene {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    assert_eq!(scene.status(), Status::Escrowed);
    scene
}

fn charged_back(scene: &Scene, status: Status) -> Effect {
    Effect::ChargedBack { settlement: scene.id(), status, charge: scene.charge() }
}

fn asks(scene: &Scene, verdict: Verdict) -> Vec<String> {
    let actions = scene.seen_by("root").operator_actions;
    assert!(actions.iter().any(|action| action == verdict.name()), "{actions:?}");
    actions
}

#[test]
fn a_chargeback_of_what_is_shipped_is_a_dispute_and_nobody_is_paid_until_the_operator_decides() {
    let mut scene = escrowed();
    scene.seller_ships();
    assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(charged_back(&scene, Status::Disputed)));
    scene.days_go_by(30);
    assert_eq!((scene.status(), scene.gateway.totals().paid_out), (Status::Disputed, 0));
    assert_eq!(scene.told().last().map(String::as_str), Some("outcry.settlement.disputed.v1"));
    asks(&scene, Verdict::Release);
    scene.operator_decides(Verdict::Release);
    scene.worker_works();
    assert_eq!(scene.status(), Status::Completed);
    scene.books_agree_at_the_end();
}

#[test]
fn a_chargeback_of_what_is_in_escrow_waits_for_the_operator_who_lets_it_go_on_or_closes_it() {
    for (verdict, ends) in [(Verdict::Retry, Status::Completed), (Verdict::Close, Status::Refunded)] {
        let mut scene = escrowed();
        assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(charged_back(&scene, Status::NeedsOperator)));
        scene.days_go_by(30);
        assert_eq!((scene.status(), scene.store.all_standings().len()), (Status::NeedsOperator, 0));
        assert_eq!(asks(&scene, verdict), ["retry", "refund", "close"]);
        scene.operator_decides(verdict);
        scene.seller_ships();
        scene.buyer_receives();
        scene.worker_works();
        assert_eq!(scene.status(), ends);
        scene.books_agree_at_the_end();
    }
}

#[test]
fn what_the_bank_has_taken_the_gateway_does_not_give_back_and_what_it_keeps_is_closed() {
    let shipped = || {
        let mut scene = escrowed();
        scene.seller_ships();
        scene
    };
    for mut scene in [escrowed(), shipped()] {
        scene.bank_takes_it_back("evt_1", "dp_1").unwrap();
        asks(&scene, Verdict::Refund);
        scene.operator_decides(Verdict::Refund);
        scene.worker_works();
        assert_eq!((scene.status(), scene.gateway.totals().refunded), (Status::NeedsOperator, 0));
        let why = scene.seen_by("root").operator_reason.unwrap_or_default();
        assert!(why.contains("charge_disputed"), "{why}");
        assert_eq!(asks(&scene, Verdict::Close), ["retry", "close"]);
        scene.operator_decides(Verdict::Close);
        scene.worker_works();
        assert_eq!(
            (scene.status(), scene.seen_by("buyer").refunded),
            (Status::Refunded, Some(scene.settlement().price()))
        );
        assert_eq!(scene.told().last().map(String::as_str), Some("outcry.settlement.failed.v1"));
        scene.books_agree_at_the_end();
    }
}

#[test]
fn a_chargeback_of_what_was_received_stops_the_payout_or_comes_too_late_for_that() {
    let mut scene = escrowed();
    scene.seller_ships();
    scene.buyer_receives();
    assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(charged_back(&scene, Status::NeedsOperator)));
    scene.days_go_by(60);
    assert_eq!((scene.status(), scene.gateway.totals().paid_out), (Status::NeedsOperator, 0));
    assert_eq!(asks(&scene, Verdict::Retry), ["retry"]);
    scene.operator_decides(Verdict::Retry);
    scene.worker_works();
    let told = scene.told();
    assert_eq!(scene.bank_takes_it_back("evt_2", "dp_2"), Ok(charged_back(&scene, Status::Completed)));
    assert_eq!((scene.told(), scene.seen_by("root").chargebacks.len()), (told, 2));
    scene.books_agree_at_the_end();
}

#[test]
fn a_chargeback_counts_once_by_whatever_event_it_is_told_and_the_same_event_is_told_to_the_operator_again() {
    let scene = escrowed();
    let noted = charged_back(&scene, Status::NeedsOperator);
    assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(noted.clone()));
    let (settlement, events) = (scene.settlement(), scene.told());
    assert_eq!(scene.bank_takes_it_back("evt_2", "dp_1"), Ok(Effect::Echo));
    assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(noted.clone()));
    assert_eq!((scene.settlement(), scene.told()), (settlement, events));
    assert_eq!(scene.bank_takes_it_back("evt_3", "dp_2"), Ok(noted));
    assert_eq!(scene.settlement().chargebacks().len(), 2);
}

#[test]
fn a_chargeback_that_is_told_before_the_capture_is_known_stops_the_sale_as_soon_as_it_is() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    // The gateway captures, and its answer is lost.
    scene.faults.at("gateway.execute", 1, When::After);
    scene.worker_works_until(|scene| scene.gateway.totals().captured > 0);
    assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(charged_back(&scene, Status::Authorized)));
    scene.worker_works();
    assert_eq!(scene.status(), Status::NeedsOperator);
    assert_eq!(scene.told(), ["started", "escrowed"].map(|name| format!("outcry.settlement.{name}.v1")));
    scene.books_are_sound();
}

#[test]
fn a_chargeback_is_shown_to_the_operator_and_to_nobody_else() {
    let scene = escrowed();
    scene.bank_takes_it_back("evt_1", "dp_1").unwrap();
    let chargebacks = scene.seen_by("root").chargebacks;
    let [seen] = chargebacks.as_slice() else { panic!("one, got {chargebacks:?}") };
    assert_eq!((seen.id.as_str(), seen.amount, seen.told_at), ("dp_1", Some(scene.settlement().price()), now(&scene)));
    assert_eq!(seen.reason.as_deref(), Some("fraudulent"));
    for who in ["buyer", "seller"] {
        assert!(scene.seen_by(who).chargebacks.is_empty(), "{who}");
    }
}

#[test]
fn a_chargeback_that_comes_after_the_operator_looked_is_looked_at_before_anything_is_decided() {
    let mut scene = escrowed();
    scene.seller_ships();
    scene.buyer_disputes();
    let looks = |scene: &Scene| scene.seen_by("root").chargebacks.len();
    let release = |seen| {
        let (by, verdict) = ("root".parse().unwrap(), Verdict::Release);
        Act::Resolve(Decision { by, verdict, note: None, chargebacks_seen: Some(seen) })
    };
    let decided = |scene: &Scene| block_on(scene.store.resolutions(scene.id())).unwrap().len();
    let (decision, key) = (release(looks(&scene)), scene.next_key("root"));
    assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(charged_back(&scene, Status::Disputed)));
    let (settlement, told) = (scene.settlement(), scene.told());
    for replayed in [false, true] {
        let outcome = Outcome::ChargebackUnseen { seen: 0, noted: 1 };
        assert_eq!(block_on(scene.request(&key, &decision)), Ok(Answered { outcome, replayed }));
    }
    assert_eq!((scene.settlement(), scene.told(), decided(&scene)), (settlement, told, 0));
    let decision = release(looks(&scene));
    scene.act("root", &decision);
    scene.worker_works();
    assert_eq!((scene.status(), decided(&scene)), (Status::Completed, 1));
}

#[test]
fn a_chargeback_of_a_charge_that_is_not_found_moves_nothing_and_is_told_to_the_operator_each_time() {
    let scene = escrowed();
    let settlement = scene.settlement();
    let charge = GatewayRef::from("pi_of_somebody_else".to_owned());
    let expected = Effect::Incident { what: Incident::Chargeback, about: charge.clone(), key: None };
    let claim = Claim { id: GatewayRef::from("dp_1".to_owned()), amount: None, reason: None };
    for event in ["evt_1", "evt_1", "evt_2"] {
        let news = News::Chargeback { charge: charge.clone(), claim: claim.clone() };
        assert_eq!(comes(&scene, notice(&scene, event, news)), expected);
    }
    assert_eq!(scene.settlement(), settlement);
    // A call of ours made the charge, and the store knows nothing of it.
    let lost = CallKey::new(settlement_domain::SettlementId::from(uuid::Uuid::nil()), Operation::Capture, 1);
    scene.gateway.tampers(|moved| {
        let reference = charge.clone();
        moved.push(Movement { reference, key: Some(lost.clone()), ..moved[0].clone() });
    });
    let expected = Effect::Incident { what: Incident::Chargeback, about: charge.clone(), key: Some(lost) };
    assert_eq!(comes(&scene, notice(&scene, "evt_3", News::Chargeback { charge, claim })), expected);
}

#[test]
fn while_the_gateway_does_not_say_whose_charge_it_was_the_chargeback_has_to_be_told_again() {
    let scene = escrowed();
    scene.gateway.goes_away(true);
    let unheard = scene.bank_takes_it_back("evt_1", "dp_1");
    assert!(matches!(unheard, Err(NoticeError::Gateway(_))), "{unheard:?}");
    assert_eq!(scene.status(), Status::Escrowed);
    scene.gateway.goes_away(false);
    assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(charged_back(&scene, Status::NeedsOperator)));
}

#[test]
fn an_answer_of_the_gateway_that_cannot_be_read_stops_nothing_and_the_chargeback_has_to_be_told_again() {
    let scene = escrowed();
    let garbled = StatementError::Unreadable("a page of another site".to_owned());
    let mut statement = MockGatewayStatement::new();
    let says = garbled.clone();
    statement.expect_movement().times(1).returning(move |_, _| Err(says.clone()));
    let claim = Claim { id: GatewayRef::from("dp_1".to_owned()), amount: None, reason: None };
    let told = notice(&scene, "evt_1", News::Chargeback { charge: scene.charge(), claim });
    let notices = Notices::new(Arc::new(scene.store.clone()), Arc::new(Believed(told)), Arc::new(statement));
    assert_eq!(block_on(notices.take_in("signed", b"{}")), Err(NoticeError::Gateway(garbled)));
    assert_eq!(scene.status(), Status::Escrowed);
    assert_eq!(scene.bank_takes_it_back("evt_1", "dp_1"), Ok(charged_back(&scene, Status::NeedsOperator)));
}

#[test]
fn a_recording_of_a_chargeback_asks_the_gateway_nothing() {
    let scene = escrowed();
    scene.gateway.goes_away(true);
    let claim = Claim { id: GatewayRef::from("dp_1".to_owned()), amount: None, reason: None };
    let told = notice(&scene, "evt_1", News::Chargeback { charge: scene.charge(), claim });
    let recorded = Notice { signed_at: now(&scene) - TimeDelta::seconds(301), ..told };
    assert_eq!(signed_by("signed", &scene, recorded), Err(NoticeError::Stale(301)));
}

#[test]
fn a_chargeback_that_could_not_be_stored_is_noted_once_when_it_comes_again() {
    for (name, when) in [
        ("store.begin", When::Before),
        ("tx.receive", When::After),
        ("tx.lock", When::Before),
        ("tx.save", When::After),
        ("tx.commit", When::Before),
        ("tx.commit", When::After),
    ] {
        let scene = escrowed();
        let before = scene.faults.log().iter().filter(|called| **called == name).count();
        scene.faults.at(name, before, when);
        let first = scene.bank_takes_it_back("evt_1", "dp_1");
        assert!(matches!(first, Err(NoticeError::Store(_))), "{name} {when:?}: {first:?}");
        let again = scene.bank_takes_it_back("evt_1", "dp_1");
        assert_eq!(again, Ok(charged_back(&scene, Status::NeedsOperator)), "{name} {when:?}");
        assert_eq!(scene.settlement().chargebacks().len(), 1, "{name} {when:?}");
        scene.books_are_sound();
    }
}

#[test]
fn a_call_that_is_not_known_and_news_that_do_not_matter_are_taken_in() {
    let scene = Scene::sold();
    let strange = CallKey::new(settlement_domain::SettlementId::from(uuid::Uuid::nil()), Operation::Refund, 1);
    let planned_never = key(&scene, Operation::Refund);
    for (event, key) in [("evt_1", strange), ("evt_2", planned_never)] {
        assert_eq!(comes(&scene, notice(&scene, event, success(&key))), Effect::UnknownCall(key));
    }
    assert_eq!(comes(&scene, notice(&scene, "evt_3", News::Other)), Effect::Ignored);
}

#[test]
fn what_nobody_signed_never_reaches_the_store() {
    let scene = authorized_and_unheard();
    let calls = scene.faults.log().len();
    let told = notice(&scene, "evt_1", success(&key(&scene, Operation::Authorize)));
    assert_eq!(signed_by("forged", &scene, told), Err(Unsigned::Signature.into()));
    assert_eq!(scene.faults.log().len(), calls);
}

#[test]
fn a_signature_counts_for_five_minutes_either_way() {
    let scene = authorized_and_unheard();
    let told = |seconds| {
        let signed_at = now(&scene) + TimeDelta::seconds(seconds);
        Notice { signed_at, ..notice(&scene, "evt_1", success(&key(&scene, Operation::Authorize))) }
    };
    assert_eq!(signed_by("signed", &scene, told(-301)), Err(NoticeError::Stale(301)));
    assert_eq!(signed_by("signed", &scene, told(301)), Err(NoticeError::Stale(-301)));
    assert_eq!(scene.status(), Status::Authorizing);
    assert!(matches!(comes(&scene, told(-300)), Effect::Moved(_)));
    assert_eq!(comes(&scene, told(300)), Effect::Duplicate);
}

#[test]
fn a_notice_that_could_not_be_stored_is_taken_in_when_it_comes_again() {
    for (name, when) in [
        ("store.begin", When::Before),
        ("tx.receive", When::Before),
        ("tx.receive", When::After),
        ("tx.lock", When::Before),
        ("tx.call", When::After),
        ("tx.save", When::After),
        ("tx.commit", When::Before),
        ("tx.commit", When::After),
    ] {
        let scene = authorized_and_unheard();
        let told = notice(&scene, "evt_1", success(&key(&scene, Operation::Authorize)));
        let before = scene.faults.log().iter().filter(|called| **called == name).count();
        scene.faults.at(name, before, when);
        let first = signed_by("signed", &scene, told.clone());
        assert!(matches!(first, Err(NoticeError::Store(_))), "{name} {when:?}: {first:?}");
        let again = comes(&scene, told);
        let expected = if (name, when) == ("tx.commit", When::After) { "duplicate" } else { "moved" };
        assert_eq!(if again == Effect::Duplicate { "duplicate" } else { "moved" }, expected, "{name} {when:?}");
        assert_eq!(scene.status(), Status::Authorized, "{name} {when:?}");
        scene.worker_works();
        scene.books_are_sound();
    }
}

#[test]
fn a_payout_that_is_told_completes_the_settlement_once() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    scene.buyer_receives();
    // The call has its effect, and nobody hears of it but by the notice.
    let executed = scene.faults.log().iter().filter(|called| **called == "gateway.execute").count();
    scene.faults.at("gateway.execute", executed, When::After);
    block_on(scene.worker.run_once(10)).unwrap();
    let payout = CallKey::new(scene.store.all_payouts()[0].id(), Operation::PayOut, 1);
    assert!(matches!(comes(&scene, notice(&scene, "evt_1", success(&payout))), Effect::Moved(_)));
    assert_eq!(scene.status(), Status::Completed);
    scene.worker_works();
    scene.books_agree_at_the_end();
}
