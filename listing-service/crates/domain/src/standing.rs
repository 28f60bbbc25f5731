//! Where a listing's sale stands: what changes when bidding and settlement speak.
//!
//! | from               | on                     | to                  |
//! |--------------------|------------------------|---------------------|
//! | scheduled          | auction opened         | live                |
//! | live               | bid, retraction        | live, not asked     |
//! | live               | extension              | live                |
//! | scheduled, live    | paused, resumed        | same                |
//! | scheduled, live    | auction cancelled      | cancelled           |
//! | live               | auction closed         | sold or unsold      |
//! | published or later | sale status            | same                |
//! | scheduled to sold  | relist requested       | same                |

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ids::ListingId, listing::Refusal, money::Amount};

/// The part of a listing that follows bidding and settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose.
    pub id: ListingId,
    /// The listing's version.
    pub version: u64,
    /// Whether its bids are a secret until the close.
    pub sealed: bool,
    /// Where it stands.
    pub state: State,
    /// Where the settlement stands; none before it started.
    pub sale_status: Option<SaleStatus>,
    /// When the listing last changed.
    pub updated_at: DateTime<Utc>,
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
    Cancelled(Cancellation),
}

/// What is known of a published lot's auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnSale {
    /// When the terms became final.
    pub published_at: DateTime<Utc>,
    /// When bidding opens.
    pub starts_at: DateTime<Utc>,
    /// When it ends, extensions and time given back included.
    pub ends_at: DateTime<Utc>,
    /// None before the first bid, and before the close of a sealed auction; of one unit where several are sold.
    pub price: Option<Amount>,
    /// Accepted bids; 0 before the close of a sealed auction.
    pub bid_count: u64,
    /// Since when the seller waits for bidding to take it back.
    pub cancellation_requested_at: Option<DateTime<Utc>>,
    /// Since when it stands still.
    pub paused_at: Option<DateTime<Utc>>,
}

/// Where the settlement of a lot stands. A sale that fails may be followed by others, each an offer to the next
/// contender: the latest word counts, by settlement's clock, in whatever order words come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleStatus {
    /// Settlement's own name for it.
    pub name: String,
    /// Since when.
    pub at: DateTime<Utc>,
    /// Until when the next contender may take a second chance; none when nobody is offered one.
    pub offered_until: Option<DateTime<Utc>>,
}

/// Who took a lot back, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// Who; none of a kind that is not known here.
    pub by: Option<CancelledBy>,
    /// Why, if that was said.
    pub reason: Option<String>,
}

/// Who took a lot back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBy {
    /// Its seller.
    Seller,
    /// The operator.
    Operator,
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
    /// The auction stands still.
    AuctionPaused {
        /// Since when.
        paused_at: DateTime<Utc>,
    },
    /// The auction goes on; the paused time is given back.
    AuctionResumed {
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
    /// It was taken back.
    AuctionCancelled(Cancellation),
    /// The settlement moved on.
    SaleStatus(SaleStatus),
    /// Settlement asks to list the lot again. Where it stands does not change by that.
    RelistRequested,
}

impl Standing {
    /// Follows what bidding and settlement say.
    ///
    /// # Errors
    /// [`Refusal::State`] for a fact that cannot be true of this state.
    pub fn follow(mut self, fact: Fact, now: DateTime<Utc>) -> Result<Self, Refusal> {
        self.state = match (self.state, fact) {
            (State::Scheduled(sale), Fact::AuctionOpened) => State::Live(sale),
            (state @ State::Live(_), Fact::PriceMoved { .. }) if self.sealed => {
                // Not even a new version may tell that somebody bid.
                self.state = state;
                return Ok(self);
            }
            (State::Live(sale), Fact::PriceMoved { price, bid_count }) => {
                State::Live(OnSale { price, bid_count, cancellation_requested_at: None, ..sale })
            }
            (State::Live(sale), Fact::EndMoved { ends_at }) => State::Live(OnSale { ends_at, ..sale }),
            (State::Live(sale), Fact::AuctionClosed { sold, price, bid_count, ended_at }) => {
                let over = OnSale {
                    price,
                    bid_count,
                    ends_at: ended_at,
                    cancellation_requested_at: None,
                    paused_at: None,
                    ..sale
                };
                if sold { State::Sold(over) } else { State::Unsold(over) }
            }
            (State::Scheduled(sale), Fact::AuctionPaused { paused_at }) => State::Scheduled(paused(sale, paused_at)),
            (State::Live(sale), Fact::AuctionPaused { paused_at }) => State::Live(paused(sale, paused_at)),
            (State::Scheduled(sale), Fact::AuctionResumed { ends_at }) => State::Scheduled(resumed(sale, ends_at)),
            (State::Live(sale), Fact::AuctionResumed { ends_at }) => State::Live(resumed(sale, ends_at)),
            (State::Scheduled(_) | State::Live(_), Fact::AuctionCancelled(cancellation)) => {
                State::Cancelled(cancellation)
            }
            // Settlement's topic may run ahead of bidding's, so its word counts in any published state.
            (state, Fact::SaleStatus(status)) if !matches!(state, State::Draft | State::Cancelled(_)) => {
                if self.sale_status.as_ref().is_some_and(|known| known.at > status.at) {
                    self.state = state;
                    return Ok(self);
                }
                self.sale_status = Some(status);
                state
            }
            (state @ (State::Scheduled(_) | State::Live(_) | State::Sold(_)), Fact::RelistRequested) => {
                self.state = state;
                return Ok(self);
            }
            (state, fact) => return Err(state.refuse(fact.name())),
        };
        self.version += 1;
        self.updated_at = now;
        Ok(self)
    }
}

fn paused(sale: OnSale, paused_at: DateTime<Utc>) -> OnSale {
    OnSale { paused_at: Some(paused_at), ..sale }
}

fn resumed(sale: OnSale, ends_at: DateTime<Utc>) -> OnSale {
    OnSale { paused_at: None, ends_at, ..sale }
}

impl State {
    /// The state's name in the API.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled(_) => "scheduled",
            Self::Live(_) => "live",
            Self::Sold(_) => "sold",
            Self::Unsold(_) => "unsold",
            Self::Cancelled(_) => "cancelled",
        }
    }

    /// What is known of the auction, once published.
    #[must_use]
    pub fn on_sale(&self) -> Option<&OnSale> {
        match self {
            Self::Draft | Self::Cancelled(_) => None,
            Self::Scheduled(sale) | Self::Live(sale) | Self::Sold(sale) | Self::Unsold(sale) => Some(sale),
        }
    }

    /// Whether bidding is over, or was before it began.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Sold(_) | Self::Unsold(_) | Self::Cancelled(_))
    }

    /// Who took the lot back and why, if somebody did.
    #[must_use]
    pub fn cancellation(&self) -> Option<&Cancellation> {
        if let Self::Cancelled(cancellation) = self { Some(cancellation) } else { None }
    }

    pub(crate) fn refuse(&self, event: &str) -> Refusal {
        Refusal::State { state: self.name().to_owned(), event: event.to_owned() }
    }
}

impl CancelledBy {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seller => "seller",
            Self::Operator => "operator",
        }
    }
}

impl Cancellation {
    /// By the seller, who need not say why.
    #[must_use]
    pub fn by_seller() -> Self {
        Self { by: Some(CancelledBy::Seller), reason: None }
    }
}

impl Fact {
    fn name(&self) -> &'static str {
        match self {
            Self::AuctionOpened => "opened for bids",
            Self::PriceMoved { .. } => "bid on",
            Self::EndMoved { .. } => "extended",
            Self::AuctionPaused { .. } => "paused",
            Self::AuctionResumed { .. } => "resumed",
            Self::AuctionClosed { .. } => "closed",
            Self::AuctionCancelled(_) => "cancelled by bidding",
            Self::SaleStatus(_) => "settled",
            Self::RelistRequested => "listed again at settlement's request",
        }
    }
}
