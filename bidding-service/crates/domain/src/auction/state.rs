//! The states of an auction, with what belongs to each, and how a transition is refused.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::format::{Book, Outcome};

/// Where an auction stands, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Published; bidding opens at `starts_at`.
    Scheduled,
    /// Takes bids.
    Open {
        /// The end, extensions included.
        ends_at: DateTime<Utc>,
    },
    /// Over.
    Closed {
        /// The end, extensions included.
        ends_at: DateTime<Utc>,
        /// When that was decided.
        closed_at: DateTime<Utc>,
        /// How it ended.
        outcome: Outcome,
    },
    /// Taken back.
    Cancelled {
        /// By whom.
        by: CancelledBy,
        /// When.
        at: DateTime<Utc>,
    },
}

impl State {
    /// The state's name.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Scheduled => Status::Scheduled,
            Self::Open { .. } => Status::Open,
            Self::Closed { .. } => Status::Closed,
            Self::Cancelled { .. } => Status::Cancelled,
        }
    }
}

/// A state's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Published; bidding opens at `starts_at`.
    Scheduled,
    /// Takes bids.
    Open,
    /// Over.
    Closed,
    /// Taken back.
    Cancelled,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// Who took an auction back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBy {
    /// The seller, before the first bid.
    Seller,
}

/// What changes in an auction, in the shape in which it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Number of the last event.
    pub sequence: u64,
    /// Where it stands.
    pub state: State,
    /// The bids so far.
    pub book: Book,
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// To open bidding.
    Open,
    /// To end bidding.
    Close,
    /// To take the lot back.
    Cancel,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Cancel => "cancel",
        })
    }
}

/// What stands against a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// The state has no such transition.
    #[error("its state does not allow it")]
    WrongState,
    /// Too early.
    #[error("it is due at {due_at}")]
    NotDue {
        /// When it is due.
        due_at: DateTime<Utc>,
    },
    /// Somebody bid: the seller is bound.
    #[error("it has bids")]
    HasBids,
    /// The end has passed.
    #[error("its end has passed")]
    Over,
    /// Only the seller may.
    #[error("only its seller may")]
    NotTheSeller,
}

/// A transition that did not happen; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an auction that is {status} did not {attempt}: {objection}")]
pub struct Refused {
    /// The state it was in.
    pub status: Status,
    /// What was tried.
    pub attempt: Attempt,
    /// Why not.
    pub objection: Objection,
}
