//! The simulated gateway keeps the port's promises, across restarts and between processes.

use std::path::Path;
use std::time::Duration;

use settlement_adapter_payments::{SimulatedGateway, TimeLimited};
use settlement_domain::{Answer, CallKey, Instruction, Money, Operation};
use settlement_harness::contract;
use settlement_ports::{GatewayResult, Lookup, PaymentGateway};
use uuid::Uuid;

fn open(folder: &Path) -> SimulatedGateway {
    SimulatedGateway::open(&folder.join("gateway.jsonl")).unwrap()
}

fn key() -> CallKey {
    CallKey::new(Uuid::now_v7().into(), Operation::Authorize, 1)
}

fn authorize(method: &str) -> Instruction {
    let amount = Money::new(500, "USD".parse().unwrap()).unwrap();
    Instruction::Authorize { amount, method: method.parse().unwrap() }
}

fn succeeded(result: &GatewayResult) -> bool {
    matches!(result, GatewayResult::Answered(Answer::Succeeded { .. }))
}

#[tokio::test]
async fn it_keeps_the_promises_of_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    contract::gateway::all(&open(folder.path())).await;
    contract::gateway::all(&TimeLimited::new(open(folder.path()), Duration::from_secs(10))).await;
}

#[tokio::test]
async fn an_answer_outlives_the_process_that_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = key();
    let first = open(folder.path()).execute(&key, &authorize("pm_card_visa")).await;
    assert!(succeeded(&first));
    let restarted = open(folder.path());
    assert_eq!(restarted.execute(&key, &authorize("pm_card_visa")).await, first);
    assert!(matches!(restarted.lookup(&key).await, Lookup::Answered(Answer::Succeeded { .. })));
}

#[tokio::test]
async fn two_processes_share_what_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (open(folder.path()), open(folder.path()));
    let key = key();
    let first = left.execute(&key, &authorize("pm_card_visa")).await;
    assert_eq!(right.execute(&key, &authorize("pm_card_visa")).await, first);
    let GatewayResult::Answered(Answer::Succeeded { reference }) = first else { panic!("declined") };
    let capture = Instruction::Capture { hold: reference, amount: Money::new(500, "USD".parse().unwrap()).unwrap() };
    let capture_by = |attempt| CallKey::new(Uuid::now_v7().into(), Operation::Capture, attempt);
    let (one, other) = (capture_by(1), capture_by(2));
    let (one, other) = tokio::join!(left.execute(&one, &capture), right.execute(&other, &capture));
    assert!(succeeded(&one) != succeeded(&other), "one hold was captured twice: {one:?} {other:?}");
}

#[tokio::test]
async fn a_timeout_after_the_effect_is_unknown_until_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, key) = (open(folder.path()), key());
    let instruction = authorize("pm_outcry_timeoutAfterEffect");
    assert_eq!(gateway.execute(&key, &instruction).await, GatewayResult::Unknown);
    assert!(matches!(gateway.lookup(&key).await, Lookup::Answered(Answer::Succeeded { .. })));
    assert!(succeeded(&gateway.execute(&key, &instruction).await));
}

#[tokio::test]
async fn a_timeout_before_the_effect_is_absent_until_it_is_sent_again_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (key, instruction) = (key(), authorize("pm_outcry_timeoutBeforeEffect"));
    assert_eq!(open(folder.path()).execute(&key, &instruction).await, GatewayResult::Unknown);
    let restarted = open(folder.path());
    assert_eq!(restarted.lookup(&key).await, Lookup::Absent);
    assert!(succeeded(&restarted.execute(&key, &instruction).await));
}

#[tokio::test]
async fn insufficient_funds_are_declined_by_that_name() {
    let folder = tempfile::tempdir().unwrap();
    let instruction = authorize("pm_card_chargeDeclinedInsufficientFunds");
    let GatewayResult::Answered(Answer::Declined(decline)) = open(folder.path()).execute(&key(), &instruction).await
    else {
        panic!("not declined")
    };
    assert_eq!(decline.code, "insufficient_funds");
}

#[tokio::test]
async fn an_answer_that_was_half_written_was_never_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.jsonl");
    let (kept, torn) = (key(), key());
    let gateway = open(folder.path());
    assert!(succeeded(&gateway.execute(&kept, &authorize("pm_card_visa")).await));
    assert!(succeeded(&gateway.execute(&torn, &authorize("pm_card_visa")).await));
    drop(gateway);
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 5]).unwrap();
    let restarted = open(folder.path());
    assert!(matches!(restarted.lookup(&kept).await, Lookup::Answered(_)));
    assert_eq!(restarted.lookup(&torn).await, Lookup::Absent);
    assert!(succeeded(&restarted.execute(&torn, &authorize("pm_card_visa")).await));
}

#[tokio::test]
async fn a_damaged_journal_stops_the_start_and_a_journal_damaged_later_takes_no_calls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.jsonl");
    let gateway = open(folder.path());
    std::fs::write(&path, "not an entry\n").unwrap();
    assert_eq!(gateway.execute(&key(), &authorize("pm_card_visa")).await, GatewayResult::Unavailable);
    assert_eq!(gateway.lookup(&key()).await, Lookup::Unavailable);
    assert!(SimulatedGateway::open(&path).is_err());
}
