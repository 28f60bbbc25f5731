//! Events from other services, each to take effect once.

use uuid::Uuid;

/// Which event it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Unique for the event.
    pub event_id: Uuid,
    /// The `CloudEvents` source, e.g. `/outcry/bidding-service`.
    pub source: String,
    /// What the event is about; its sequence counts per source and key.
    pub key: String,
    /// Its number.
    pub sequence: u64,
}

/// Whether it was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// No.
    New,
    /// Yes, or a later one of the same key was.
    Duplicate,
    /// No, and the one that should have come was not seen either. Recorded and to be handled like [`Seen::New`].
    Gap {
        /// The number that should have come.
        expected: u64,
    },
}
