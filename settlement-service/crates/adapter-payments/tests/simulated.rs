//! The simulated gateway keeps the port's promises, across restarts and between processes.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use settlement_adapter_payments::{
    Behaviour, Guarded, JournalStatement, Posts, Secret, SimulatedGateway, TimeLimited, Webhooks, breaker::Policy,
};
use settlement_domain::{Answer, CallKey, Instruction, Money, MovementKind, Operation};
use settlement_harness::contract;
use settlement_ports::{
    GatewayResult, GatewayStatement, Lookup, News, Notice, NoticeVerifier, PaymentGateway, StatementError,
};
use uuid::Uuid;

fn open(folder: &Path) -> SimulatedGateway {
    SimulatedGateway::open(&folder.join("gateway.jsonl"), durable()).unwrap()
}

fn durable() -> Behaviour {
    Behaviour { durable: true, ..Behaviour::default() }
}

fn key() -> CallKey {
    CallKey::new(settlement_domain::SettlementId::from(Uuid::now_v7()), Operation::Authorize, 1)
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
    let gateway = open(folder.path());
    contract::gateway::all(&gateway).await;
    contract::statement::all(&gateway, &gateway).await;
    contract::statement::all(&gateway, &JournalStatement::new(&folder.path().join("gateway.jsonl"))).await;
    let guarded = Guarded::new(TimeLimited::new(open(folder.path()), Duration::from_secs(10)), 8, Policy::default());
    contract::statement::all(&guarded, &guarded).await;
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
    assert!(matches!(
        restarted.lookup(&key, &authorize("pm_card_visa")).await,
        Lookup::Answered(Answer::Succeeded { .. })
    ));
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
    let capture_by =
        |attempt| CallKey::new(settlement_domain::SettlementId::from(Uuid::now_v7()), Operation::Capture, attempt);
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
    assert!(matches!(gateway.lookup(&key, &instruction).await, Lookup::Answered(Answer::Succeeded { .. })));
    assert!(succeeded(&gateway.execute(&key, &instruction).await));
}

#[tokio::test]
async fn a_timeout_before_the_effect_is_absent_until_it_is_sent_again_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (key, instruction) = (key(), authorize("pm_outcry_timeoutBeforeEffect"));
    assert_eq!(open(folder.path()).execute(&key, &instruction).await, GatewayResult::Unknown);
    let restarted = open(folder.path());
    assert_eq!(restarted.lookup(&key, &instruction).await, Lookup::Absent);
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
    assert!(matches!(restarted.lookup(&kept, &authorize("pm_card_visa")).await, Lookup::Answered(_)));
    assert_eq!(restarted.lookup(&torn, &authorize("pm_card_visa")).await, Lookup::Absent);
    assert!(succeeded(&restarted.execute(&torn, &authorize("pm_card_visa")).await));
}

#[tokio::test]
async fn a_damaged_journal_stops_the_start_and_a_journal_damaged_later_takes_no_calls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.jsonl");
    let gateway = open(folder.path());
    std::fs::write(&path, "not an entry\n").unwrap();
    assert_eq!(gateway.execute(&key(), &authorize("pm_card_visa")).await, GatewayResult::Unavailable);
    assert_eq!(gateway.lookup(&key(), &authorize("pm_card_visa")).await, Lookup::Unavailable);
    assert!(SimulatedGateway::open(&path, durable()).is_err());
}

#[tokio::test]
async fn many_calls_at_once_share_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = open(folder.path());
    let begun = std::time::Instant::now();
    let calls = (0..4_000).map(|_| {
        let gateway = gateway.clone();
        async move { gateway.execute(&key(), &authorize("pm_card_visa")).await }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(succeeded));
    let took = begun.elapsed();
    println!("4000 durable calls took {took:?}");
    assert!(took < Duration::from_secs(20), "a sync each would take longer: {took:?}");
    let lines = std::fs::read_to_string(folder.path().join("gateway.jsonl")).unwrap().lines().count();
    assert_eq!(lines, 4_000);
}

#[tokio::test]
async fn without_durability_what_was_answered_still_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.jsonl");
    let key = key();
    let first =
        SimulatedGateway::open(&path, Behaviour::default()).unwrap().execute(&key, &authorize("pm_card_visa")).await;
    assert!(succeeded(&first));
    assert_eq!(open(folder.path()).execute(&key, &authorize("pm_card_visa")).await, first);
}

#[tokio::test]
async fn faults_by_rate_strike_any_operation_once_and_the_call_still_gets_through() {
    let folder = tempfile::tempdir().unwrap();
    let faults = "timeout_before=500,timeout_after=500,slow_ms=1,seed=3".parse().unwrap();
    let gateway = SimulatedGateway::open(&folder.path().join("j"), Behaviour { faults, ..durable() }).unwrap();
    let mut found = [0, 0];
    for _ in 0..50 {
        let (key, instruction) = (key(), authorize("pm_card_visa"));
        assert_eq!(gateway.execute(&key, &instruction).await, GatewayResult::Unknown);
        match gateway.lookup(&key, &instruction).await {
            Lookup::Absent => found[0] += 1,
            Lookup::Answered(_) => found[1] += 1,
            Lookup::Unavailable => panic!("unavailable"),
        }
        assert!(succeeded(&gateway.execute(&key, &instruction).await));
    }
    assert!(found[0] > 10 && found[1] > 10, "before and after: {found:?}");
}

/// Webhooks by method: what came before the answer, and how many in all (waiting as long as the late ones take).
async fn told_by(method: &str) -> (usize, Vec<Notice>) {
    let folder = tempfile::tempdir().unwrap();
    let secret = Secret::from(SecretString::from("a secret of this test"));
    let (to, mut posts) = tokio::sync::mpsc::channel(16);
    let behaviour = Behaviour { posts: Some(Posts::new(to, secret.clone())), ..durable() };
    let gateway = SimulatedGateway::open(&folder.path().join("j"), behaviour).unwrap();
    let webhooks = Webhooks::new(vec![secret]);
    let answered = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&answered);
    let reader = tokio::spawn(async move {
        let (mut early, mut notices) = (0, Vec::new());
        while let Some(post) = posts.recv().await {
            early += usize::from(!seen.load(std::sync::atomic::Ordering::SeqCst));
            notices.push(webhooks.read(&post.signature, &post.body).unwrap());
        }
        (early, notices)
    });
    let (key, instruction) = (key(), authorize(method));
    let heard = gateway.execute(&key, &instruction).await;
    answered.store(true, std::sync::atomic::Ordering::SeqCst);
    let Lookup::Answered(Answer::Succeeded { reference }) = gateway.lookup(&key, &instruction).await else {
        panic!("{method}: {heard:?}")
    };
    let capture = Instruction::Capture { hold: reference, amount: Money::new(500, "USD".parse().unwrap()).unwrap() };
    gateway
        .execute(&CallKey::new(settlement_domain::SettlementId::from(Uuid::now_v7()), Operation::Capture, 1), &capture)
        .await;
    // Nobody holds the channel once the late ones are out.
    drop(gateway);
    reader.await.unwrap()
}

#[tokio::test]
async fn webhooks_come_as_the_method_says() {
    let operations = |notices: &[Notice]| -> Vec<String> {
        let operation = |notice: &Notice| match &notice.news {
            News::Answer { key, .. } => key.as_str().split(':').nth(1).unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        notices.iter().map(operation).collect()
    };
    let (early, first) = told_by("pm_outcry_webhookFirst").await;
    assert!(early >= 1, "it came before the answer");
    assert_eq!(operations(&first), ["authorize", "capture"]);
    assert_eq!(operations(&told_by("pm_outcry_webhook").await.1), ["authorize", "capture"]);
    assert_eq!(operations(&told_by("pm_outcry_webhookOnly").await.1), ["authorize", "capture"]);
    let twice = told_by("pm_outcry_webhookTwice").await.1;
    assert_eq!(operations(&twice), ["authorize", "authorize", "capture", "capture"]);
    assert_eq!(twice[0].event_id, twice[1].event_id, "the same event twice");
    assert!(told_by("pm_card_visa").await.1.is_empty(), "unless it is asked for there is none");
}

#[tokio::test]
async fn a_payment_that_is_disputed_is_told_by_two_events_of_one_chargeback() {
    let (_, notices) = told_by("pm_card_createDispute").await;
    let kinds: Vec<_> = notices.iter().map(|notice| notice.kind.as_str()).collect();
    assert_eq!(kinds, ["charge.dispute.created", "charge.dispute.funds_withdrawn"]);
    assert_ne!(notices[0].event_id, notices[1].event_id);
    let News::Chargeback { charge, claim } = &notices[0].news else { panic!("{:?}", notices[0].news) };
    assert!(charge.as_str().ends_with(":capture:1"), "{charge}");
    let amount = Money::new(500, "USD".parse().unwrap()).unwrap();
    assert_eq!((claim.amount, claim.reason.as_deref()), (Some(amount), Some("fraudulent")));
    assert_eq!(notices[1].news, notices[0].news);
}

#[tokio::test]
async fn what_the_buyers_bank_took_is_given_back_by_nobody_else_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let amount = Money::new(500, "USD".parse().unwrap()).unwrap();
    let call = |operation| CallKey::new(settlement_domain::SettlementId::from(Uuid::now_v7()), operation, 1);
    for (method, refused) in [("pm_card_createDispute", Some("charge_disputed")), ("pm_outcry_webhook", None)] {
        let gateway = open(folder.path());
        let GatewayResult::Answered(Answer::Succeeded { reference: hold }) =
            gateway.execute(&key(), &authorize(method)).await
        else {
            panic!("{method} holds nothing")
        };
        let capture = Instruction::Capture { hold, amount };
        let GatewayResult::Answered(Answer::Succeeded { reference: charge }) =
            gateway.execute(&call(Operation::Capture), &capture).await
        else {
            panic!("{method} takes nothing")
        };
        let refund = Instruction::Refund { charge, amount };
        let code = |result: GatewayResult| match result {
            GatewayResult::Answered(Answer::Declined(decline)) => Some(decline.code),
            GatewayResult::Answered(Answer::Succeeded { .. }) => None,
            unclear => panic!("{method}: {unclear:?}"),
        };
        let restarted = open(folder.path());
        if refused.is_some() {
            let before = gateway.execute(&call(Operation::Refund), &refund).await;
            assert_eq!(code(before).as_deref(), refused, "{method}");
        }
        let after = restarted.execute(&call(Operation::Refund), &refund).await;
        assert_eq!(code(after).as_deref(), refused, "{method}");
    }
}

#[tokio::test]
async fn late_webhooks_come_late_and_out_of_order_ones_after_the_next() {
    let begun = std::time::Instant::now();
    let ((_, late), (_, disordered)) =
        tokio::join!(told_by("pm_outcry_webhookLate"), told_by("pm_outcry_webhookOutOfOrder"));
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(late.len(), 2);
    assert_eq!(disordered[0].kind, "payment_intent.succeeded");
    assert_eq!(disordered[1].kind, "payment_intent.amount_capturable_updated");
}

/// A payout as a journal of before moments were noted has it.
const OLD_LINE: &str = r#"{"entry":"answered","key":"00000000-0000-0000-0000-000000000007:pay_out:1","instruction":{"operation":"pay_out","seller":"anna","amount":{"amount":5,"currency":"USD"}},"answer":{"answer":"succeeded","reference":"sim_old"}}"#;

#[tokio::test]
async fn a_movement_without_a_moment_is_of_any_and_a_line_without_its_end_is_none_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.jsonl");
    let statement = JournalStatement::new(&path);
    let (kind, since) = (MovementKind::Payout, chrono::DateTime::from_timestamp(1_900_000_000, 0).unwrap());
    assert_eq!(statement.page(kind, since, None).await.unwrap().movements, [], "there is no journal yet");
    assert!(!path.exists(), "and none was made");
    std::fs::write(&path, format!("{OLD_LINE}\n{}", &OLD_LINE[..40])).unwrap();
    let page = statement.page(kind, since, None).await.unwrap();
    assert_eq!((page.movements.len(), page.movements[0].at, page.next), (1, since, None));
    std::fs::write(&path, "no entry\n").unwrap();
    assert!(matches!(statement.page(kind, since, None).await, Err(StatementError::Unreadable(_))));
}
