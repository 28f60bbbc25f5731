//! The log of an auction: every decision that had an effect, with what was told of it, in a hash chain.
//! From the terms and the log alone the auction can be played again ([`replay`](crate::replay)).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    auction::CancelledBy,
    bid::{Ask, Bid, BidOutcome},
    chain::Link,
    event::{AuctionEvent, Happening},
    halt::Halt,
    ids::{AuctionId, BidId, UserId},
    money::Amount,
    second_chance::Asked,
};

/// A decision with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose log.
    pub auction_id: AuctionId,
    /// 1, 2, 3 … without a gap.
    pub number: u64,
    /// The number of the auction's last event after it.
    pub sequence: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// What was decided, and told.
    pub record: Record,
    /// The record as it is kept: JSON.
    pub text: String,
    /// Covers all of the above and the entry before.
    pub link: Link,
}

/// What the log keeps of a decision. Private: it has the bidders' maxima.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was asked for and granted.
    pub decided: Decided,
    /// The events, the last of which has the entry's sequence.
    pub told: Vec<Happening>,
}

/// What was asked for and granted: enough to decide it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decided", rename_all = "snake_case")]
pub enum Decided {
    /// Bidding opened.
    Opened,
    /// A bid was accepted.
    Bid {
        /// Which.
        bid_id: BidId,
        /// Whose.
        bidder: UserId,
        /// What was asked for.
        #[serde(flatten)]
        ask: Ask,
        /// What it did.
        outcome: BidOutcome,
        /// The price after it; none of a sealed bid.
        price: Option<Amount>,
    },
    /// Bids were taken back.
    Retracted {
        /// The bid that the bidder named.
        bid_id: BidId,
        /// Whose.
        bidder: UserId,
        /// The bids that went with it.
        gone: Vec<BidId>,
        /// The bidder's reason.
        reason: Option<String>,
    },
    /// Bidding was paused.
    Paused {
        /// Why.
        reason: String,
        /// From when on the time is given back.
        since: DateTime<Utc>,
        /// The pause of all auctions that this one follows; none when it alone was paused.
        halt: Option<u64>,
    },
    /// Bidding went on.
    Resumed {
        /// From when on the pause counts no more.
        until: DateTime<Utc>,
    },
    /// Time that was lost was given back.
    GivenBack {
        /// Why it was lost.
        halt: Halt,
    },
    /// Bidding ended.
    Closed,
    /// The lot was taken back.
    Cancelled {
        /// By whom.
        by: CancelledBy,
        /// The operator's reason.
        reason: Option<String>,
    },
    /// A partial lot was declined.
    Declined {
        /// By whom.
        bidder: UserId,
    },
    /// Settlement was told who is next.
    SecondChance {
        /// The question.
        asked: Asked,
        /// The contenders who might not bid then.
        suspended: Vec<UserId>,
    },
}

impl Entry {
    /// The entry after `before` (number, link), numbered and linked.
    pub(crate) fn after(
        (number, link): (u64, Link),
        auction_id: AuctionId,
        sequence: u64,
        at: DateTime<Utc>,
        record: Record,
    ) -> Self {
        let number = number + 1;
        // Types with string keys and no floats always have a JSON text.
        let text = serde_json::to_string(&record).unwrap_or_default();
        let link = link.next(number, sequence, at, &text);
        Self { auction_id, number, sequence, at, record, text, link }
    }

    /// The link that an entry with this content has after `before`.
    #[must_use]
    pub fn link_after(&self, before: Link) -> Link {
        before.next(self.number, self.sequence, self.at, &self.text)
    }

    /// What the others are told.
    pub fn events(&self) -> impl Iterator<Item = AuctionEvent> + '_ {
        let first = (self.sequence + 1).saturating_sub(self.record.told.len() as u64);
        (first..).zip(&self.record.told).map(|(sequence, what)| AuctionEvent {
            auction_id: self.auction_id,
            sequence,
            at: self.at,
            what: what.clone(),
        })
    }

    /// The bid, if the decision accepted one.
    #[must_use]
    pub fn bid(&self) -> Option<Bid> {
        let Decided::Bid { bid_id, bidder, ask, outcome, price } = &self.record.decided else { return None };
        Some(self.accepted(*bid_id, bidder, *ask, *outcome, *price))
    }

    /// The bids that the decision took back.
    #[must_use]
    pub fn retracted(&self) -> &[BidId] {
        if let Decided::Retracted { gone, .. } = &self.record.decided { gone } else { &[] }
    }

    /// The bid that this decision accepted.
    pub(crate) fn accepted(
        &self,
        id: BidId,
        bidder: &UserId,
        ask: Ask,
        outcome: BidOutcome,
        price: Option<Amount>,
    ) -> Bid {
        let (max, quantity) = match ask {
            Ask::Bid { max, quantity } => (max, quantity),
            Ask::BuyNow => (price.unwrap_or(Amount::ZERO), 1),
        };
        Bid {
            id,
            auction_id: self.auction_id,
            bidder: bidder.clone(),
            max,
            quantity,
            outcome,
            price,
            number: self.number,
            sequence: self.sequence,
            placed_at: self.at,
        }
    }
}

/// The accepted bids of a log that were not taken back, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StandingBids(Vec<Bid>);

impl StandingBids {
    /// Takes the log's next entry in.
    pub fn take(&mut self, entry: &Entry) {
        self.0.extend(entry.bid());
        let gone = entry.retracted();
        if !gone.is_empty() {
            self.0.retain(|bid| !gone.contains(&bid.id));
        }
    }

    /// The bids.
    #[must_use]
    pub fn into_vec(self) -> Vec<Bid> {
        self.0
    }
}

impl<'a> FromIterator<&'a Entry> for StandingBids {
    fn from_iter<T: IntoIterator<Item = &'a Entry>>(log: T) -> Self {
        let mut bids = Self::default();
        log.into_iter().for_each(|entry| bids.take(entry));
        bids
    }
}
