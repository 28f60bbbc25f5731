//! The hash chain of an auction's decisions: each link covers the one before it, so that nothing in the log
//! can be changed, left out or put in without breaking every later link.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ids::AuctionId, terms::Terms};

/// A link: SHA-256. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(#[serde(with = "hex::serde")] pub [u8; 32]);

impl Link {
    /// Where the chain of an auction begins: its id and its terms.
    #[must_use]
    pub fn genesis(id: AuctionId, terms: &Terms) -> Self {
        Self::over(b"outcry auction log v1", &(id, terms))
    }

    /// The link after this one.
    #[must_use]
    pub fn next(self, decision: &impl Serialize) -> Self {
        Self::over(&self.0, decision)
    }

    /// What is hashed is `prefix` and the JSON of `what`: its fields in the order of the type, without
    /// spaces.
    fn over(prefix: &[u8], what: &impl Serialize) -> Self {
        let mut digest = Sha256::new();
        digest.update(prefix);
        // Types with string keys and no floats always have a JSON text.
        digest.update(serde_json::to_vec(what).unwrap_or_default());
        Self(digest.finalize().into())
    }
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
