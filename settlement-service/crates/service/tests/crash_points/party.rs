//! The seller and the buyer of one lot, whose names occur nowhere else: by them it is known what concerns their
//! settlement.

use std::sync::{Mutex, OnceLock};

use serde_json::Value;
use uuid::Uuid;

use crate::story::Story;

/// Two people and their lot.
#[derive(Debug)]
pub struct Party {
    pub story: Story,
    pub auction: Uuid,
    pub seller: String,
    pub buyer: String,
    /// The seller's account at the gateway.
    pub account: String,
    /// Known once the service has heard of the sale.
    settlement: OnceLock<Uuid>,
    /// What they asked for, and got.
    pub requests: Mutex<Vec<Request>>,
}

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Request {
    pub who: String,
    pub path: String,
    pub key: String,
    pub body: Value,
    pub status: u16,
    pub answer: Value,
}

impl Party {
    pub fn new(story: Story) -> Self {
        let auction = Uuid::now_v7();
        let tag = auction.simple();
        Self {
            story,
            auction,
            seller: format!("anna-{tag}"),
            buyer: format!("bert-{tag}"),
            account: format!("acct_{tag}"),
            settlement: OnceLock::new(),
            requests: Mutex::default(),
        }
    }

    /// The settlement of their lot.
    ///
    /// # Panics
    /// Before the service has heard of the sale.
    pub fn settlement(&self) -> Uuid {
        *self.settlement.get().expect("the settlement is known by now")
    }

    pub fn has_settlement(&self, id: Uuid) {
        let _known = self.settlement.set(id);
    }

    /// Whether the service has heard of the sale.
    pub fn is_known(&self) -> bool {
        self.settlement.get().is_some()
    }

    /// Whether anything of theirs is in there, as text or in binary.
    pub fn is_named_in(&self, bytes: &[u8]) -> bool {
        let ids = [Some(&self.auction), self.settlement.get()];
        let named = |id: &Uuid| contains(bytes, id.as_bytes()) || contains(bytes, id.to_string().as_bytes());
        ids.into_iter().flatten().any(named) || contains(bytes, self.auction.simple().to_string().as_bytes())
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}
