//! From attempts to operations: all attempts with one idempotency key are one bid, which happened, if it did, between the
//! first attempt's begin and the first answer.

use std::{collections::BTreeMap, time::Duration};

use super::{Call, Findings, Outcome, Placed, Rule, log::Log};

/// One bid, however often it was tried.
#[derive(Debug)]
pub(super) struct Operation<'h> {
    pub key: &'h str,
    pub bidder: &'h str,
    pub amount: i64,
    pub began: Duration,
    /// When its effect was there at the latest; never, if nobody knows.
    pub ended: Option<Duration>,
    /// Accepted or refused; unknown, if no attempt was answered.
    pub outcome: &'h Outcome,
}

/// A bid of the log with the operation that it is, as far as that is certain.
#[derive(Debug)]
pub(super) struct Matched<'h> {
    pub place: u64,
    pub bid: &'h Placed,
    /// None, if several operations of unknown outcome may be it, or none at all.
    pub operation: Option<usize>,
}

/// The operations in the order of their first attempts.
pub(super) fn of<'h>(calls: &'h [Call], findings: &mut Findings) -> Vec<Operation<'h>> {
    let mut operations: BTreeMap<&str, Operation> = BTreeMap::new();
    for call in calls {
        let known = call.outcome != Outcome::Unknown;
        let ended = known.then_some(call.interval.ended);
        let operation = operations.entry(&call.key).or_insert(Operation {
            key: &call.key,
            bidder: &call.bidder,
            amount: call.amount,
            began: call.interval.began,
            ended,
            outcome: &call.outcome,
        });
        operation.began = operation.began.min(call.interval.began);
        if !known {
            continue;
        }
        if *operation.outcome == Outcome::Unknown {
            operation.outcome = &call.outcome;
        } else if *operation.outcome != call.outcome {
            findings.add(
                Rule::Key,
                format!("key {} was answered {:?}, and also {:?}", call.key, operation.outcome, call.outcome),
            );
        }
        operation.ended = operation.ended.map_or(ended, |before| Some(before.min(call.interval.ended)));
    }
    let mut operations: Vec<_> = operations.into_values().collect();
    operations.sort_by_key(|operation| operation.began);
    operations
}

/// Finds for each bid of the log whose it is: by its id where a client was told, else by the bidder.
pub(super) fn matched<'h>(operations: &[Operation<'h>], log: &Log<'h>, findings: &mut Findings) -> Vec<Matched<'h>> {
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, operation) in operations.iter().enumerate() {
        let Outcome::Accepted(answer) = operation.outcome else { continue };
        match log.places.get(answer.bid.as_str()) {
            None => findings.add(Rule::Lost, format!("bid {} was accepted and is not in the log", answer.bid)),
            Some(_) => {
                if let Some(other) = told.insert(&answer.bid, index) {
                    let keys = (operations[other].key, operation.key);
                    findings.add(Rule::Key, format!("bid {} answers two keys: {keys:?}", answer.bid));
                }
            }
        }
    }
    let aliases = aliases(operations, &told, log, findings);
    let mut matched = Vec::with_capacity(log.bids.len());
    let mut unexplained: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &(place, bid) in &log.bids {
        let operation = told.get(bid.bid.as_str()).copied();
        if operation.is_none() {
            unexplained.entry(&bid.alias).or_default().push(matched.len());
        }
        matched.push(Matched { place, bid, operation });
    }
    explain(operations, &aliases, unexplained, &mut matched, findings);
    matched
}

/// Who is who: a bidder has one alias in an auction, and an alias one bidder.
fn aliases<'h>(
    operations: &[Operation<'h>],
    told: &BTreeMap<&'h str, usize>,
    log: &Log<'h>,
    findings: &mut Findings,
) -> BTreeMap<&'h str, &'h str> {
    let (mut bidders, mut aliases) = (BTreeMap::new(), BTreeMap::new());
    for (_, bid) in &log.bids {
        let Some(&operation) = told.get(bid.bid.as_str()) else { continue };
        let (alias, bidder) = (bid.alias.as_str(), operations[operation].bidder);
        if *bidders.entry(alias).or_insert(bidder) != bidder || *aliases.entry(bidder).or_insert(alias) != alias {
            findings.add(Rule::Answer, format!("bid {} of {bidder} is in the log as one of {alias}", bid.bid));
        }
    }
    bidders
}

/// Gives bids that nobody was told of to operations whose outcome nobody knows, one each.
fn explain(
    operations: &[Operation<'_>],
    bidders: &BTreeMap<&str, &str>,
    unexplained: BTreeMap<&str, Vec<usize>>,
    matched: &mut [Matched<'_>],
    findings: &mut Findings,
) {
    let open = |bidder: Option<&str>| {
        let lost = operations.iter().enumerate().filter(|(_, operation)| *operation.outcome == Outcome::Unknown);
        // Who was told of no bid at all has an alias that nobody knows.
        let known = |name: &str| bidders.values().any(|bidder| *bidder == name);
        lost.filter(|(_, operation)| bidder.map_or(!known(operation.bidder), |bidder| operation.bidder == bidder))
            .map(|(index, _)| index)
            .collect::<Vec<_>>()
    };
    for (alias, places) in unexplained {
        let candidates = open(bidders.get(alias).copied());
        if candidates.len() < places.len() {
            let bids: Vec<_> = places.iter().map(|&place| matched[place].bid.bid.as_str()).collect();
            findings.add(
                Rule::Invented,
                format!("{alias} has the bids {bids:?} that no answer tells of, and {} lost calls", candidates.len()),
            );
        } else if let ([place], [operation]) = (places.as_slice(), candidates.as_slice()) {
            matched[*place].operation = Some(*operation);
        }
    }
}
