//! A settlement as a row, both ways. The domain's invariants are private to it, so it is its own JSON form that is
//! taken apart into columns here and put together again.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use settlement_domain::{Settlement, saga};
use settlement_ports::StoreError;
use uuid::Uuid;

use crate::error::corrupt;

/// The columns of `settlement` that are not generated.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Row {
    pub id: Uuid,
    pub auction_id: Uuid,
    pub seller_id: String,
    pub buyer_id: String,
    pub amount: i64,
    pub currency: String,
    pub quote: Value,
    pub terms: Value,
    pub started_at: DateTime<Utc>,
    pub payment_due_at: DateTime<Utc>,
    pub sequence: i64,
    pub attempts: Value,
    pub state: Value,
    pub rest: Value,
    pub due_at: Option<DateTime<Utc>>,
}

/// Members of a settlement's JSON that have a column of their own; all others are in `rest`.
const COLUMNS: [&str; 9] =
    ["id", "auction_id", "seller_id", "buyer_id", "quote", "terms", "started_at", "payment_due_at", "sequence"];

impl TryFrom<&Settlement> for Row {
    type Error = StoreError;
    fn try_from(settlement: &Settlement) -> Result<Self, StoreError> {
        let whole = serde_json::to_value(settlement).map_err(corrupt)?;
        let mut rest: Map<String, Value> = serde_json::from_value(whole).map_err(corrupt)?;
        rest.retain(|member, _| !COLUMNS.contains(&member.as_str()));
        let (attempts, state) = (rest.remove("attempts"), rest.remove("state"));
        Ok(Self {
            id: settlement.id().as_uuid(),
            auction_id: settlement.auction_id().as_uuid(),
            seller_id: settlement.seller_id().as_str().to_owned(),
            buyer_id: settlement.buyer_id().as_str().to_owned(),
            amount: settlement.price().amount(),
            currency: settlement.price().currency().code().to_owned(),
            quote: serde_json::to_value(settlement.quote()).map_err(corrupt)?,
            terms: serde_json::to_value(settlement.terms()).map_err(corrupt)?,
            started_at: settlement.started_at(),
            payment_due_at: settlement.payment_due_at(),
            sequence: number(settlement.sequence())?,
            attempts: attempts.unwrap_or_default(),
            state: state.unwrap_or_default(),
            rest: rest.into(),
            due_at: saga::due_at(settlement),
        })
    }
}

impl TryFrom<Row> for Settlement {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = row.id;
        let mut whole = json!({
            "id": row.id,
            "auction_id": row.auction_id,
            "seller_id": row.seller_id,
            "buyer_id": row.buyer_id,
            "quote": row.quote,
            "terms": row.terms,
            "started_at": row.started_at,
            "payment_due_at": row.payment_due_at,
            "sequence": row.sequence,
            "attempts": row.attempts,
            "state": row.state,
        });
        if let (Value::Object(whole), Value::Object(rest)) = (&mut whole, row.rest) {
            whole.extend(rest);
        }
        serde_json::from_value(whole).map_err(|error| corrupt(format!("settlement {id}: {error}")))
    }
}

pub(crate) fn number(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(corrupt)
}

pub(crate) fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(corrupt)
}
