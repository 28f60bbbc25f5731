//! What every gateway's list has to pass: all that moved is on it, once, and nothing else.

use chrono::{DateTime, TimeDelta, Utc};
use settlement_domain::{
    Answer, CallKey, GatewayRef, Instruction, Money, Movement, MovementKind, Operation, SettlementId,
};
use settlement_ports::{GatewayResult, GatewayStatement, PaymentGateway, STATEMENT_PAGE};
use uuid::Uuid;

/// All checks; the gateway has to know the method `pm_card_visa` and the seller `seller`.
pub async fn all(gateway: &dyn PaymentGateway, statement: &dyn GatewayStatement) {
    what_moved_is_listed_once_with_its_key_its_amount_and_its_reference(gateway, statement).await;
    what_moved_nothing_is_not_listed(gateway, statement).await;
    many_movements_are_listed_over_pages(gateway, statement).await;
    a_movement_is_found_by_its_reference(gateway, statement).await;
    nothing_has_moved_since_a_moment_to_come(statement).await;
}

fn usd(amount: i64) -> Money {
    Money::new(amount, "USD".parse().unwrap()).unwrap()
}

fn key(operation: Operation) -> CallKey {
    CallKey::new(SettlementId::from(Uuid::now_v7()), operation, 1)
}

async fn tell(gateway: &dyn PaymentGateway, instruction: &Instruction) -> (CallKey, GatewayRef) {
    let key = key(instruction.operation());
    match gateway.execute(&key, instruction).await {
        GatewayResult::Answered(Answer::Succeeded { reference }) => (key, reference),
        other => panic!("{instruction:?}: {other:?}"),
    }
}

async fn held(gateway: &dyn PaymentGateway, amount: i64) -> (CallKey, GatewayRef) {
    tell(gateway, &Instruction::Authorize { amount: usd(amount), method: "pm_card_visa".parse().unwrap() }).await
}

async fn charged(gateway: &dyn PaymentGateway, amount: i64) -> (CallKey, GatewayRef) {
    let (_, hold) = held(gateway, amount).await;
    tell(gateway, &Instruction::Capture { hold, amount: usd(amount) }).await
}

async fn listed(statement: &dyn GatewayStatement, kind: MovementKind, since: DateTime<Utc>) -> Vec<Movement> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = statement.page(kind, since, after).await.unwrap();
        assert!(page.movements.len() <= STATEMENT_PAGE);
        assert!(page.movements.iter().all(|movement| movement.kind == kind));
        all.extend(page.movements);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

async fn by_key(statement: &dyn GatewayStatement, kind: MovementKind, key: &CallKey) -> Vec<Movement> {
    let mut all = listed(statement, kind, DateTime::UNIX_EPOCH).await;
    all.retain(|movement| movement.key.as_ref() == Some(key));
    all
}

/// Charges, refunds of a part and payouts; what was told twice, too.
pub async fn what_moved_is_listed_once_with_its_key_its_amount_and_its_reference(
    gateway: &dyn PaymentGateway,
    statement: &dyn GatewayStatement,
) {
    let (charge_key, charge) = charged(gateway, 500).await;
    let (refund_key, refund) = tell(gateway, &Instruction::Refund { charge: charge.clone(), amount: usd(200) }).await;
    let (payout_key, payout) =
        (key(Operation::PayOut), Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(250) });
    let first = gateway.execute(&payout_key, &payout).await;
    assert_eq!(gateway.execute(&payout_key, &payout).await, first);
    let GatewayResult::Answered(Answer::Succeeded { reference: paid }) = first else { panic!("{first:?}") };
    let expected = [
        (MovementKind::Charge, charge_key, charge.clone(), None, 500),
        (MovementKind::Refund, refund_key, refund, Some(charge), 200),
        (MovementKind::Payout, payout_key, paid, None, 250),
    ];
    for (kind, key, reference, of, amount) in expected {
        let [movement] = &by_key(statement, kind, &key).await[..] else { panic!("{kind} is not listed once") };
        assert_eq!((&movement.reference, &movement.charge, movement.amount), (&reference, &of, usd(amount)));
        assert_eq!(movement.moved_by(), Some(&key));
    }
}

/// Holds, those that were let go too, and what was refused.
pub async fn what_moved_nothing_is_not_listed(gateway: &dyn PaymentGateway, statement: &dyn GatewayStatement) {
    let (held_key, hold) = held(gateway, 500).await;
    let (voided_key, voided) = held(gateway, 500).await;
    let (void_key, _) = tell(gateway, &Instruction::Void { hold: voided.clone() }).await;
    let refused = (key(Operation::Capture), Instruction::Capture { hold: voided, amount: usd(500) });
    assert!(matches!(gateway.execute(&refused.0, &refused.1).await, GatewayResult::Answered(Answer::Declined(_))));
    for kind in MovementKind::ALL {
        for key in [&held_key, &voided_key, &void_key, &refused.0] {
            assert_eq!(by_key(statement, kind, key).await, [], "{kind} {key}");
        }
        assert_eq!(statement.movement(kind, &hold).await.unwrap(), None, "{kind} {hold}");
    }
}

/// None left out, none twice.
pub async fn many_movements_are_listed_over_pages(gateway: &dyn PaymentGateway, statement: &dyn GatewayStatement) {
    let mut keys = Vec::new();
    for amount in 1..=7 {
        let payout = Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(amount) };
        keys.push(tell(gateway, &payout).await.0);
    }
    let mut found: Vec<_> = listed(statement, MovementKind::Payout, DateTime::UNIX_EPOCH).await;
    found.retain(|movement| movement.key.as_ref().is_some_and(|key| keys.contains(key)));
    let mut found: Vec<_> = found.into_iter().filter_map(|movement| movement.key).collect();
    found.sort();
    keys.sort();
    assert_eq!(found, keys);
}

/// As it is listed; and what never moved is not found.
pub async fn a_movement_is_found_by_its_reference(gateway: &dyn PaymentGateway, statement: &dyn GatewayStatement) {
    let (charge_key, charge) = charged(gateway, 500).await;
    let (refund_key, refund) = tell(gateway, &Instruction::Refund { charge: charge.clone(), amount: usd(500) }).await;
    let payout = Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(450) };
    let (payout_key, paid) = tell(gateway, &payout).await;
    for (kind, key, reference) in [
        (MovementKind::Charge, charge_key, charge),
        (MovementKind::Refund, refund_key, refund),
        (MovementKind::Payout, payout_key, paid),
    ] {
        let found = statement.movement(kind, &reference).await.unwrap();
        assert_eq!(found, by_key(statement, kind, &key).await.pop(), "{kind}");
        assert!(found.is_some());
        let nothing = GatewayRef::from(format!("{reference}x"));
        assert_eq!(statement.movement(kind, &nothing).await.unwrap(), None, "{kind}");
    }
}

/// Whatever clock the gateway has.
pub async fn nothing_has_moved_since_a_moment_to_come(statement: &dyn GatewayStatement) {
    let to_come = DateTime::UNIX_EPOCH + TimeDelta::days(400 * 365);
    for kind in MovementKind::ALL {
        assert_eq!(listed(statement, kind, to_come).await, [], "{kind}");
    }
}
