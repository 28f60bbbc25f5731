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
//! | scheduled          | auction opened         | live                |                     |
//! | live               | bid, extension         | live, not asked     |                     |
//! | scheduled, live    | auction cancelled      | cancelled           |                     |
//! | live               | auction closed         | sold or unsold      |                     |
//! | published or later | sale status            | same                |                     |
//!
//! Whether an auction can be taken back is bidding's knowledge: a bid that comes after the seller
//! asked is bidding's refusal.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    event::{Happening, ListingEvent},
    fault::{Fault, Faults},
    ids::{ListingId, UserId},
    money::Amount,
    terms::{DurationLimits, Terms},
};

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
    /// Where it stands.
    pub state: State,
    /// Where the settlement stands, by settlement's own names; none before it started.
    pub sale_status: Option<String>,
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

/// Where a listing stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum State {
    /// Only its seller sees it.
    Draft,
    /// Published; bidding has not opened.
    Scheduled(OnSale),
    /// Bidding is open.
    Live(OnSale),
    /// A bidder won it.
    Sold(OnSale),
    /// It ended without a sale.
    Unsold(OnSale),
    /// Taken back.
    Cancelled,
}

/// What is known of a published lot's auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnSale {
    /// When the terms became final.
    pub published_at: DateTime<Utc>,
    /// When bidding opens.
    pub starts_at: DateTime<Utc>,
    /// When it ends, extensions included.
    pub ends_at: DateTime<Utc>,
    /// None before the first bid.
    pub price: Option<Amount>,
    /// Accepted bids.
    pub bid_count: u64,
    /// Since when the seller waits for bidding to take it back.
    pub cancellation_requested_at: Option<DateTime<Utc>>,
}

/// What bidding and settlement say of a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Bidding opened.
    AuctionOpened,
    /// The price moved: by a bid or a retraction.
    PriceMoved {
        /// The price now.
        price: Option<Amount>,
        /// Accepted bids now.
        bid_count: u64,
    },
    /// The end moved.
    EndMoved {
        /// The end now.
        ends_at: DateTime<Utc>,
    },
    /// Bidding is over.
    AuctionClosed {
        /// Whether a bidder won.
        sold: bool,
        /// The last price.
        price: Option<Amount>,
        /// Accepted bids.
        bid_count: u64,
        /// When it ended.
        ended_at: DateTime<Utc>,
    },
    /// Bidding took it back.
    AuctionCancelled,
    /// The settlement moved on.
    SaleStatus(String),
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
            state: State::Draft,
            sale_status: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// The state's name in the API.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self.state {
            State::Draft => "draft",
            State::Scheduled(_) => "scheduled",
            State::Live(_) => "live",
            State::Sold(_) => "sold",
            State::Unsold(_) => "unsold",
            State::Cancelled => "cancelled",
        }
    }

    /// Whether it was ever published: then everybody sees it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.sequence > 0
    }

    /// What is known of the auction, once published.
    #[must_use]
    pub fn on_sale(&self) -> Option<&OnSale> {
        match &self.state {
            State::Draft | State::Cancelled => None,
            State::Scheduled(sale) | State::Live(sale) | State::Sold(sale) | State::Unsold(sale) => Some(sale),
        }
    }

    /// Changes what the seller says; a draft's terms too.
    ///
    /// # Errors
    /// [`Refusal`]: terms are frozen from publication on; nothing changes after the end.
    pub fn revise(mut self, revision: Revision, now: DateTime<Utc>, limits: DurationLimits) -> Result<Step, Refusal> {
        let published = match self.state {
            State::Draft => false,
            State::Scheduled(_) | State::Live(_) => true,
            _ => return Err(self.refuse("revised")),
        };
        if published && revision.terms.is_some() {
            return Err(self.refuse("given other terms (format, currency, times): they are final from publication on"));
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
    /// [`Refusal`] when the times no longer fit or the listing is over.
    pub fn publish(mut self, now: DateTime<Utc>, limits: DurationLimits) -> Result<Step, Refusal> {
        match self.state {
            State::Draft => {}
            State::Scheduled(_) | State::Live(_) => return Ok((self, vec![])),
            _ => return Err(self.refuse("published")),
        }
        self.terms.check_schedule(now, limits).map_err(Refusal::Invalid)?;
        let starts_at = self.terms.starts_at.unwrap_or(now);
        self.state = State::Scheduled(OnSale {
            published_at: now,
            starts_at,
            ends_at: self.terms.ends_at,
            price: None,
            bid_count: 0,
            cancellation_requested_at: None,
        });
        let published = Happening::Published {
            seller: self.seller.clone(),
            title: self.description.title.clone(),
            category: self.description.category.clone(),
            terms: self.terms.clone(),
            starts_at,
            relisted_from: self.relisted_from,
        };
        Ok(self.changed(now).telling(vec![published], now))
    }

    /// Takes a draft back, or asks bidding to. Cancelled or asked already: nothing happens.
    ///
    /// # Errors
    /// [`Refusal`] once it has a bid, or is over.
    pub fn cancel(mut self, now: DateTime<Utc>) -> Result<Step, Refusal> {
        let told = match &mut self.state {
            State::Cancelled => return Ok((self, vec![])),
            State::Draft => {
                self.state = State::Cancelled;
                vec![]
            }
            State::Scheduled(sale) | State::Live(sale) if sale.bid_count == 0 => {
                if sale.cancellation_requested_at.is_some() {
                    return Ok((self, vec![]));
                }
                sale.cancellation_requested_at = Some(now);
                vec![Happening::CancellationRequested { seller: self.seller.clone() }]
            }
            State::Live(_) => return Err(self.refuse("cancelled: it has bids")),
            _ => return Err(self.refuse("cancelled")),
        };
        Ok(self.changed(now).telling(told, now))
    }

    /// Follows what bidding and settlement say.
    ///
    /// # Errors
    /// [`Refusal::State`] for a fact that cannot be true of this state.
    pub fn follow(mut self, fact: Fact, now: DateTime<Utc>) -> Result<Self, Refusal> {
        self.state = match (self.state, fact) {
            (State::Scheduled(sale), Fact::AuctionOpened) => State::Live(sale),
            (State::Live(sale), Fact::PriceMoved { price, bid_count }) => {
                State::Live(OnSale { price, bid_count, cancellation_requested_at: None, ..sale })
            }
            (State::Live(sale), Fact::EndMoved { ends_at }) => State::Live(OnSale { ends_at, ..sale }),
            (State::Live(sale), Fact::AuctionClosed { sold, price, bid_count, ended_at }) => {
                let over = OnSale { price, bid_count, ends_at: ended_at, cancellation_requested_at: None, ..sale };
                if sold { State::Sold(over) } else { State::Unsold(over) }
            }
            (State::Scheduled(_) | State::Live(_), Fact::AuctionCancelled) => State::Cancelled,
            // Settlement's topic may run ahead of bidding's, so its word counts in any published state.
            (state, Fact::SaleStatus(status)) if !matches!(state, State::Draft | State::Cancelled) => {
                self.sale_status = Some(status);
                state
            }
            (state, fact) => {
                self.state = state;
                return Err(self.refuse(fact.name()));
            }
        };
        Ok(self.changed(now))
    }

    fn refuse(&self, event: &str) -> Refusal {
        Refusal::State { state: self.status().to_owned(), event: event.to_owned() }
    }

    fn changed(mut self, now: DateTime<Utc>) -> Self {
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

impl Fact {
    fn name(&self) -> &'static str {
        match self {
            Self::AuctionOpened => "opened for bids",
            Self::PriceMoved { .. } => "bid on",
            Self::EndMoved { .. } => "extended",
            Self::AuctionClosed { .. } => "closed",
            Self::AuctionCancelled => "cancelled by bidding",
            Self::SaleStatus(_) => "settled",
        }
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
