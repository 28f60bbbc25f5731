//! The buyer's bank takes the money back. What is not paid out yet is stopped until the operator decides; what is, is
//! only noted.
//!
//! | where the settlement stands | a chargeback is noted, and |
//! |---|---|
//! | the money is not known to be in escrow yet | it is stopped as soon as it is |
//! | escrowed | needs the operator |
//! | shipped | disputed |
//! | a part is being given back | it is stopped before the rest is paid |
//! | received, waiting for the seller's next payout | needs the operator |
//! | part of a payout, completed | nothing else |
//! | disputed, or needs the operator | nothing else: it is stopped already |
//! | being undone, refunded, failed | nothing else: the seller gets nothing |

use chrono::{DateTime, Utc};

use super::run::{Run, stuck};
use super::table::Step::{self, PayOut, Receive, Ship};
use super::{Change, Position, SagaError, position};
use crate::settlement::{Claim, Settlement};

impl Run {
    /// The sale rests until the operator decides.
    pub(super) fn stopped(self) -> Result<Self, SagaError> {
        let now = self.now;
        self.moved(|settlement| settlement.stopped(now))
    }

    /// Whether a chargeback that came while the gateway was awaited stops the sale before this step: the money is in escrow
    /// by now.
    pub(super) fn has_to_be_stopped(&self, step: Step) -> bool {
        matches!(step, Ship | PayOut) && self.change.settlement.is_to_be_stopped()
    }
}

/// The buyer's bank took the money back. What is known already changes nothing.
#[must_use]
pub fn charged_back(mut settlement: Settlement, claim: Claim, now: DateTime<Utc>) -> Change {
    if !settlement.notes(claim, now) {
        return Run::of(settlement, now).into();
    }
    let mut run = Run::of(settlement.clone(), now);
    let run = match position(&settlement) {
        Position::Waiting(Ship | Receive) | Position::Owed => run.stopped(),
        // It matters only if there is a step left that pays somebody.
        Position::Waiting(_) | Position::Calling(_) | Position::Undoing(_) => {
            run.change.settlement.stop_later();
            Ok(run)
        }
        Position::Within | Position::Asking(_) | Position::Resting => Ok(run),
    };
    run.map_or_else(|error| stuck(settlement, None, &error, now), Change::from)
}
