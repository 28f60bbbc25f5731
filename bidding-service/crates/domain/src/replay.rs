//! Plays an auction again from its terms and its log, by the domain's rules alone: whoever has both can
//! prove the result, or names the first entry that does not follow.

use chrono::{DateTime, Utc};

use crate::{
    auction::{Auction, CancelledBy, PausedBy, State, Transition},
    bid::{Bid, Order},
    halt::Halt,
    ids::AuctionId,
    log::{Decided, Entry},
    terms::Terms,
};

/// Why a log is not what the rules make of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {number}: {what}")]
pub struct Difference {
    /// Of the first entry that differs.
    pub number: u64,
    /// How it differs.
    pub what: String,
}

/// Plays the log of the auction `id` from its beginning.
///
/// # Errors
/// The first [`Difference`].
pub fn replay(id: AuctionId, terms: Terms, log: &[Entry]) -> Result<Auction, Difference> {
    let mut auction = Auction::schedule(id, terms);
    let mut bids = Vec::<Bid>::new();
    let mut head = auction.head().1;
    for (number, entry) in (1..).zip(log) {
        let differs = |what: String| Difference { number, what };
        if entry.number != number {
            return Err(differs(format!("it is missing; the log goes on with {}", entry.number)));
        }
        let (after, decided) = again(auction, entry, &mut bids).map_err(differs)?;
        if decided.record != entry.record {
            let said = |entry: &Entry| serde_json::to_string(&entry.record).unwrap_or_default();
            return Err(differs(format!("the log says {}, the rules say {}", said(entry), said(&decided))));
        }
        // The text as it is kept: another version may write the same record differently.
        let link = entry.link_after(head);
        let kept = (entry.auction_id, entry.sequence, entry.at, entry.link);
        if kept != (id, decided.sequence, decided.at, link) {
            return Err(differs(format!(
                "its auction, sequence, time or link is not what follows from the entries before: sequence {} for {}, link {} for {link}",
                entry.sequence, decided.sequence, entry.link
            )));
        }
        head = link;
        auction = after.proved(link);
    }
    Ok(auction)
}

fn halt_of_all(number: u64, reason: &str, since: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Halt {
    Halt { number, by: PausedBy::Operator, reason: reason.to_owned(), since, until }
}

/// Decides once more what an entry says was decided.
fn again(auction: Auction, entry: &Entry, bids: &mut Vec<Bid>) -> Result<(Auction, Entry), String> {
    let at = entry.at;
    let refused = |refused: crate::auction::Refused| refused.to_string();
    let transition = match &entry.record.decided {
        Decided::Opened => auction.open(at).map_err(refused)?,
        Decided::Bid { bid_id, bidder, ask, .. } => {
            let order = Order { bid_id: *bid_id, bidder: bidder.clone(), ask: *ask, suspended: false };
            let decision = auction.place_bid(&order, at);
            bids.push(decision.answer.map_err(|refusal| format!("the bid would be refused: {refusal}"))?);
            Transition { auction: decision.auction, entries: decision.entry.into_iter().collect() }
        }
        Decided::Retracted { bid_id, bidder, gone, reason } => {
            let transition = auction.retract(*bid_id, bidder, reason.as_deref(), bids, at).map_err(refused)?;
            bids.retain(|bid| !gone.contains(&bid.id));
            transition
        }
        Decided::Paused { reason, halt: None, .. } => auction.pause(reason, at).map_err(refused)?,
        Decided::Paused { reason, since, halt: Some(number) } => {
            auction.follow(&[halt_of_all(*number, reason, *since, None)], at)
        }
        Decided::Resumed { until } => match *auction.state() {
            State::Paused { since, halt: Some(number), .. } => {
                auction.follow(&[halt_of_all(number, "", since, Some(*until))], at)
            }
            _ => auction.resume(at).map_err(refused)?,
        },
        Decided::GivenBack { halt } if halt.is_of_one_lot() => auction.heard_late(at),
        Decided::GivenBack { halt } => auction.follow(std::slice::from_ref(halt), at),
        Decided::Closed => auction.close(at).map_err(refused)?,
        Decided::Cancelled { by: CancelledBy::Seller, .. } => {
            let seller = auction.sale().seller.clone();
            auction.cancel(&seller, at).map_err(refused)?
        }
        Decided::Cancelled { by: CancelledBy::Operator, reason } => {
            auction.cancel_by_operator(reason.as_deref().unwrap_or_default(), at).map_err(refused)?
        }
        Decided::Declined { bidder } => auction.decline(bidder, at).map_err(refused)?,
        Decided::SecondChance { asked, suspended } => {
            auction.nominate(asked, suspended, bids, at).ok_or("the question was answered before")?
        }
    };
    match <[Entry; 1]>::try_from(transition.entries) {
        Ok([decided]) => Ok((transition.auction, decided)),
        Err(entries) => Err(format!("the rules make {} entries of it", entries.len())),
    }
}
