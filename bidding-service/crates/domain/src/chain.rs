//! The hash chain of an auction's decisions: each link covers the one before it, so that nothing in the log
//! can be changed, left out or put in without breaking every later link.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use chrono::{DateTime, Utc};

use crate::{ids::AuctionId, terms::Terms};

/// A link: SHA-256. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(#[serde(with = "hex::serde")] pub [u8; 32]);

impl Link {
    /// Where the chain of an auction begins: its id and its terms.
    #[must_use]
    pub fn genesis(id: AuctionId, terms: &Terms) -> Self {
        Self::over(&[b"outcry auction log v1", &json(&(id, terms))])
    }

    /// The link of the entry after this one. `record` is hashed as it is kept, so that what a later version
    /// would write differently still proves what this one wrote.
    #[must_use]
    pub fn next(self, number: u64, sequence: u64, at: DateTime<Utc>, record: &str) -> Self {
        Self::over(&[&self.0, &json(&(number, sequence, at)), record.as_bytes()])
    }

    fn over(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// Types with string keys and no floats always have a JSON text: fields in the order of the type, without spaces.
fn json(what: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(what).unwrap_or_default()
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({self})")
    }
}
