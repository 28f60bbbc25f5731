//! Who is next? An answer for settlement, which nobody else is told of.

use chrono::{DateTime, Utc};

use super::{Auction, State, Transition};
use crate::{
    bid::Bid,
    event::Happening,
    format::Outcome,
    ids::UserId,
    log::Decided,
    second_chance::{Asked, Contender},
};

impl Auction {
    /// Answers who is next, or `None` when it has answered that question before. Nobody is next when the lot was not
    /// sold, or not as a whole, or not by bids (Dutch), or when its seller does not want that.
    ///
    /// `bids` are the accepted bids that were not taken back, `suspended` those of the
    /// [`contenders`](Self::contenders) who may not bid for now; the log keeps the latter with the answer.
    #[must_use]
    pub fn nominate(
        mut self,
        asked: &Asked,
        suspended: &[UserId],
        bids: &[Bid],
        now: DateTime<Utc>,
    ) -> Option<Transition> {
        if self.chances.has_answered(asked) {
            return None;
        }
        let (public, settlement) = (self.public(), asked.settlement);
        let next = self.contenders(asked, bids).into_iter().find(|next| !suspended.contains(&next.bidder));
        self.chances.answer(asked, next.as_ref().map(|next| &next.bidder));
        let told = match next {
            Some(Contender { bidder, amount }) => {
                Happening::Nominated { settlement, bidder, amount, currency: self.sale.currency }
            }
            None => Happening::Exhausted { settlement },
        };
        let decided = Decided::SecondChance { asked: asked.clone(), suspended: suspended.to_vec() };
        let entry = self.enter(now, decided, vec![told]);
        self.public = Some(public);
        Some(Transition { auction: self, entries: vec![entry] })
    }

    /// Who may be next, the first one first, suspended bidders among them.
    #[must_use]
    pub fn contenders(&self, asked: &Asked, bids: &[Bid]) -> Vec<Contender> {
        let State::Closed { outcome: Outcome::Sold { winner, .. }, .. } = &self.state else { return Vec::new() };
        let mut contenders = self.chances.left(asked, bids);
        contenders
            .retain(|next| self.sale.second_chance && next.bidder != *winner && self.rules().contends(next.amount));
        contenders
    }
}
