//! The log by itself: numbered without a gap, no bid twice, prices that do not fall, one close.

use std::collections::BTreeMap;

use super::{Event, Findings, History, Placed, Rule};

/// The auction as it was after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State<'h> {
    pub open: bool,
    pub leader: Option<&'h str>,
    pub price: Option<i64>,
    pub next_minimum: i64,
    pub bid_count: u64,
}

/// A log that can be asked.
#[derive(Debug)]
pub(super) struct Log<'h> {
    /// The bids and their places, in order.
    pub bids: Vec<(u64, &'h Placed)>,
    /// The place of each bid by its id.
    pub places: BTreeMap<&'h str, u64>,
    /// `states[n]` is the auction after event `n`; before the first nothing is known of it.
    states: Vec<State<'h>>,
}

impl<'h> Log<'h> {
    /// Reads a log and notes what is wrong with it.
    pub fn of(history: &'h History, findings: &mut Findings) -> Self {
        let mut state =
            State { open: false, leader: None, price: None, next_minimum: history.terms.start_price, bid_count: 0 };
        let mut log = Self { bids: Vec::new(), places: BTreeMap::new(), states: vec![state] };
        let mut closed = false;
        for (entry, expected) in history.log.iter().zip(1..) {
            if entry.sequence != expected {
                findings.add(Rule::Log, format!("event {} comes where {expected} has to be", entry.sequence));
            }
            match &entry.event {
                Event::Opened => state.open = true,
                Event::Other(_) => {}
                Event::Bid(bid) => {
                    if !state.open {
                        let when = if closed { "after the close" } else { "before the opening" };
                        findings.add(Rule::Close, format!("bid {} counts {when}", bid.bid));
                    }
                    state = follow(state, bid, findings);
                    if log.places.insert(&bid.bid, expected).is_some() {
                        findings.add(Rule::Log, format!("bid {} is there twice", bid.bid));
                    }
                    log.bids.push((expected, bid));
                }
                Event::Closed { price, winner } => {
                    if closed {
                        findings.add(Rule::Close, format!("event {expected} closes it once more"));
                    }
                    (closed, state.open) = (true, false);
                    if *price != state.price || winner.as_deref() != state.leader {
                        let (price, leader) = (state.price, state.leader);
                        findings.add(
                            Rule::Close,
                            format!("it ends with {:?}, and the last bid left {price:?} and {leader:?}", entry.event),
                        );
                    }
                }
            }
            log.states.push(state);
        }
        if !closed {
            findings.add(Rule::Close, "it does not end");
        }
        log
    }

    /// The number of the last event.
    pub fn last(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    /// The auction after an event.
    pub fn after(&self, sequence: u64) -> Option<&State<'h>> {
        self.states.get(usize::try_from(sequence).ok()?)
    }
}

fn follow<'h>(before: State<'h>, bid: &'h Placed, findings: &mut Findings) -> State<'h> {
    if bid.bid_count != before.bid_count + 1 {
        findings.add(Rule::Log, format!("bid {} is number {} after {}", bid.bid, bid.bid_count, before.bid_count));
    }
    if before.price.is_some_and(|price| bid.price < price) {
        findings
            .add(Rule::Price, format!("the price falls from {:?} to {} by bid {}", before.price, bid.price, bid.bid));
    }
    State {
        open: before.open,
        leader: Some(&bid.leader),
        price: Some(bid.price),
        next_minimum: bid.next_minimum,
        bid_count: bid.bid_count,
    }
}
