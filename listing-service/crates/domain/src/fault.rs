//! What is wrong with an input, so that all of it can be told at once.

use serde::{Deserialize, Serialize};

/// One fault of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) to the member at fault.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// Collects faults; empty means valid.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault unless `holds`.
    pub fn require(&mut self, holds: bool, pointer: &str, detail: impl Into<String>) {
        if !holds {
            self.0.push(Fault { pointer: pointer.to_owned(), detail: detail.into() });
        }
    }

    /// `Ok(value)` when nothing was noted.
    pub fn or<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}
