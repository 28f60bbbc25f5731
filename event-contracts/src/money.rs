//! Money on the wire: integer minor units, never a fraction, never a float.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest amount that is exact in every JSON reader: 2^53 − 1 minor units (RFC 8259 §6).
pub const MAX_AMOUNT: i64 = (1 << 53) - 1;

/// A lone amount with its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Minor units, e.g. cents; within ±(2^53 − 1).
    pub amount: i64,
    /// ISO 4217 code, e.g. `USD`.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: String,
}
