//! The Stripe adapter keeps the port's promises. Who proves what:
//!
//! | against | proves | cannot prove |
//! |---|---|---|
//! | [`fake`], a server in this test | the whole contract, idempotency, faults: state and time are in it | that Stripe is like it |
//! | `stripe-mock` | that each request is one that Stripe's own description of its API takes, and that its answers can be read | state: it forgets everything at once |
//! | [`fake`] with `stripe-mock` behind it | the contract with every request checked by that description and every answer made of its examples | what only Stripe itself knows |
//!
//! Without `stripe-mock` the last two are left out, and the test says so: see [`mock`].

mod contract;
mod fake;
mod faults;
mod mock;
mod statement;
mod wire;

use std::path::Path;

use settlement_adapter_payments::{StripeConfig, StripeGateway};
use settlement_domain::{Answer, CallKey, GatewayRef, Instruction, Money, Operation};
use settlement_ports::{GatewayResult, PaymentGateway};
use uuid::Uuid;

/// A gateway at an address, with one seller who has an account.
fn gateway(url: &str, folder: &Path) -> StripeGateway {
    let accounts_file = folder.join("accounts.json");
    std::fs::write(&accounts_file, r#"{"seller": "acct_1234567890"}"#).unwrap();
    let config = StripeConfig { url: url.to_owned(), key: "sk_test_123".into(), accounts_file };
    StripeGateway::new(config).unwrap()
}

fn key(operation: Operation) -> CallKey {
    CallKey::new(settlement_domain::SettlementId::from(Uuid::now_v7()), operation, 1)
}

fn usd(amount: i64) -> Money {
    Money::new(amount, "USD".parse().unwrap()).unwrap()
}

fn authorize(amount: i64) -> Instruction {
    Instruction::Authorize { amount: usd(amount), method: "pm_card_visa".parse().unwrap() }
}

async fn reference(gateway: &dyn PaymentGateway, instruction: &Instruction) -> GatewayRef {
    match gateway.execute(&key(instruction.operation()), instruction).await {
        GatewayResult::Answered(Answer::Succeeded { reference }) => reference,
        other => panic!("{instruction:?}: {other:?}"),
    }
}
