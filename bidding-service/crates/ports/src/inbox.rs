//! Incoming events are handled once, whatever the broker repeats.

use uuid::Uuid;

/// Which event came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// `CloudEvents` id.
    pub event_id: Uuid,
    /// `CloudEvents` source, e.g. `/outcry/listing-service`.
    pub source: String,
    /// The aggregate's id over there.
    pub key: String,
    /// Position among the events of that key, from 1.
    pub sequence: u64,
}

/// What the inbox knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The next one of its key.
    New,
    /// Handled before, or older than one handled.
    Duplicate,
    /// Some before it never came; it is taken all the same, and reported.
    Gap {
        /// The one that should have come.
        expected: u64,
    },
}
