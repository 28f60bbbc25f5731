//! The port's contract, and what Stripe is like beyond it.

use chrono::DateTime;
use settlement_domain::{Answer, Decline, GatewayRef, Instruction, MovementKind, Operation};
use settlement_harness::contract;
use settlement_ports::{GatewayResult, GatewayStatement, Lookup, PaymentGateway};

use crate::fake::Fake;
use crate::{authorize, gateway, key, mock, reference, usd};

#[tokio::test]
async fn it_keeps_the_promises_of_a_gateway() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    contract::gateway::all(&gateway).await;
    contract::statement::all(&gateway, &gateway).await;
}

#[tokio::test]
async fn it_keeps_them_in_requests_and_answers_as_stripe_describes_them_or_is_left_out_for_want_of_stripe_mock() {
    let Some(mock) = mock::start() else { return };
    let (fake, folder) = (Fake::start(Some(mock.url.clone())).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    contract::gateway::all(&gateway).await;
    contract::statement::all(&gateway, &gateway).await;
    assert!(fake.log().len() > 30);
}

/// Against `stripe-mock` alone: it has no state, so only what a request and one answer show.
#[tokio::test]
async fn stripe_mock_takes_every_request_or_is_left_out_for_want_of_it() {
    let Some(mock) = mock::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(&mock.url, folder.path());
    gateway.try_credentials().await;
    assert!(!gateway.credentials().are_wrong());
    let charge = GatewayRef::from("pi_1PgafyB7WZ01zgkWSjxsAJo3".to_owned());
    let refund = Instruction::Refund { charge: charge.clone(), amount: usd(100) };
    let payout = Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(100) };
    for instruction in [&refund, &payout] {
        let told = gateway.execute(&key(instruction.operation()), instruction).await;
        assert!(matches!(told, GatewayResult::Answered(Answer::Succeeded { .. })), "{told:?}");
    }
    let capture = Instruction::Capture { hold: charge.clone(), amount: usd(100) };
    for instruction in [authorize(100), capture, Instruction::Void { hold: charge }, refund, payout] {
        let found = gateway.lookup(&key(instruction.operation()), &instruction).await;
        assert_eq!(found, Lookup::Absent, "its examples are of no call of ours: {instruction:?}");
    }
    for kind in MovementKind::ALL {
        let page = gateway.page(kind, DateTime::UNIX_EPOCH, Some("after_that".to_owned())).await.unwrap();
        assert!(page.movements.iter().all(|movement| movement.kind == kind && movement.key.is_none()), "{page:?}");
        let reference = GatewayRef::from("any_1234567890".to_owned());
        gateway.movement(kind, &reference).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_that_stripe_has_forgotten_is_found_by_what_it_made() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let hold = reference(&gateway, &authorize(500)).await;
    let (capture_key, capture) =
        (key(Operation::Capture), Instruction::Capture { hold: hold.clone(), amount: usd(500) });
    let first = gateway.execute(&capture_key, &capture).await;
    let (refund_key, refund) = (key(Operation::Refund), Instruction::Refund { charge: hold, amount: usd(500) });
    let refunded = gateway.execute(&refund_key, &refund).await;
    fake.forgets_keys();
    assert!(matches!(gateway.lookup(&capture_key, &capture).await, Lookup::Answered(Answer::Succeeded { .. })));
    assert_eq!(gateway.execute(&capture_key, &capture).await, first, "refused by Stripe, and done all the same");
    assert_eq!(gateway.execute(&refund_key, &refund).await, refunded);
    assert_eq!(fake.count("refund"), 1);
}

#[tokio::test]
async fn an_authorization_is_found_whatever_became_of_the_hold() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let (authorize_key, instruction) = (key(Operation::Authorize), authorize(500));
    let first = gateway.execute(&authorize_key, &instruction).await;
    fake.lets_holds_expire();
    fake.forgets_keys();
    let Lookup::Answered(found) = gateway.lookup(&authorize_key, &instruction).await else { panic!("not found") };
    assert_eq!(GatewayResult::Answered(found), first);
}

#[tokio::test]
async fn a_hold_that_expired_cannot_be_captured_and_says_why_and_needs_no_voiding() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let hold = reference(&gateway, &authorize(500)).await;
    fake.lets_holds_expire();
    let capture = Instruction::Capture { hold: hold.clone(), amount: usd(500) };
    let GatewayResult::Answered(Answer::Declined(decline)) = gateway.execute(&key(Operation::Capture), &capture).await
    else {
        panic!("captured")
    };
    assert_eq!(decline.code, "hold_expired");
    reference(&gateway, &Instruction::Void { hold }).await;
}

#[tokio::test]
async fn one_attempt_among_many_of_a_settlement_is_found_on_the_page_it_is_on() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let settlement = settlement_domain::SettlementId::from(uuid::Uuid::now_v7());
    let mut told = Vec::new();
    for attempt in 1..=7 {
        let key = settlement_domain::CallKey::new(settlement, Operation::Authorize, attempt);
        told.push((key.clone(), gateway.execute(&key, &authorize(500)).await));
    }
    for (key, first) in told {
        let Lookup::Answered(found) = gateway.lookup(&key, &authorize(500)).await else { panic!("{key}") };
        assert_eq!(GatewayResult::Answered(found), first);
    }
    let next = settlement_domain::CallKey::new(settlement, Operation::Authorize, 8);
    assert_eq!(gateway.lookup(&next, &authorize(500)).await, Lookup::Absent);
}

#[tokio::test]
async fn a_seller_without_an_account_is_not_paid_and_stripe_hears_nothing() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let payout = Instruction::PayOut { seller: "stranger".parse().unwrap(), amount: usd(100) };
    let told = gateway.execute(&key(Operation::PayOut), &payout).await;
    let GatewayResult::Answered(Answer::Declined(decline)) = told else { panic!("{told:?}") };
    assert_eq!((decline.code.as_str(), fake.log().len()), ("no_connected_account", 0));
    std::fs::write(folder.path().join("accounts.json"), "spoilt").unwrap();
    assert_eq!(gateway.execute(&key(Operation::PayOut), &payout).await, GatewayResult::Unavailable);
}

#[tokio::test]
async fn an_amount_that_stripe_does_not_take_is_refused_and_stripe_hears_nothing() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let amount = settlement_domain::Money::new(5_124, "KWD".parse().unwrap()).unwrap();
    let authorize = Instruction::Authorize { amount, method: "pm_card_visa".parse().unwrap() };
    let told = gateway.execute(&key(Operation::Authorize), &authorize).await;
    let GatewayResult::Answered(Answer::Declined(decline)) = told else { panic!("{told:?}") };
    assert_eq!((decline.code.as_str(), fake.log().len()), (Decline::AMOUNT_REFUSED, 0));
}

#[tokio::test]
async fn an_amount_that_stripe_finds_too_small_is_refused_as_one_that_no_method_pays() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let (key, instruction) = (key(Operation::Authorize), authorize(49));
    let told = gateway.execute(&key, &instruction).await;
    let GatewayResult::Answered(Answer::Declined(decline)) = &told else { panic!("{told:?}") };
    assert!(decline.is_of_amount() && decline.message.contains("at least"), "{decline:?}");
    assert_eq!(gateway.lookup(&key, &instruction).await, Lookup::Absent, "it left no trace");
    assert_eq!(gateway.execute(&key, &instruction).await, told);
}
