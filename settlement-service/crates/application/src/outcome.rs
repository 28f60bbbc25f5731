//! What a use case answers: a result that is stored and replayed as it is, or an error that is not.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use settlement_domain::Status;
use settlement_domain::money::Unit;
use settlement_domain::saga::SagaError;
use settlement_ports::StoreError;

use crate::SettlementView;
use crate::retry::MaybeConflict;

/// A decided outcome; refusals are decided, too, and are kept like successes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was done; so the settlement stands now.
    Done {
        /// As its actor sees it.
        settlement: Box<SettlementView>,
    },
    /// Not in this state.
    Refused {
        /// Where the settlement stands.
        status: Status,
        /// What it does not take there, by its name in the API.
        event: String,
    },
    /// Its deadline has passed.
    Late {
        /// What came late.
        event: String,
        /// What it missed.
        deadline: DateTime<Utc>,
    },
    /// The buyer has tried to pay as often as one may.
    PaymentsExhausted,
    /// The dispute has as much evidence as it may have.
    EvidenceFull,
    /// The operator may decide otherwise, and not this.
    NotAllowed {
        /// What was decided.
        decision: String,
        /// What may be.
        allowed: Vec<String>,
    },
    /// The part to be given back is not a part of the seller's share.
    NoPart {
        /// The seller's share, minor units.
        most: i64,
        /// What it has to be a multiple of, minor units.
        #[serde(default = "Outcome::minor_unit")]
        unit: Unit,
    },
    /// A decision outside a dispute says why.
    NoNote,
    /// A chargeback has come since the operator looked.
    ChargebackUnseen {
        /// How many the operator saw.
        seen: usize,
        /// How many are noted.
        noted: usize,
    },
}

/// An outcome, and whether it is the first answer again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<T> {
    /// What was decided.
    pub outcome: T,
    /// Whether an earlier request with the same key decided it.
    pub replayed: bool,
}

/// Why there is no outcome. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UseError {
    /// There is none, or none that the asker may know of.
    #[error("there is no such settlement")]
    NotFound,
    /// The ledger has no entry of this reference.
    #[error("the ledger has no such entry")]
    NoEntry,
    /// No payout of the caller's has this id.
    #[error("no such payout")]
    NoPayout,
    /// Another person's standing is nobody else's business.
    #[error("there is no such bidder")]
    NoBidder,
    /// The asker may see it and not do this.
    #[error("only {0} may do this")]
    Forbidden(&'static str),
    /// The idempotency key came with another request before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A request with this idempotency key is being answered.
    #[error("a request with this idempotency key is running")]
    KeyRunning,
    /// Other units of work came first each time: to be tried again.
    #[error("too many requests for the same settlement")]
    Conflict,
    /// So many requests wait that this one was not begun: to be tried again.
    #[error("too many requests wait; this one was not begun")]
    Busy,
    /// Another unit of work has had what this is about for too long: to be tried again.
    #[error("something else is at work on this and has been for too long; nothing was changed, ask again")]
    Held,
    /// What became of it is not known: asked again by the same key, it has its effect once.
    #[error("it is not known whether this was done; ask again with the same idempotency key")]
    Unknown,
    /// The store is away: to be tried again.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A defect.
    #[error("defect: {0}")]
    Defect(String),
}

impl MaybeConflict for UseError {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict)
    }
}

impl From<StoreError> for UseError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            StoreError::Locked => Self::Held,
            StoreError::Unavailable(what) => Self::Unavailable(what),
            StoreError::Corrupt(what) => Self::Defect(what),
        }
    }
}

impl From<serde_json::Error> for UseError {
    fn from(error: serde_json::Error) -> Self {
        Self::Defect(format!("a stored answer cannot be read or written: {error}"))
    }
}

impl Outcome {
    /// What was meant by answers that were kept without a unit.
    const fn minor_unit() -> Unit {
        Unit::MIN
    }

    /// The saga's refusal as an outcome; a defect is none.
    pub(crate) fn of_refusal(error: &SagaError) -> Result<Self, UseError> {
        match error {
            SagaError::Refused(refused) => {
                Ok(Self::Refused { status: refused.status, event: refused.event.to_owned() })
            }
            SagaError::Late { event, deadline } => Ok(Self::Late { event: (*event).to_owned(), deadline: *deadline }),
            SagaError::PaymentsExhausted => Ok(Self::PaymentsExhausted),
            SagaError::EvidenceFull => Ok(Self::EvidenceFull),
            SagaError::NotAllowed { verdict, allowed } => Ok(Self::NotAllowed {
                decision: (*verdict).to_owned(),
                allowed: allowed.iter().map(ToString::to_string).collect(),
            }),
            SagaError::NoPart { most, unit } => Ok(Self::NoPart { most: *most, unit: *unit }),
            SagaError::NoNote => Ok(Self::NoNote),
            SagaError::ChargebackUnseen { seen, noted } => Ok(Self::ChargebackUnseen { seen: *seen, noted: *noted }),
            SagaError::Ledger(_) | SagaError::InDoubt(_) => Err(UseError::Defect(error.to_string())),
        }
    }
}
