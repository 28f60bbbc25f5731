//! The listing: a state machine whose transitions consume it and return the next one.
//!
//! | from               | on                     | to                  | tells               |
//! |--------------------|------------------------|---------------------|---------------------|
//! | –                  | draft                  | draft               |                     |
//! | draft              | revise                 | draft               |                     |
//! | draft              | publish                | scheduled           | published           |
//! | draft              | cancel                 | cancelled           |                     |
//! | scheduled, live    | revise (description)   | same                | revised             |
//! | scheduled, live    | cancel                 | same, asked         | cancellation asked  |
//! | sold, unsold       | relist                 | same, relisted      | published (the new) |
//!
//! From publication on its [`Standing`] follows what bidding and settlement say. Whether an auction can
//! be taken back is bidding's knowledge: a bid that comes after the seller asked is bidding's refusal.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    event::{Happening, ListingEvent},
    fault::{Fault, Faults},
    ids::{ListingId, UserId},
    terms::{DurationLimits, Terms},
};

pub use crate::standing::{Cancellation, CancelledBy, Fact, OnSale, SaleStatus, Standing, State};

/// Longest title, characters.
pub const MAX_TITLE: usize = 200;
/// Longest description, characters.
pub const MAX_DESCRIPTION: usize = 10_000;
/// Longest category, characters.
pub const MAX_CATEGORY: usize = 64;

/// A lot, what the seller says of it, and where its sale stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Also the auction's id.
    pub id: ListingId,
    /// Who sells.
    pub seller: UserId,
    /// Counts every change that a reader can see: the `ETag`.
    pub version: u64,
    /// Number of the last event told.
    pub sequence: u64,
    /// What the seller says of the lot.
    pub description: Description,
    /// On which terms it is sold.
    pub terms: Terms,
    /// The listing that this one repeats.
    pub relisted_from: Option<ListingId>,
    /// The listing that repeats this one.
    #[serde(default)]
    pub relisted_as: Option<ListingId>,
    /// Where it stands.
    pub state: State,
    /// Where the settlement stands; none before it started.
    pub sale_status: Option<SaleStatus>,
    /// When it was drafted.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// What the seller says of the lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// 1–200 characters on one line.
    pub title: String,
    /// 0–10,000 characters.
    pub text: String,
    /// A slug: lower-case letters, digits and hyphens, 1–64.
    pub category: String,
}

/// A change that the seller asks for; `None` leaves a member as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// New title.
    pub title: Option<String>,
    /// New text.
    pub text: Option<String>,
    /// New category.
    pub category: Option<String>,
    /// New terms; only a draft takes them.
    pub terms: Option<Terms>,
}

/// Why a transition is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// The state does not allow it.
    #[error("a {state} listing cannot be {event}")]
    State {
        /// The state's name.
        state: String,
        /// What was asked.
        event: String,
    },
    /// The lot was listed again before.
    #[error("the lot was listed again as {relisted_as}")]
    Relisted {
        /// Its listing now.
        relisted_as: ListingId,
    },
    /// The input is faulty.
    #[error("the listing has {} fault(s)", .0.len())]
    Invalid(Vec<Fault>),
}

/// The next listing and what the others are told of it.
pub type Step = (Listing, Vec<ListingEvent>);

impl Listing {
    /// A new draft.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with every fault of description and terms. How long the auction lasts is
    /// decided at publication, unless its start is already given.
    pub fn draft(
        id: ListingId,
        seller: UserId,
        description: Description,
        terms: Terms,
        now: DateTime<Utc>,
        limits: DurationLimits,
    ) -> Result<Self, Refusal> {
        check_draft(&description, &terms, now, limits)?;
        Ok(Self {
            id,
            seller,
            version: 1,
            sequence: 0,
            description,
            terms,
            relisted_from: None,
            relisted_as: None,
            state: State::Draft,
            sale_status: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// The state's name in the API.
    #[must_use]
    pub fn status(&self) -> &'static str {
        self.state.name()
    }

    /// Whether it was ever published: then everybody sees it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.sequence > 0
    }

    /// What is known of the auction, once published.
    #[must_use]
    pub fn on_sale(&self) -> Option<&OnSale> {
        self.state.on_sale()
    }

    /// Changes what the seller says; a draft's terms too.
    ///
    /// # Errors
    /// [`Refusal`]: terms are frozen from publication on; nothing changes after the end.
    pub fn revise(mut self, revision: Revision, now: DateTime<Utc>, limits: DurationLimits) -> Result<Step, Refusal> {
        let published = match self.state {
            State::Draft => false,
            State::Scheduled(_) | State::Live(_) => true,
            _ => return Err(self.state.refuse("revised")),
        };
        if published && revision.terms.is_some() {
            return Err(self
                .state
                .refuse("given other terms (format, currency, times): they are final from publication on"));
        }
        self.description.title = revision.title.unwrap_or(self.description.title);
        self.description.text = revision.text.unwrap_or(self.description.text);
        self.description.category = revision.category.unwrap_or(self.description.category);
        if let Some(terms) = revision.terms {
            self.terms = terms;
        }
        if published {
            self.description.check().map_err(Refusal::Invalid)?;
        } else {
            check_draft(&self.description, &self.terms, now, limits)?;
        }
        self = self.changed(now);
        let revised = Happening::Revised {
            version: self.version,
            title: self.description.title.clone(),
            category: self.description.category.clone(),
        };
        let told = if published { vec![revised] } else { vec![] };
        Ok(self.telling(told, now))
    }

    /// Makes the terms final. Published already: nothing happens.
    ///
    /// # Errors
    /// [`Refusal`] when the times no longer fit, the rules of today refuse the terms, or the listing is over.
    pub fn publish(self, now: DateTime<Utc>, limits: DurationLimits) -> Result<Step, Refusal> {
        match self.state {
            State::Draft => {}
            State::Scheduled(_) | State::Live(_) => return Ok((self, vec![])),
            _ => return Err(self.state.refuse("published")),
        }
        let checked = [self.terms.check(), self.terms.check_schedule(now, limits)];
        let faults: Vec<_> = checked.into_iter().filter_map(Result::err).flatten().collect();
        if faults.is_empty() { Ok(self.published(now)) } else { Err(Refusal::Invalid(faults)) }
    }

    pub(crate) fn published(mut self, now: DateTime<Utc>) -> Step {
        let starts_at = self.terms.starts_at.unwrap_or(now);
        self.state = State::Scheduled(OnSale {
            published_at: now,
            starts_at,
            ends_at: self.terms.ends_at,
            price: None,
            bid_count: 0,
            cancellation_requested_at: None,
            paused_at: None,
        });
        let published = Happening::Published {
            seller: self.seller.clone(),
            title: self.description.title.clone(),
            category: self.description.category.clone(),
            terms: self.terms.clone(),
            starts_at,
            relisted_from: self.relisted_from,
        };
        self.changed(now).telling(vec![published], now)
    }

    /// Takes a draft back, or asks bidding to. Cancelled or asked already: nothing happens, but that of a sealed auction
    /// nobody hears why bidding did not: a bid that was in the way may be gone by now.
    ///
    /// # Errors
    /// [`Refusal`] once it has a bid, or is over.
    pub fn cancel(mut self, now: DateTime<Utc>) -> Result<Step, Refusal> {
        let told = match &mut self.state {
            State::Cancelled(_) => return Ok((self, vec![])),
            State::Draft => {
                self.state = State::Cancelled(Cancellation::by_seller());
                vec![]
            }
            State::Scheduled(sale) | State::Live(sale) if sale.bid_count == 0 => {
                if sale.cancellation_requested_at.is_some() && !self.terms.format.is_sealed() {
                    return Ok((self, vec![]));
                }
                sale.cancellation_requested_at = Some(now);
                vec![Happening::CancellationRequested { seller: self.seller.clone() }]
            }
            State::Live(_) => return Err(self.state.refuse("cancelled: it has bids")),
            _ => return Err(self.state.refuse("cancelled")),
        };
        Ok(self.changed(now).telling(told, now))
    }

    /// The part that follows bidding and settlement.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            id: self.id,
            version: self.version,
            sealed: self.terms.format.is_sealed(),
            state: self.state.clone(),
            sale_status: self.sale_status.clone(),
            updated_at: self.updated_at,
        }
    }

    /// The listing with that part replaced.
    #[must_use]
    pub fn standing_as(self, standing: Standing) -> Self {
        let Standing { version, state, sale_status, updated_at, .. } = standing;
        Self { version, state, sale_status, updated_at, ..self }
    }

    /// Follows what bidding and settlement say.
    ///
    /// # Errors
    /// [`Refusal::State`] for a fact that cannot be true of this state.
    pub fn follow(self, fact: Fact, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let standing = self.standing().follow(fact, now)?;
        Ok(self.standing_as(standing))
    }

    pub(crate) fn changed(mut self, now: DateTime<Utc>) -> Self {
        self.version += 1;
        self.updated_at = now;
        self
    }

    fn telling(mut self, told: Vec<Happening>, at: DateTime<Utc>) -> Step {
        let mut events = Vec::with_capacity(told.len());
        for what in told {
            self.sequence += 1;
            events.push(ListingEvent { listing_id: self.id, sequence: self.sequence, at, what });
        }
        (self, events)
    }
}

impl Description {
    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Faults::default();
        let title = self.title.chars().count();
        faults.require(
            (1..=MAX_TITLE).contains(&title) && !self.title.trim().is_empty(),
            "/title",
            format!("has 1 to {MAX_TITLE} characters, not only spaces"),
        );
        faults.require(!self.title.chars().any(char::is_control), "/title", "must not contain control characters");
        faults.require(
            self.text.chars().count() <= MAX_DESCRIPTION,
            "/description",
            format!("has at most {MAX_DESCRIPTION} characters"),
        );
        let line_breaks = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        faults.require(
            !self.text.chars().any(line_breaks),
            "/description",
            "must not contain control characters other than line breaks and tabs",
        );
        let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        faults.require(
            (1..=MAX_CATEGORY).contains(&self.category.len()) && self.category.chars().all(slug),
            "/category",
            format!("is 1 to {MAX_CATEGORY} lower-case letters, digits and hyphens, like watches"),
        );
        faults.or(())
    }
}

fn check_draft(
    description: &Description,
    terms: &Terms,
    now: DateTime<Utc>,
    limits: DurationLimits,
) -> Result<(), Refusal> {
    let mut faults = Vec::new();
    faults.extend(description.check().err().into_iter().flatten());
    faults.extend(terms.check().err().into_iter().flatten());
    if terms.starts_at.is_some() {
        faults.extend(terms.check_schedule(now, limits).err().into_iter().flatten());
    } else if terms.ends_at <= now {
        faults.push(Fault { pointer: "/ends_at".into(), detail: "lies in the past".into() });
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(faults)) }
}
