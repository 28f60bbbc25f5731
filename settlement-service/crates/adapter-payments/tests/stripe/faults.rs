//! What goes wrong on the way, and what it is told as.

use std::time::Duration;

use settlement_adapter_payments::TimeLimited;
use settlement_domain::{Answer, Instruction, Operation};
use settlement_ports::{GatewayResult, Lookup, PaymentGateway};
use tokio::net::TcpListener;

use crate::fake::{Fake, Fault};
use crate::{authorize, gateway, key, reference, usd};

/// Lets a fault strike an authorization, and tells what was heard of it and what is found by asking.
async fn struck(fault: Fault) -> (GatewayResult, Lookup, usize) {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let (key, instruction) = (key(Operation::Authorize), authorize(500));
    fake.fails_next(fault);
    let heard = gateway.execute(&key, &instruction).await;
    let found = gateway.lookup(&key, &instruction).await;
    let again = gateway.execute(&key, &instruction).await;
    if !matches!(fault, Fault::After(_)) {
        assert!(matches!(again, GatewayResult::Answered(Answer::Succeeded { .. })), "{fault:?}: {again:?}");
    }
    (heard, found, fake.count("payment_intent"))
}

#[tokio::test]
async fn what_may_have_happened_is_unknown_until_it_is_asked_for_and_happens_once() {
    for fault in [Fault::HangUpAfter, Fault::After(500), Fault::After(503), Fault::Flood] {
        let (heard, found, intents) = struck(fault).await;
        assert_eq!(heard, GatewayResult::Unknown, "{fault:?}");
        assert!(matches!(found, Lookup::Answered(Answer::Succeeded { .. })), "{fault:?}: {found:?}");
        assert_eq!(intents, 1, "{fault:?}");
    }
}

#[tokio::test]
async fn what_did_not_happen_and_might_have_is_unknown_then_absent_then_done_once() {
    let told = [Fault::Told(409, "idempotency_error"), Fault::Told(400, "api_error")];
    for fault in
        [Fault::HangUpBefore, Fault::Before(502), Fault::Before(404), Fault::Before(301)].into_iter().chain(told)
    {
        assert_eq!(struck(fault).await, (GatewayResult::Unknown, Lookup::Absent, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn what_was_not_taken_is_unavailable_and_can_be_sent_again() {
    for fault in
        [Fault::Told(429, "invalid_request_error"), Fault::Before(429), Fault::Told(401, "invalid_request_error")]
    {
        assert_eq!(struck(fault).await, (GatewayResult::Unavailable, Lookup::Absent, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gateway = gateway(&url, folder.path());
    let (key, instruction) = (key(Operation::Authorize), authorize(500));
    assert_eq!(gateway.execute(&key, &instruction).await, GatewayResult::Unavailable);
    assert_eq!(gateway.lookup(&key, &instruction).await, Lookup::Unavailable);
}

#[tokio::test]
async fn a_gateway_that_says_nothing_is_given_up_on_and_its_result_is_unknown() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = TimeLimited::new(gateway(&fake.url, folder.path()), Duration::from_millis(200));
    let (key, instruction) = (key(Operation::Authorize), authorize(500));
    fake.hold(true);
    assert_eq!(gateway.execute(&key, &instruction).await, GatewayResult::Unknown);
    assert_eq!(gateway.lookup(&key, &instruction).await, Lookup::Unavailable);
    fake.hold(false);
    let told = gateway.execute(&key, &instruction).await;
    assert!(matches!(told, GatewayResult::Answered(Answer::Succeeded { .. })));
    assert_eq!(fake.count("payment_intent"), 1, "the one that nobody waited for was done, and counts");
}

#[tokio::test]
async fn a_server_error_stays_unknown_for_as_long_as_stripe_keeps_it() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let hold = reference(&gateway, &authorize(500)).await;
    let (key, capture) = (key(Operation::Capture), Instruction::Capture { hold, amount: usd(500) });
    fake.fails_next(Fault::After(500));
    assert_eq!(gateway.execute(&key, &capture).await, GatewayResult::Unknown);
    assert_eq!(gateway.execute(&key, &capture).await, GatewayResult::Unknown, "Stripe repeats its answer");
    assert!(matches!(gateway.lookup(&key, &capture).await, Lookup::Answered(Answer::Succeeded { .. })), "so: ask");
}

#[tokio::test]
async fn the_same_instruction_in_other_words_is_the_same_and_another_one_is_not() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let (key, payout) =
        (key(Operation::PayOut), Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(5) });
    let first = gateway.execute(&key, &payout).await;
    // The seller's account was changed in between: other parameters, and not another payout.
    std::fs::write(folder.path().join("accounts.json"), r#"{"seller": "acct_of_another_bank"}"#).unwrap();
    assert_eq!(gateway.execute(&key, &payout).await, first);
    assert_eq!(fake.count("transfer"), 1);
    let more = Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(6) };
    let GatewayResult::Answered(Answer::Declined(decline)) = gateway.execute(&key, &more).await else { panic!("paid") };
    assert_eq!(decline.code, "idempotency_key_reused");
}

#[tokio::test]
async fn a_wrong_key_is_told_once_it_was_refused_and_a_good_one_never() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let credentials = gateway.credentials();
    fake.fails_next(Fault::Told(401, "invalid_request_error"));
    assert_eq!(gateway.execute(&key(Operation::Authorize), &authorize(500)).await, GatewayResult::Unavailable);
    assert!(credentials.are_wrong());
    gateway.try_credentials().await;
    assert!(!credentials.are_wrong());
}

#[tokio::test]
async fn every_change_has_its_key_its_version_and_no_card() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let key = key(Operation::Authorize);
    gateway.execute(&key, &authorize(500)).await;
    let [request] = &fake.log()[..] else { panic!("one request") };
    assert_eq!(request.headers["idempotency-key"], key.as_str());
    assert_eq!(request.headers["stripe-version"], settlement_adapter_payments::STRIPE_VERSION);
    assert_eq!(request.parameter("capture_method"), Some("manual"));
    assert_eq!(request.parameter("transfer_group"), Some(key.group()));
    assert!(!request.encoded.contains("number") && !request.encoded.contains("cvc"), "{}", request.encoded);
}
