//! Money on the wire: integer minor units, never a fraction, never a float.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest amount that is exact in every JSON reader: 2^53 − 1 minor units (RFC 8259 §6).
pub const MAX_AMOUNT: i64 = (1 << 53) - 1;

/// How a currency is written: an ISO 4217 alphabetic code. Whether the code exists is the domain's business.
pub const CURRENCY_PATTERN: &str = "^[A-Z]{3}$";

/// A lone amount with its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Minor units, e.g. cents; within ±(2^53 − 1).
    #[schemars(range(min = -MAX_AMOUNT, max = MAX_AMOUNT))]
    pub amount: i64,
    /// ISO 4217 code, e.g. `USD`.
    #[schemars(regex(pattern = CURRENCY_PATTERN))]
    pub currency: String,
}
