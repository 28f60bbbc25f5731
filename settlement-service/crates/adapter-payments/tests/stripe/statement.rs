//! What Stripe's lists are like beyond the port's contract: what happens in the dashboard, and what cannot be read.

use chrono::DateTime;
use serde_json::json;
use settlement_domain::{GatewayRef, Instruction, Movement, MovementKind, Operation};
use settlement_ports::{GatewayStatement, StatementError};

use crate::fake::{CREATED, Fake};
use crate::{authorize, gateway, reference, usd};

async fn listed(gateway: &dyn GatewayStatement, kind: MovementKind) -> Vec<Movement> {
    gateway.page(kind, DateTime::UNIX_EPOCH, None).await.unwrap().movements
}

#[tokio::test]
async fn a_charge_that_was_captured_in_the_dashboard_has_the_key_of_its_authorization() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let hold = reference(&gateway, &authorize(500)).await;
    reference(&gateway, &Instruction::Capture { hold, amount: usd(500) }).await;
    fake.changes(|objects| {
        objects[0]["metadata"].as_object_mut().unwrap().remove("outcry_capture");
    });
    let [charge] = &listed(&gateway, MovementKind::Charge).await[..] else { panic!("one charge") };
    assert_eq!(charge.key.as_ref().and_then(settlement_domain::CallKey::operation), Some(Operation::Authorize));
    assert_eq!(charge.moved_by(), None, "an authorization moves nothing");
}

#[tokio::test]
async fn a_refund_of_the_dashboard_has_the_key_of_its_charge() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let hold = reference(&gateway, &authorize(500)).await;
    let charge = reference(&gateway, &Instruction::Capture { hold, amount: usd(500) }).await;
    let by_hand = json!({"object": "refund", "id": "re_by_hand", "payment_intent": charge, "amount": 500,
        "currency": "usd", "status": "succeeded", "metadata": {}, "created": CREATED});
    fake.changes(|objects| objects.push(by_hand));
    let [refund] = &listed(&gateway, MovementKind::Refund).await[..] else { panic!("one refund") };
    assert_eq!((refund.moved_by(), refund.charge.as_ref(), refund.amount), (None, Some(&charge), usd(500)));
    assert_eq!(refund.key, listed(&gateway, MovementKind::Charge).await[0].key);
}

#[tokio::test]
async fn a_refund_that_failed_and_a_transfer_that_was_reversed_have_moved_nothing() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let hold = reference(&gateway, &authorize(500)).await;
    let charge = reference(&gateway, &Instruction::Capture { hold, amount: usd(500) }).await;
    let refund = reference(&gateway, &Instruction::Refund { charge, amount: usd(500) }).await;
    let payout = Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(300) };
    let transfer = reference(&gateway, &payout).await;
    let altered = |id: &GatewayRef, field: &str, value: serde_json::Value| {
        fake.changes(|objects| objects.iter_mut().find(|one| one["id"] == id.as_str()).unwrap()[field] = value);
    };
    altered(&transfer, "amount_reversed", json!(100));
    assert_eq!(listed(&gateway, MovementKind::Payout).await[0].amount, usd(200), "what is left of it");
    altered(&transfer, "amount_reversed", json!(300));
    altered(&refund, "status", json!("failed"));
    for (kind, reference) in [(MovementKind::Refund, refund), (MovementKind::Payout, transfer)] {
        assert_eq!(listed(&gateway, kind).await, []);
        assert_eq!(gateway.movement(kind, &reference).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_was_made_before_the_moment_is_not_listed() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let payout = Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(300) };
    reference(&gateway, &payout).await;
    for (since, count) in [(CREATED, 1), (CREATED + 1, 0)] {
        let since = DateTime::from_timestamp(since, 0).unwrap();
        let page = gateway.page(MovementKind::Payout, since, None).await.unwrap();
        assert_eq!(page.movements.len(), count);
    }
}

#[tokio::test]
async fn an_amount_that_cannot_be_read_is_told_and_not_left_out() {
    let (fake, folder) = (Fake::start(None).await, tempfile::tempdir().unwrap());
    let gateway = gateway(&fake.url, folder.path());
    let payout = Instruction::PayOut { seller: "seller".parse().unwrap(), amount: usd(300) };
    reference(&gateway, &payout).await;
    fake.changes(|objects| objects[0]["currency"] = json!("xyz"));
    let page = gateway.page(MovementKind::Payout, DateTime::UNIX_EPOCH, None).await;
    assert!(matches!(page, Err(StatementError::Unreadable(_))), "{page:?}");
    let away = crate::gateway("http://127.0.0.1:1", folder.path());
    let page = away.page(MovementKind::Payout, DateTime::UNIX_EPOCH, None).await;
    assert!(matches!(page, Err(StatementError::Unavailable(_))), "{page:?}");
}
