//! Decides whether what clients saw of one auction can have happened: the checker of histories.
//!
//! A history is every call with its answer and the time between which it happened, and the auction's log. The log is
//! the witness: the order in which the service says that it decided. So nothing has to be searched for (deciding whether
//! *any* order exists is hard); it is checked that this one explains every answer:
//!
//! - [`Rule::Log`]: numbered from 1 without a gap, no bid twice, each bid counted;
//! - [`Rule::Lost`], [`Rule::Invented`]: every accepted bid is in it, and nothing that nobody sent. A call whose outcome
//!   is not known may be in it once or not at all;
//! - [`Rule::Answer`]: what a client was told is what the log says;
//! - [`Rule::Time`]: what had ended before something else began comes before it (linearizability), reads included;
//! - [`Rule::Refusal`]: at some moment during a call that was refused the auction did refuse it for this reason, and a
//!   refusal for a reason that no bid here can meet is wrong whenever it came;
//! - [`Rule::Price`]: prices and leaders follow from the maxima by the rules of the trade;
//! - [`Rule::Close`]: the close is one point, nothing is accepted after it, nor once the time is over, and nobody is told
//!   that it is over before;
//! - [`Rule::Key`]: an idempotency key has one answer and one effect.
//!
//! Pure code: times are durations since the run began.

mod close;
mod log;
mod operations;
mod order;
mod price;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

/// When something happened: not before `began` and not after `ended`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The request was sent.
    pub began: Duration,
    /// The answer was there.
    pub ended: Duration,
}

/// One attempt to bid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who bid.
    pub bidder: String,
    /// The idempotency key; a repetition has the same.
    pub key: String,
    /// The maximum.
    pub amount: i64,
    /// When.
    pub interval: Interval,
    /// What the client knows of it.
    pub outcome: Outcome,
}

/// What a client knows of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The bid counts.
    Accepted(Told),
    /// It was refused, for good.
    Refused(Refusal),
    /// Perhaps it counts: the connection was lost, or the service could not say.
    Unknown,
}

/// What an accepted bid was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The bid's id.
    pub bid: String,
    /// `leading`, `outbid` or `max_raised`.
    pub effect: String,
    /// The auction's last event after it.
    pub sequence: u64,
    /// The price after it.
    pub price: i64,
    /// Accepted bids after it.
    pub bid_count: u64,
}

/// Why a bid was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Below the next minimum.
    TooLow,
    /// Not above the own maximum.
    NotRaised,
    /// The auction is not open.
    NotOpen,
    /// For a reason that no bid of a history gives: who bids here may bid, and sends what can be read.
    Other(String),
}

/// A read of the auction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub interval: Interval,
    /// The last event that it shows.
    pub sequence: u64,
    /// The price, if there is one.
    pub price: Option<i64>,
    /// Accepted bids.
    pub bid_count: u64,
}

/// One event of the auction's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3 …
    pub sequence: u64,
    /// What happened.
    pub event: Event,
}

/// What happens in an auction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bids are taken.
    Opened,
    /// A bid counts.
    Bid(Placed),
    /// It is over.
    Closed {
        /// The hammer price, if it was sold.
        price: Option<i64>,
        /// The winner's alias, if it was sold.
        winner: Option<String>,
    },
    /// What changes neither price nor leader: an extension, time given back.
    Other(String),
}

/// A bid as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The bid's id.
    pub bid: String,
    /// The bidder's alias in this auction.
    pub alias: String,
    /// `leading`, `outbid` or `max_raised`.
    pub effect: String,
    /// The price after it.
    pub price: i64,
    /// The leader's alias after it.
    pub leader: String,
    /// The lowest next bid.
    pub next_minimum: i64,
    /// Accepted bids after it.
    pub bid_count: u64,
}

/// An ascending auction with the same increment at every price, without reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ascending {
    /// The first price.
    pub start_price: i64,
    /// By how much a bid must exceed the price.
    pub increment: i64,
}

/// Everything that is known of one auction that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Its terms.
    pub terms: Ascending,
    /// Every attempt to bid.
    pub calls: Vec<Call>,
    /// Every read.
    pub looks: Vec<Look>,
    /// Its log.
    pub log: Vec<Entry>,
    /// When its time was over, by the clock that decides that, as exactly as it is known here; none, if it is not.
    pub ends: Option<Interval>,
}

/// What a finding contradicts; the module tells each rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The log is numbered without a gap and counts.
    Log,
    /// Accepted bids are in the log.
    Lost,
    /// What is in the log was sent.
    Invented,
    /// Clients are told what the log says.
    Answer,
    /// The order respects real time.
    Time,
    /// Refusals are justified.
    Refusal,
    /// Prices follow from the maxima.
    Price,
    /// The close is one point.
    Close,
    /// A key has one answer and one effect.
    Key,
}

/// Something that cannot have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule it contradicts.
    pub rule: Rule,
    /// What is wrong, in a sentence.
    pub said: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.said)
    }
}

/// Findings so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(&mut self, rule: Rule, said: impl Into<String>) {
        self.0.push(Finding { rule, said: said.into() });
    }
}

impl History {
    /// What in this history cannot have happened; nothing, if all is well.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        let mut findings = Findings::default();
        let log = log::Log::of(self, &mut findings);
        let operations = operations::of(&self.calls, &mut findings);
        let matched = operations::matched(&operations, &log, &mut findings);
        let standings = price::check(self.terms, &operations, &matched, &log, &mut findings);
        let seen = order::Seen { operations: &operations, matched: &matched, log: &log, standings: &standings };
        seen.check(&self.looks, &mut findings);
        if let Some(ends) = self.ends {
            close::check(ends, &operations, &mut findings);
        }
        findings.0
    }
}
