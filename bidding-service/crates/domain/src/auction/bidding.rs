//! Bids are placed and taken back.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Attempt, Auction, Decision, Objection, Refused, State, Status, Timing, Transition};
use crate::{
    bid::{Ask, Bid, BidOutcome, Order, Refusal},
    event::Happening,
    format::{Offer, Phase, Ruling, Told},
    ids::{BidId, UserId},
    log::{Decided, Entry},
};

/// With more time to go, all bids of a bidder can be taken back: eBay's rule.
pub const RETRACT_ALL_BEFORE: TimeDelta = TimeDelta::hours(12);
/// With less, only a bid that is younger than this.
pub const RETRACT_ONE_WITHIN: TimeDelta = TimeDelta::hours(1);
/// So many bids are told of in one event that takes them back; of more there are several, each with what holds after all of them.
/// A broker refuses an event of a megabyte, and a bidder may have raised a maximum any number of times.
const MOST_TOLD_AT_ONCE: usize = 1_000;

impl Auction {
    /// Decides a bid.
    #[must_use]
    pub fn place_bid(mut self, order: &Order, now: DateTime<Utc>) -> Decision {
        match self.accept(order, now) {
            Ok((entry, bid)) => Decision { auction: self, entry: Some(entry), answer: Ok(bid) },
            Err(refusal) => Decision { auction: self, entry: None, answer: Err(refusal) },
        }
    }

    fn accept(&mut self, order: &Order, now: DateTime<Utc>) -> Result<(Entry, Bid), Refusal> {
        let timing = match self.state {
            State::Open(timing) if now < timing.ends_at => timing,
            State::Open(_) => return Err(Refusal::NotOpen { status: Status::Closed }),
            State::Paused { .. } => return Err(Refusal::Paused),
            _ => return Err(Refusal::NotOpen { status: self.status() }),
        };
        if order.bidder == self.sale.seller {
            return Err(Refusal::SellerMayNotBid);
        }
        if order.suspended {
            return Err(Refusal::BidderSuspended);
        }
        let phase = self.phase(now);
        let (sale, rules) = (&self.sale, self.format.rules_mut());
        let (ruling, quantity) = match order.ask {
            Ask::Bid { max, quantity } => {
                if let Some(unit) = sale.unit.filter(|unit| !max.is_multiple_of(*unit)) {
                    return Err(Refusal::NotPayable { currency: sale.currency, unit });
                }
                let offer = Offer { bid_id: order.bid_id, bidder: order.bidder.clone(), max, quantity };
                let placed = rules.place(&offer, phase).map_err(|refusal| match refusal {
                    Refusal::BidTooLow { next_minimum } => {
                        Refusal::BidTooLow { next_minimum: sale.payable(next_minimum) }
                    }
                    Refusal::AmountTooLarge { largest } => {
                        Refusal::AmountTooLarge { largest: sale.payable_at_most(largest) }
                    }
                    other => other,
                });
                (placed?, quantity)
            }
            Ask::BuyNow => (rules.buy_now(&order.bidder)?, 1),
        };
        Ok(self.take(order, quantity, ruling, timing, now))
    }

    /// Enters a bid that the format has taken.
    fn take(
        &mut self,
        order: &Order,
        quantity: u32,
        ruling: Ruling,
        timing: Timing,
        now: DateTime<Utc>,
    ) -> (Entry, Bid) {
        let Ruling { outcome, told, moved } = ruling;
        let bought = outcome == BidOutcome::Bought;
        let original_end = self.sale.ends_at + timing.given_back();
        let soft_close = self.rules().soft_close();
        let extended = if moved && !bought { soft_close.extended(original_end, timing.ends_at, now) } else { None };
        let ends_at = if bought { now } else { extended.unwrap_or(timing.ends_at) };
        self.state = State::Open(Timing { ends_at, ..timing });

        let price = told.as_ref().map(|told| told.price);
        let mut events: Vec<_> =
            told.map(|told| self.placed(order, quantity, outcome, told, now)).into_iter().collect();
        if extended.is_some() {
            events.push(Happening::Extended { bid_id: order.bid_id, previous_ends_at: timing.ends_at, ends_at });
        }
        if bought {
            events.push(self.end(now, now));
        }
        let Order { bid_id, bidder, ask, .. } = order.clone();
        let entry = self.enter(now, Decided::Bid { bid_id, bidder, ask, outcome, price }, events);
        let bid = entry.accepted(bid_id, &order.bidder, ask, outcome, price);
        (entry, bid)
    }

    fn placed(&self, order: &Order, quantity: u32, outcome: BidOutcome, told: Told, now: DateTime<Utc>) -> Happening {
        let standing = self.standing(now);
        Happening::BidPlaced {
            bid_id: order.bid_id,
            bidder: order.bidder.clone(),
            quantity,
            outcome,
            price: told.price,
            currency: self.sale.currency,
            next_minimum: standing.next_minimum,
            bid_count: self.rules().bid_count(),
            leader: told.leader,
            displaced: told.displaced,
            reserve: standing.reserve,
            ends_at: self.ends_at(),
        }
    }

    /// Takes a bidder's bids back: all of them with more than [`RETRACT_ALL_BEFORE`] to go, else only the one
    /// named, if it is younger than [`RETRACT_ONE_WITHIN`]. The price follows from the maxima that remain.
    /// `reason` is kept, `bids` are the accepted bids that were not taken back, in order.
    ///
    /// # Errors
    /// As [`may_retract`](Self::may_retract); [`Objection::NoSuchBid`] when `bids` has no such bid of the bidder.
    pub fn retract(
        mut self,
        bid_id: BidId,
        bidder: &UserId,
        reason: Option<&str>,
        bids: &[Bid],
        now: DateTime<Utc>,
    ) -> Result<Transition, Refused> {
        self.takes_bids_back(now)?;
        let Some(named) = bids.iter().find(|bid| bid.id == bid_id && bid.bidder == *bidder) else {
            return Err(self.refused(Attempt::Retract, Objection::NoSuchBid));
        };
        let all = self.may_retract(named, now)?;
        let goes = |bid: &&Bid| if all { bid.bidder == *bidder } else { bid.id == bid_id };
        let (gone, remain): (Vec<_>, Vec<_>) = bids.iter().partition(goes);
        let gone: Vec<_> = gone.iter().map(|bid| bid.id).collect();
        self.place_again(&remain);

        let told = if self.rules().is_sealed() {
            Vec::new()
        } else {
            let standing = self.standing(now);
            let told = gone.chunks(MOST_TOLD_AT_ONCE).map(|bid_ids| Happening::Retracted {
                bid_ids: bid_ids.to_vec(),
                bidder: bidder.clone(),
                price: standing.price,
                currency: self.sale.currency,
                next_minimum: standing.next_minimum,
                bid_count: self.rules().bid_count(),
                leader: standing.leader.cloned(),
                reserve: standing.reserve,
            });
            told.collect()
        };
        let (bidder, reason) = (bidder.clone(), reason.map(str::to_owned));
        Ok(self.entered(now, Decided::Retracted { bid_id, bidder, gone, reason }, told))
    }

    /// Whether the bid may be taken back now, as far as that can be told without the other bids; if so, whether
    /// all bids of its bidder go with it.
    ///
    /// # Errors
    /// [`Refused`] with [`Objection::WrongState`], [`Objection::Over`] or [`Objection::TooLate`].
    pub fn may_retract(&self, bid: &Bid, now: DateTime<Utc>) -> Result<bool, Refused> {
        let all = self.takes_bids_back(now)?.ends_at - now > RETRACT_ALL_BEFORE;
        let young = now - bid.placed_at < RETRACT_ONE_WITHIN;
        if all || young { Ok(all) } else { Err(self.refused(Attempt::Retract, Objection::TooLate)) }
    }

    fn takes_bids_back(&self, now: DateTime<Utc>) -> Result<Timing, Refused> {
        match self.state {
            State::Open(timing) if now < timing.ends_at => Ok(timing),
            State::Open(_) => Err(self.refused(Attempt::Retract, Objection::Over)),
            _ => Err(self.refused(Attempt::Retract, Objection::WrongState)),
        }
    }

    /// Counts only the remaining bids, each as of its own time.
    fn place_again(&mut self, bids: &[&Bid]) {
        let again = |bid: &&Bid| {
            let offer = Offer { bid_id: bid.id, bidder: bid.bidder.clone(), max: bid.max, quantity: bid.quantity };
            (offer, Phase::Open(bid.placed_at - self.sale.starts_at))
        };
        let offers: Vec<_> = bids.iter().map(again).collect();
        self.format.rules_mut().place_again(&offers);
    }
}
