//! The auction: one lot, one format, one life.
//!
//! | state | open | bid, buy now | retract | pause | resume | close | cancel | decline |
//! |---|---|---|---|---|---|---|---|---|
//! | scheduled | open, from `starts_at` on | refused | – | – | – | – | cancelled | – |
//! | open | – | open or closed, before `ends_at` | open | paused | – | closed, from `ends_at` on | cancelled | – |
//! | paused | – | refused | – | – | open | – | cancelled | – |
//! | closed | – | refused | – | – | – | – | – | closed |
//! | cancelled | – | refused | – | – | – | – | – | – |
//!
//! The seller cancels before the first bid, the operator any time. Settlement may ask who is next in any state, and
//! the state stays. A transition consumes the auction and
//! returns the next one with the entries of its log, or an error that names state and attempt. `now` is
//! always the time read under the auction's lock.

mod bidding;
mod chances;
mod pausing;
mod state;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::state::{Attempt, CancelledBy, Mark, Objection, PausedBy, Refused, Snapshot, State, Status, Timing};
use crate::{
    bid::{Bid, Refusal},
    chain::Link,
    event::Happening,
    format::{Award, Format, Mismatch, Outcome, Phase, Rules, Standing},
    ids::{AuctionId, UserId},
    log::{Decided, Entry, Record},
    second_chance::Chances,
    terms::{Sale, Terms},
};

/// An auction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auction {
    id: AuctionId,
    sale: Sale,
    format: Format,
    /// Number of the last event.
    sequence: u64,
    /// Number and link of the last entry of the log.
    head: (u64, Link),
    /// How far the log has come for everybody, when the entries after it are between the services alone.
    public: Option<Mark>,
    /// Who had a second chance.
    chances: Chances,
    /// Number of the last halt that was followed.
    halt: u64,
    state: State,
}

/// A transition that happened: what to save, and what to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The auction after it.
    pub auction: Auction,
    /// Numbered on from the auction's before.
    pub entries: Vec<Entry>,
}

/// A bid that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The auction after it; as it was when the bid is refused.
    pub auction: Auction,
    /// None when the bid is refused.
    pub entry: Option<Entry>,
    /// The bid as accepted, or why not.
    pub answer: Result<Bid, Refusal>,
}

impl Auction {
    /// A published lot that waits for its start. Tells nobody yet.
    #[must_use]
    pub fn schedule(id: AuctionId, terms: Terms) -> Self {
        let head = (0, Link::genesis(id, &terms));
        let (sale, format) = terms.into_parts();
        Self {
            id,
            sale,
            format: Format::new(format),
            sequence: 0,
            head,
            public: None,
            chances: Chances::default(),
            halt: 0,
            state: State::Scheduled,
        }
    }

    /// Opens bidding, from `starts_at` on.
    pub fn open(mut self, now: DateTime<Utc>) -> Result<Transition, Refused> {
        if self.state != State::Scheduled {
            return Err(self.refused(Attempt::Open, Objection::WrongState));
        }
        let Sale { starts_at, ends_at, .. } = self.sale;
        if now < starts_at {
            return Err(self.refused(Attempt::Open, Objection::NotDue { due_at: starts_at }));
        }
        self.state = State::Open(Timing { ends_at, open_since: starts_at, given_back_ms: 0 });
        let opened = Happening::Opened {
            seller: self.sale.seller.clone(),
            currency: self.sale.currency,
            next_minimum: self.standing(starts_at).next_minimum,
            starts_at,
            ends_at,
            format: self.format.kind().to_owned(),
        };
        Ok(self.entered(now, Decided::Opened, vec![opened]))
    }

    /// Ends bidding, from the end on, all extensions included.
    pub fn close(mut self, now: DateTime<Utc>) -> Result<Transition, Refused> {
        let State::Open(Timing { ends_at, .. }) = self.state else {
            return Err(self.refused(Attempt::Close, Objection::WrongState));
        };
        if now < ends_at {
            return Err(self.refused(Attempt::Close, Objection::NotDue { due_at: ends_at }));
        }
        let closed = self.end(ends_at, now);
        Ok(self.entered(now, Decided::Closed, vec![closed]))
    }

    /// Bidding is over, decided at `now`.
    fn end(&mut self, ended_at: DateTime<Utc>, now: DateTime<Utc>) -> Happening {
        let outcome = self.rules().outcome();
        let partial = matches!(&outcome, Outcome::SoldUnits { awards, .. } if awards.iter().any(Award::is_partial));
        let within = TimeDelta::seconds(self.rules().decline_within_s().into());
        let decline_until = Some(now + within).filter(|_| partial && !within.is_zero());
        self.state = State::Closed { ends_at: ended_at, closed_at: now, outcome: outcome.clone(), decline_until };
        Happening::Closed {
            seller: self.sale.seller.clone(),
            currency: self.sale.currency,
            outcome,
            bid_count: self.rules().bid_count(),
            second_chance: self.sale.second_chance,
            second_chance_days: self.sale.second_chance_days,
            ended_at,
            decline_until,
        }
    }

    /// The seller takes the lot back, before the first bid.
    pub fn cancel(self, seller: &UserId, now: DateTime<Utc>) -> Result<Transition, Refused> {
        let objection = match self.state {
            _ if *seller != self.sale.seller => Some(Objection::NotTheSeller),
            State::Open(_) | State::Paused { .. } if self.rules().bid_count() > 0 => Some(Objection::HasBids),
            State::Open(Timing { ends_at, .. }) if now >= ends_at => Some(Objection::Over),
            State::Scheduled | State::Open(_) | State::Paused { .. } => None,
            State::Closed { .. } | State::Cancelled { .. } => Some(Objection::WrongState),
        };
        match objection {
            Some(objection) => Err(self.refused(Attempt::Cancel, objection)),
            None => Ok(self.cancelled(CancelledBy::Seller, None, now)),
        }
    }

    /// The operator takes the lot back, whoever bid.
    pub fn cancel_by_operator(self, reason: &str, now: DateTime<Utc>) -> Result<Transition, Refused> {
        match self.state {
            State::Closed { .. } | State::Cancelled { .. } => Err(self.refused(Attempt::Cancel, Objection::WrongState)),
            _ => Ok(self.cancelled(CancelledBy::Operator, Some(reason.to_owned()), now)),
        }
    }

    fn cancelled(mut self, by: CancelledBy, reason: Option<String>, now: DateTime<Utc>) -> Transition {
        self.state = State::Cancelled { by, at: now };
        let told = Happening::Cancelled { seller: self.sale.seller.clone(), by, reason: reason.clone() };
        self.entered(now, Decided::Cancelled { by, reason }, vec![told])
    }

    /// A winner takes nothing instead of less than was wanted.
    pub fn decline(mut self, bidder: &UserId, now: DateTime<Utc>) -> Result<Transition, Refused> {
        let State::Closed { outcome, decline_until, .. } = &mut self.state else {
            return Err(self.refused(Attempt::Decline, Objection::WrongState));
        };
        let late = decline_until.is_some_and(|until| now >= until);
        let mine = match outcome {
            Outcome::SoldUnits { awards, .. } if decline_until.is_some() => {
                awards.iter_mut().find(|award| award.bidder == *bidder && award.is_partial() && !award.declined)
            }
            _ => None,
        };
        let Some(award) = mine else { return Err(self.refused(Attempt::Decline, Objection::NothingToDecline)) };
        if late {
            return Err(self.refused(Attempt::Decline, Objection::Over));
        }
        award.declined = true;
        let told = Happening::Declined { bidder: bidder.clone(), quantity: award.quantity };
        Ok(self.entered(now, Decided::Declined { bidder: bidder.clone() }, vec![told]))
    }

    /// Numbers what was told, and adds the decision to the log.
    fn enter(&mut self, at: DateTime<Utc>, decided: Decided, told: Vec<Happening>) -> Entry {
        self.sequence += told.len() as u64;
        let entry = Entry::after(self.head, self.id, self.sequence, at, Record { decided, told });
        self.head = (entry.number, entry.link);
        self.public = None;
        entry
    }

    fn entered(mut self, at: DateTime<Utc>, decided: Decided, told: Vec<Happening>) -> Transition {
        let entry = self.enter(at, decided, told);
        Transition { auction: self, entries: vec![entry] }
    }

    fn refused(&self, attempt: Attempt, objection: Objection) -> Refused {
        Refused { status: self.status(), attempt, objection }
    }
}

/// What an auction tells of itself.
impl Auction {
    /// The listing's id.
    #[must_use]
    pub fn id(&self) -> AuctionId {
        self.id
    }

    /// The terms that every format has.
    #[must_use]
    pub fn sale(&self) -> &Sale {
        &self.sale
    }

    /// The format's name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.format.kind()
    }

    /// The rules of its format.
    #[must_use]
    pub fn rules(&self) -> &dyn Rules {
        self.format.rules()
    }

    /// What everybody may see of the bids at `now`.
    #[must_use]
    pub fn standing(&self, now: DateTime<Utc>) -> Standing<'_> {
        let standing = self.rules().standing(self.phase(now));
        Standing { next_minimum: self.sale.payable(standing.next_minimum), ..standing }
    }

    /// How far bidding has come at `now`: the time that prices depend on.
    #[must_use]
    pub fn phase(&self, now: DateTime<Utc>) -> Phase {
        let open_for = |now: DateTime<Utc>, timing: &Timing| now - self.sale.starts_at - timing.given_back();
        match &self.state {
            State::Scheduled => Phase::Open(TimeDelta::zero()),
            State::Open(timing) => Phase::Open(open_for(now, timing)),
            State::Paused { timing, since, .. } => Phase::Open(open_for(*since, timing)),
            // Sealed bids that were never opened stay a secret.
            State::Cancelled { at, .. } if self.rules().is_sealed() => Phase::Open(*at - self.sale.starts_at),
            State::Closed { .. } | State::Cancelled { .. } => Phase::Over,
        }
    }

    /// Number of the last event; 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Number and link of the last entry of the log; number 0 before the first.
    #[must_use]
    pub fn head(&self) -> (u64, Link) {
        self.head
    }

    /// How far the log has come for everybody: events and entries after it are between the services alone, and
    /// neither a view nor a receipt may tell of them.
    #[must_use]
    pub fn public(&self) -> Mark {
        let (number, link) = self.head;
        self.public.unwrap_or(Mark { sequence: self.sequence, number, link })
    }

    /// Where it stands, with what belongs to it.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// Whether nothing can be bid any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Closed { .. } | State::Cancelled { .. })
    }

    /// Whether bids are a secret, from the history too: those of a sealed auction until it is closed, and for
    /// good when it was cancelled.
    #[must_use]
    pub fn keeps_bids_secret(&self) -> bool {
        self.rules().is_sealed() && !matches!(self.state, State::Closed { .. })
    }

    /// When bidding ends or ended, extensions included.
    #[must_use]
    pub fn ends_at(&self) -> DateTime<Utc> {
        match self.state {
            State::Open(Timing { ends_at, .. })
            | State::Paused { timing: Timing { ends_at, .. }, .. }
            | State::Closed { ends_at, .. } => ends_at,
            State::Scheduled | State::Cancelled { .. } => self.sale.ends_at,
        }
    }

    /// When it is next to be opened or closed; never again when it is over, not before it goes on when it
    /// is paused.
    #[must_use]
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        match self.state {
            State::Scheduled => Some(self.sale.starts_at),
            State::Open(Timing { ends_at, .. }) => Some(ends_at),
            // Only a halt ends by itself: the closer has to look whether it has.
            State::Paused { timing, halt: Some(_), .. } => Some(timing.ends_at),
            State::Paused { .. } | State::Closed { .. } | State::Cancelled { .. } => None,
        }
    }
}

/// How an auction is kept: terms once, a snapshot after each transition.
impl Auction {
    /// With the link of its last entry as the log has it.
    pub(crate) fn proved(mut self, link: Link) -> Self {
        self.head.1 = link;
        self
    }

    /// The terms, which never change.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms::from_parts(self.sale.clone(), self.format.terms())
    }

    /// What changes.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (number, link) = self.head;
        let (state, book, chances) = (self.state.clone(), self.format.book(), self.chances.clone());
        Snapshot { sequence: self.sequence, number, link, halt: self.halt, public: self.public, chances, state, book }
    }

    /// The auction that was saved.
    ///
    /// # Errors
    /// [`Mismatch`] when terms and bids are of different formats.
    pub fn restore(id: AuctionId, terms: Terms, snapshot: Snapshot) -> Result<Self, Mismatch> {
        let (sale, format) = terms.into_parts();
        let Snapshot { sequence, number, link, halt, public, chances, state, book } = snapshot;
        let format = Format::restore(format, book)?;
        Ok(Self { id, sale, format, sequence, head: (number, link), public, chances, halt, state })
    }
}
