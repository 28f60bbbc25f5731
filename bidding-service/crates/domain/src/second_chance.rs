//! Second chances: who is next when the buyer of a lot does not pay. A contender is offered the lot at the own
//! highest bid, so the price says nothing that the contender does not know.
//!
//! A contender is a bidder with a bid that was not taken back, who neither won nor had a chance before (eBay's
//! rule: once per bidder and item), who is not suspended, and whose own highest bid reaches the reserve: the
//! seller never agreed to less. The highest comes first, of equals the earlier. A seller is none, for a seller
//! cannot bid.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{
    bid::Bid,
    ids::{SettlementId, UserId},
    money::Amount,
};

/// The question who is next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The settlement that asks.
    pub settlement: SettlementId,
    /// Who had a chance, in settlement's words.
    pub excluded: Vec<UserId>,
}

/// Somebody who would have bought the lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contender {
    /// Who.
    pub bidder: UserId,
    /// The own highest bid. Private, save to that bidder.
    pub amount: Amount,
}

/// What settlement has asked so far, and who had a chance by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chances {
    nominated: Vec<UserId>,
    /// Whose question, and how many it excluded. A settlement excludes more with every question, so that tells its
    /// questions apart.
    answered: Vec<(SettlementId, usize)>,
}

impl Chances {
    /// Whether nothing was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answered.is_empty()
    }

    /// Whether the question had its answer.
    #[must_use]
    pub fn has_answered(&self, asked: &Asked) -> bool {
        self.answered.contains(&(asked.settlement, asked.excluded.len()))
    }

    pub(crate) fn answer(&mut self, asked: &Asked, nominated: Option<&UserId>) {
        self.answered.push((asked.settlement, asked.excluded.len()));
        self.nominated.extend(nominated.cloned());
    }

    /// The bidders who had no chance yet, by the bids that were not taken back: the highest own bid first, of
    /// equals the earlier.
    #[must_use]
    pub fn left(&self, asked: &Asked, bids: &[Bid]) -> Vec<Contender> {
        let mut best = BTreeMap::<&UserId, (Amount, Reverse<u64>)>::new();
        for bid in bids {
            let own = (bid.max, Reverse(bid.number));
            let known = best.entry(&bid.bidder).or_insert(own);
            *known = own.max(*known);
        }
        best.retain(|bidder, _| !asked.excluded.contains(bidder) && !self.nominated.contains(bidder));
        let mut ranked: Vec<_> = best.into_iter().collect();
        ranked.sort_by_key(|(_, rank)| Reverse(*rank));
        let contender = |(bidder, (amount, _)): (&UserId, _)| Contender { bidder: bidder.clone(), amount };
        ranked.into_iter().map(contender).collect()
    }
}
