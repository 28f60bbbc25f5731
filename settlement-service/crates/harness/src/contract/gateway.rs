//! What every payment gateway has to pass. It has to know the method `pm_card_visa`, which pays, and
//! `pm_card_chargeDeclined`, which does not.

use settlement_domain::{Answer, CallKey, GatewayRef, Instruction, Money, Operation, SettlementId, UserId};
use settlement_ports::{GatewayResult, Lookup, PaymentGateway};
use uuid::Uuid;

/// All checks.
pub async fn all(gateway: &dyn PaymentGateway) {
    the_same_key_gets_the_same_answer(gateway).await;
    a_key_is_not_used_for_anything_else(gateway).await;
    a_lookup_tells_the_answer_or_that_there_is_none(gateway).await;
    a_lookup_finds_every_kind_of_effect(gateway).await;
    a_declined_method_holds_nothing(gateway).await;
    an_unknown_method_is_refused(gateway).await;
    a_hold_is_captured_once(gateway).await;
    a_voided_hold_cannot_be_captured(gateway).await;
    a_captured_hold_cannot_be_voided(gateway).await;
    a_hold_that_is_gone_may_be_voided_again(gateway).await;
    no_more_is_refunded_than_was_charged(gateway).await;
    a_seller_is_paid(gateway).await;
}

fn key(operation: Operation) -> CallKey {
    CallKey::new(SettlementId::from(Uuid::now_v7()), operation, 1)
}

fn usd(amount: i64) -> Money {
    Money::new(amount, "USD".parse().unwrap()).unwrap()
}

fn authorize(method: &str, amount: i64) -> Instruction {
    Instruction::Authorize { amount: usd(amount), method: method.parse().unwrap() }
}

async fn tell(gateway: &dyn PaymentGateway, instruction: &Instruction) -> Answer {
    match gateway.execute(&key(instruction.operation()), instruction).await {
        GatewayResult::Answered(answer) => answer,
        unclear => panic!("no definite answer to {instruction:?}: {unclear:?}"),
    }
}

async fn succeeds(gateway: &dyn PaymentGateway, instruction: &Instruction) -> GatewayRef {
    match tell(gateway, instruction).await {
        Answer::Succeeded { reference } => reference,
        Answer::Declined(decline) => panic!("{instruction:?} was declined: {decline:?}"),
    }
}

async fn is_declined(gateway: &dyn PaymentGateway, instruction: &Instruction) -> String {
    match tell(gateway, instruction).await {
        Answer::Succeeded { reference } => panic!("{instruction:?} succeeded: {reference}"),
        Answer::Declined(decline) => decline.code,
    }
}

async fn charged(gateway: &dyn PaymentGateway, amount: i64) -> GatewayRef {
    let hold = succeeds(gateway, &authorize("pm_card_visa", amount)).await;
    succeeds(gateway, &Instruction::Capture { hold, amount: usd(amount) }).await
}

/// Successes and declines alike, and no second effect.
pub async fn the_same_key_gets_the_same_answer(gateway: &dyn PaymentGateway) {
    for method in ["pm_card_visa", "pm_card_chargeDeclined"] {
        let (key, instruction) = (key(Operation::Authorize), authorize(method, 500));
        let first = gateway.execute(&key, &instruction).await;
        assert_eq!(gateway.execute(&key, &instruction).await, first);
    }
    let charge = charged(gateway, 500).await;
    let (key, refund) = (key(Operation::Refund), Instruction::Refund { charge, amount: usd(300) });
    let first = gateway.execute(&key, &refund).await;
    assert!(matches!(first, GatewayResult::Answered(Answer::Succeeded { .. })));
    assert_eq!(gateway.execute(&key, &refund).await, first, "twice 300 would be more than 500");
}

/// Declined, and the first answer stays.
pub async fn a_key_is_not_used_for_anything_else(gateway: &dyn PaymentGateway) {
    let key = key(Operation::Authorize);
    let first = gateway.execute(&key, &authorize("pm_card_visa", 500)).await;
    let GatewayResult::Answered(Answer::Declined(decline)) =
        gateway.execute(&key, &authorize("pm_card_visa", 600)).await
    else {
        panic!("another instruction was carried out under a used key")
    };
    assert_eq!(decline.code, "idempotency_key_reused");
    assert_eq!(gateway.execute(&key, &authorize("pm_card_visa", 500)).await, first);
}

/// Of successes and of declines.
pub async fn a_lookup_tells_the_answer_or_that_there_is_none(gateway: &dyn PaymentGateway) {
    for method in ["pm_card_visa", "pm_card_chargeDeclined"] {
        let (key, instruction) = (key(Operation::Authorize), authorize(method, 500));
        assert_eq!(gateway.lookup(&key, &instruction).await, Lookup::Absent);
        let GatewayResult::Answered(answer) = gateway.execute(&key, &instruction).await else { panic!("no answer") };
        assert_eq!(gateway.lookup(&key, &instruction).await, Lookup::Answered(answer));
    }
}

/// Of captures, voids, refunds and payouts, too; and not by another attempt's key.
pub async fn a_lookup_finds_every_kind_of_effect(gateway: &dyn PaymentGateway) {
    let hold = succeeds(gateway, &authorize("pm_card_visa", 500)).await;
    let (other, charge) = (succeeds(gateway, &authorize("pm_card_visa", 500)).await, charged(gateway, 500).await);
    for instruction in [
        Instruction::Capture { hold, amount: usd(500) },
        Instruction::Void { hold: other },
        Instruction::Refund { charge, amount: usd(200) },
        Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(450) },
    ] {
        let key = key(instruction.operation());
        assert_eq!(gateway.lookup(&key, &instruction).await, Lookup::Absent, "{instruction:?}");
        let GatewayResult::Answered(answer) = gateway.execute(&key, &instruction).await else { panic!("no answer") };
        assert!(matches!(answer, Answer::Succeeded { .. }), "{instruction:?}: {answer:?}");
        assert_eq!(gateway.lookup(&key, &instruction).await, Lookup::Answered(answer), "{instruction:?}");
    }
}

/// With the code clients know.
pub async fn a_declined_method_holds_nothing(gateway: &dyn PaymentGateway) {
    assert_eq!(is_declined(gateway, &authorize("pm_card_chargeDeclined", 500)).await, "card_declined");
}

/// As invalid.
pub async fn an_unknown_method_is_refused(gateway: &dyn PaymentGateway) {
    assert_eq!(is_declined(gateway, &authorize("pm_nobody_knows", 500)).await, "invalid_payment_method");
}

/// And for its amount.
pub async fn a_hold_is_captured_once(gateway: &dyn PaymentGateway) {
    let hold = succeeds(gateway, &authorize("pm_card_visa", 500)).await;
    let too_much = Instruction::Capture { hold: hold.clone(), amount: usd(501) };
    is_declined(gateway, &too_much).await;
    let capture = Instruction::Capture { hold, amount: usd(500) };
    succeeds(gateway, &capture).await;
    is_declined(gateway, &capture).await;
    is_declined(gateway, &Instruction::Capture { hold: GatewayRef::from("nothing".to_owned()), amount: usd(1) }).await;
}

/// It is gone.
pub async fn a_voided_hold_cannot_be_captured(gateway: &dyn PaymentGateway) {
    let hold = succeeds(gateway, &authorize("pm_card_visa", 500)).await;
    succeeds(gateway, &Instruction::Void { hold: hold.clone() }).await;
    is_declined(gateway, &Instruction::Capture { hold, amount: usd(500) }).await;
}

/// It is a charge now.
pub async fn a_captured_hold_cannot_be_voided(gateway: &dyn PaymentGateway) {
    let hold = succeeds(gateway, &authorize("pm_card_visa", 500)).await;
    succeeds(gateway, &Instruction::Capture { hold: hold.clone(), amount: usd(500) }).await;
    is_declined(gateway, &Instruction::Void { hold }).await;
}

/// There is nothing left to let go, which is what was wanted.
pub async fn a_hold_that_is_gone_may_be_voided_again(gateway: &dyn PaymentGateway) {
    let hold = succeeds(gateway, &authorize("pm_card_visa", 500)).await;
    succeeds(gateway, &Instruction::Void { hold: hold.clone() }).await;
    succeeds(gateway, &Instruction::Void { hold }).await;
}

/// In all refunds together.
pub async fn no_more_is_refunded_than_was_charged(gateway: &dyn PaymentGateway) {
    let charge = charged(gateway, 500).await;
    let refund = |amount| Instruction::Refund { charge: charge.clone(), amount: usd(amount) };
    succeeds(gateway, &refund(200)).await;
    is_declined(gateway, &refund(301)).await;
    succeeds(gateway, &refund(300)).await;
    is_declined(gateway, &refund(1)).await;
}

/// Each key once.
pub async fn a_seller_is_paid(gateway: &dyn PaymentGateway) {
    let seller: UserId = "seller".parse().unwrap();
    succeeds(gateway, &Instruction::PayOut { seller, amount: usd(450) }).await;
}
