//! The steps of a saga as bare SQL: what a service that knew no batches would write, a transaction a step.
//!
//! | step | writes, besides locking the settlement |
//! |---|---|
//! | 0 intake | inbox, settlement, outbox |
//! | 1 pay | idempotency key, settlement, call |
//! | 2 claim the authorization | call |
//! | 3 its answer | call, settlement, next call |
//! | 4 claim the capture | call |
//! | 5 its answer | call, settlement, ledger, outbox |
//! | 6 ship | idempotency key, settlement, outbox |
//! | 7 receive | idempotency key (if a person does it), settlement, ledger |
//! | 8 gather | settlement, payout, call |
//! | 9 claim the payout | call |
//! | 10 its answer | call, payout, settlement, ledger, outbox |

use anyhow::Result;
use sqlx::PgConnection;

use super::shapes::{AUTHORIZE, CAPTURE, PAY_OUT, Saga, authorized, completed, escrowed, received, shipped, started};
use super::unit::{CAPTURED, PAID_OUT, RELEASED, Unit};

/// How many steps there are.
pub const STEPS: usize = 11;
/// The first step after shipping.
pub const AFTER_SHIPPING: usize = 7;

const ONE: &str = r#"{"authorize":1}"#;
const BOTH: &str = r#"{"authorize":1,"capture":1}"#;

/// Does a step of a saga; `by_itself` if nobody asked for it.
pub async fn step(connection: &mut PgConnection, saga: &Saga, number: usize, by_itself: bool) -> Result<()> {
    let mut unit = Unit::begin(connection, saga).await?;
    match number {
        0 => {
            unit.receive().await?;
            unit.start().await?;
            unit.tell("started", 1, &started(saga)).await?;
        }
        1 => {
            let now = unit.lock().await?;
            unit.answer("pay", &saga.buyer).await?;
            unit.save(1, ONE, r#"{"status":"authorizing","method":"pm_card_visa"}"#, None).await?;
            unit.plan("authorize", AUTHORIZE, now).await?;
        }
        2 => unit.claim("authorize", AUTHORIZE).await?,
        3 => {
            let now = unit.lock().await?;
            unit.know("authorize", AUTHORIZE).await?;
            unit.save(1, BOTH, &authorized(), None).await?;
            unit.plan("capture", CAPTURE, now).await?;
        }
        4 => unit.claim("capture", CAPTURE).await?,
        5 => {
            let now = unit.lock().await?;
            unit.know("capture", CAPTURE).await?;
            unit.save(2, BOTH, &escrowed(), Some(now)).await?;
            unit.post("captured", CAPTURED, now).await?;
            unit.tell("escrowed", 2, &escrowed()).await?;
        }
        6 => {
            let now = unit.lock().await?;
            unit.answer("ship", &saga.seller).await?;
            unit.save(3, BOTH, &shipped(), Some(now)).await?;
            unit.tell("shipped", 3, &shipped()).await?;
        }
        7 => {
            let now = unit.lock().await?;
            if !by_itself {
                unit.answer("receive", &saga.buyer).await?;
            }
            unit.save(3, BOTH, &received(r#"{"in":"waiting","due_at":"2030-01-01T00:00:00.000000Z"}"#), Some(now))
                .await?;
            unit.post("released", RELEASED, now).await?;
        }
        8 => {
            let now = unit.lock().await?;
            let within = format!(r#"{{"in":"within","payout_id":"{}"}}"#, saga.payout);
            unit.save(3, BOTH, &received(&within), None).await?;
            unit.pay_out(now).await?;
            unit.plan("pay_out", PAY_OUT, now).await?;
        }
        9 => unit.claim("pay_out", PAY_OUT).await?,
        _ => {
            let now = unit.lock().await?;
            unit.know("pay_out", PAY_OUT).await?;
            unit.paid().await?;
            unit.save(4, BOTH, &completed(saga), None).await?;
            unit.post("paid_out", PAID_OUT, now).await?;
            unit.tell("completed", 4, &completed(saga)).await?;
        }
    }
    unit.commit().await
}
