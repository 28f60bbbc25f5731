//! The states of an auction, with what belongs to each, and how a transition is refused.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Link,
    format::{Book, Outcome},
    second_chance::Chances,
};

/// Where an auction stands, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Published; bidding opens at `starts_at`.
    Scheduled,
    /// Takes bids.
    Open(Timing),
    /// Takes no bids for now; the time is given back.
    Paused {
        /// As it was when the pause began.
        timing: Timing,
        /// When it began.
        since: DateTime<Utc>,
        /// The pause of all auctions that this one follows; none when it alone is paused.
        halt: Option<u64>,
    },
    /// Over.
    Closed {
        /// The end, extensions included.
        ends_at: DateTime<Utc>,
        /// When that was decided.
        closed_at: DateTime<Utc>,
        /// How it ended.
        outcome: Outcome,
        /// Until when a partial lot may be declined; none when there is none.
        decline_until: Option<DateTime<Utc>>,
    },
    /// Taken back.
    Cancelled {
        /// By whom.
        by: CancelledBy,
        /// When.
        at: DateTime<Utc>,
    },
}

/// When an auction that takes bids ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The end, extensions included.
    pub ends_at: DateTime<Utc>,
    /// Since when bidding was not interrupted.
    pub open_since: DateTime<Utc>,
    /// Pauses that were given back in all, milliseconds.
    pub given_back_ms: u64,
}

impl Timing {
    pub(super) fn given_back(self) -> TimeDelta {
        TimeDelta::milliseconds(i64::try_from(self.given_back_ms).unwrap_or(i64::MAX))
    }

    /// With `lost` given back, and bidding open again from `until` on.
    pub(super) fn giving_back(self, lost: TimeDelta, until: DateTime<Utc>) -> Self {
        // A clock that was set back gives nothing, and takes nothing away.
        let lost_ms = lost.num_milliseconds().max(0);
        Self {
            ends_at: self.ends_at + TimeDelta::milliseconds(lost_ms),
            open_since: until.max(self.open_since),
            given_back_ms: self.given_back_ms + lost_ms.unsigned_abs(),
        }
    }
}

impl State {
    /// The state's name.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Scheduled => Status::Scheduled,
            Self::Open(_) => Status::Open,
            Self::Paused { .. } => Status::Paused,
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
    /// Takes no bids for now.
    Paused,
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
            Self::Paused => "paused",
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
    /// The operator.
    Operator,
}

/// Why bidding rested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// The operator paused it.
    Operator,
    /// The service was down.
    Downtime,
}

/// How far a log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Number of the last event.
    pub sequence: u64,
    /// Number of the last entry.
    pub number: u64,
    /// Its link.
    pub link: Link,
}

/// What changes in an auction, in the shape in which it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Number of the last event.
    pub sequence: u64,
    /// Number of the last entry of the log.
    pub number: u64,
    /// The last link of the log's chain.
    pub link: Link,
    /// The last halt that was followed.
    pub halt: u64,
    /// How far the log has come for everybody, when the entries after it are between the services alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<Mark>,
    /// Who had a second chance.
    #[serde(default, skip_serializing_if = "Chances::is_empty")]
    pub chances: Chances,
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
    /// To pause bidding.
    Pause,
    /// To go on with bidding.
    Resume,
    /// To take bids back.
    Retract,
    /// To decline a partial lot.
    Decline,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retract => "take bids back",
            Self::Decline => "let a lot be declined",
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
    /// Too little time is left, and the bid is too old.
    #[error("with less than 12 hours to go only a bid of the last hour can be taken back")]
    TooLate,
    /// The bidder has no such bid, or took it back before.
    #[error("the bidder has no such bid")]
    NoSuchBid,
    /// The bidder won all that was wanted, or nothing, or declined before.
    #[error("the bidder won no partial lot")]
    NothingToDecline,
    /// All auctions are paused, which only ends for all.
    #[error("all auctions are paused; it goes on with them")]
    AllPaused,
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
