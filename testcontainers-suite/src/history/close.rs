//! The end against the clock that decides it: what began after it is too late, and who was answered before it was not.

use super::{Findings, Interval, Outcome, Refusal, Rule, operations::Operation};

/// Checks answers against the time at which the auction's time was over.
pub(super) fn check(ends: Interval, operations: &[Operation<'_>], findings: &mut Findings) {
    for operation in operations {
        let Operation { bidder, amount, began, ended, .. } = operation;
        match operation.outcome {
            Outcome::Accepted(told) if *began > ends.ended => findings.add(
                Rule::Close,
                format!("bid {} was sent at {began:?} and counts; the time was over at {:?}", told.bid, ends.ended),
            ),
            Outcome::Refused(Refusal::NotOpen) if ended.is_some_and(|ended| ended < ends.began) => findings.add(
                Rule::Close,
                format!("{amount} of {bidder} was too late at {ended:?}; the time was over at {:?}", ends.began),
            ),
            Outcome::Accepted(_) | Outcome::Refused(_) | Outcome::Unknown => {}
        }
    }
}
