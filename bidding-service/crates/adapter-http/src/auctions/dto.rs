//! What the API takes and gives. Amounts are minor units of the auction's currency, times RFC 3339.
//! Nobody's maximum is ever shown, not even to the one whose it is.

use bidding_domain::{
    auction::Status,
    bid::BidOutcome,
    format::ReserveStatus,
    money::Amount,
    views::{AuctionView, AwardView, BidView, ResultOutcome, ResultView},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A bid to be placed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBid {
    /// The most that the bidder would pay; the price rises only as far as others make it. In BHD, JOD, KWD, OMR and TND a
    /// multiple of 10, in MGA of 100: nobody can pay others.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 12050)]
    pub max_amount: i64,
    /// Units wanted; only a lot of many units has more than one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schema(minimum = 1, maximum = 100, default = 1)]
    pub quantity: u32,
}

fn one() -> u32 {
    1
}

// Left out when it is one: the request's fingerprint is the same whether it was sent or not.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_one(quantity: &u32) -> bool {
    *quantity == 1
}

/// An order to buy at once, at the seller's price for that.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BuyNow {}

/// A bid to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRetraction {
    /// Kept with the auction's log. Up to 1,000 characters.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "one nought too many"
    )]
    pub reason: Option<String>,
}

/// A partial lot to be declined.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDecline {}

/// Bids that were taken back.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retraction {
    /// With much time to go all bids of the bidder, else the one that was named.
    pub retracted: Vec<Uuid>,
    /// The auction after it, as the bidder sees it.
    pub auction: Auction,
}

/// Why the operator acts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Kept with the auction, and shown. 1 to 1,000 characters.
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "the photographs show another watch"
    )]
    pub reason: String,
}

/// Bidding goes on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {}

/// Whether all auctions rest.
#[derive(Debug, Serialize, ToSchema)]
pub struct House {
    /// `true` when this request changed it.
    pub changed: bool,
    /// Whether all auctions are paused now.
    pub paused: bool,
}

/// An accepted bid.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacedBid {
    /// The bid.
    pub bid_id: Uuid,
    /// What it did.
    pub outcome: Outcome,
    /// The auction after it, as the bidder sees it.
    pub auction: Auction,
}

/// What an accepted bid did.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BidOutcome)]
pub enum Outcome {
    /// The bidder leads now.
    Leading,
    /// Another bidder's maximum answered it.
    Outbid,
    /// The bidder raised the own maximum.
    MaxRaised,
    /// It is secret until the close.
    Sealed,
    /// It ended the auction: the lot is the bidder's.
    Bought,
}

/// An auction as the caller sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Auction {
    /// The listing's id.
    pub id: Uuid,
    /// Where it stands.
    pub status: AuctionStatus,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: &'static str,
    /// The way of selling.
    pub format: AuctionFormat,
    /// Units for sale.
    pub quantity: u32,
    /// Null before the first bid, and while bids are sealed. Of one unit; of a falling price the one that is asked.
    #[schema(example = 9950)]
    pub price: Option<i64>,
    /// Accepted bids; null while bids are sealed.
    pub bid_count: Option<u64>,
    /// The lowest bid that is accepted from who does not lead.
    #[schema(example = 10050)]
    pub next_minimum: i64,
    /// At this price the lot is the caller's at once; null when that is not, or no longer, offered.
    pub buy_now_price: Option<i64>,
    /// How the price stands to the hidden reserve.
    pub reserve: Reserve,
    /// Who leads: a name that is the same throughout this auction and tells nothing elsewhere.
    #[schema(example = "bidder-k3v7q2xa")]
    pub leader: Option<String>,
    /// Whether the caller leads.
    pub you_lead: bool,
    /// When bidding opens.
    pub starts_at: DateTime<Utc>,
    /// When it ends, extensions included.
    pub ends_at: DateTime<Utc>,
    /// Since when bidding rests; the time is given back. Null while it does not.
    pub paused_at: Option<DateTime<Utc>>,
    /// The clock that decides what is late.
    pub server_time: DateTime<Utc>,
    /// Number of the last event of the stream.
    pub sequence: u64,
    /// Null until it is over.
    pub result: Option<AuctionResult>,
}

/// Where an auction stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuctionStatus {
    /// Bidding has not opened.
    Scheduled,
    /// Takes bids.
    Open,
    /// Over.
    Closed,
    /// Taken back.
    Cancelled,
}

/// The ways of selling.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuctionFormat {
    /// Ascending, with proxy bidding.
    English,
    /// Sealed; the highest bid wins and pays itself.
    SealedFirstPrice,
    /// Sealed; the highest bid wins and pays the second highest.
    Vickrey,
    /// The price falls until somebody takes it.
    Dutch,
    /// Many units at one price.
    UniformMultiUnit,
}

/// How the price stands to the reserve.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReserveStatus)]
pub enum Reserve {
    /// There is none.
    None,
    /// The price is below it: the lot would not be sold.
    NotMet,
    /// The price has reached it.
    Met,
}

/// How an auction ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuctionResult {
    /// How.
    outcome: AuctionOutcome,
    /// The hammer price when sold (of one unit), else the last price; null without bids.
    price: Option<i64>,
    /// Of a lot of many units: who won how many. Empty else.
    awards: Vec<Award>,
}

/// What a bidder won of a lot of many units.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AuctionAward)]
pub struct Award {
    /// Who, by the name in this auction.
    bidder: String,
    /// Whether the caller did.
    yours: bool,
    /// Units won.
    quantity: u32,
    /// Units bid for.
    wanted: u32,
    /// Whether the winner took nothing instead of less than was wanted.
    declined: bool,
}

/// The ways in which an auction ends.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuctionOutcome {
    /// A bidder won.
    Sold,
    /// There were bids, none reached the reserve.
    ReserveNotMet,
    /// Nobody bid.
    NoBids,
    /// Taken back.
    Cancelled,
}

/// A bid of the history.
#[derive(Debug, Serialize, ToSchema)]
pub struct Bid {
    /// Which bid.
    bid_id: Uuid,
    /// Who bid, by the name in this auction.
    bidder: String,
    /// Whether the caller did.
    yours: bool,
    /// Units wanted.
    quantity: u32,
    /// What it did.
    outcome: Outcome,
    /// The price after it; of a bid that was sealed at first price the bid itself, at second price or once taken
    /// back null.
    price: Option<i64>,
    /// When it was taken back; null when it counts.
    retracted_at: Option<DateTime<Utc>>,
    /// The number of the auction's last event after it.
    sequence: u64,
    /// When it was decided.
    placed_at: DateTime<Utc>,
}

/// A page of the history, the latest bid first.
#[derive(Debug, Serialize, ToSchema)]
pub struct BidPage {
    /// The latest first.
    pub items: Vec<Bid>,
    /// Send it as `cursor` for earlier bids; null when there are none.
    pub next_cursor: Option<String>,
}

impl From<BidOutcome> for Outcome {
    fn from(outcome: BidOutcome) -> Self {
        match outcome {
            BidOutcome::Leading => Self::Leading,
            BidOutcome::Outbid => Self::Outbid,
            BidOutcome::MaxRaised => Self::MaxRaised,
            BidOutcome::Sealed => Self::Sealed,
            BidOutcome::Bought => Self::Bought,
        }
    }
}

impl From<ReserveStatus> for Reserve {
    fn from(status: ReserveStatus) -> Self {
        match status {
            ReserveStatus::None => Self::None,
            ReserveStatus::NotMet => Self::NotMet,
            ReserveStatus::Met => Self::Met,
        }
    }
}

impl From<ResultView> for AuctionResult {
    fn from(view: ResultView) -> Self {
        let outcome = match view.outcome {
            ResultOutcome::Sold => AuctionOutcome::Sold,
            ResultOutcome::ReserveNotMet => AuctionOutcome::ReserveNotMet,
            ResultOutcome::NoBids => AuctionOutcome::NoBids,
            ResultOutcome::Cancelled => AuctionOutcome::Cancelled,
        };
        let award = |award: AwardView| Award {
            bidder: award.bidder.to_string(),
            yours: award.yours,
            quantity: award.quantity,
            wanted: award.wanted,
            declined: award.declined,
        };
        let awards = view.awards.into_iter().map(award).collect();
        Self { outcome, price: view.price.map(Amount::minor), awards }
    }
}

impl From<AuctionView> for Auction {
    fn from(view: AuctionView) -> Self {
        Self {
            id: view.id.0,
            status: match view.status {
                Status::Scheduled => AuctionStatus::Scheduled,
                // A pause shows by `paused_at`.
                Status::Open | Status::Paused => AuctionStatus::Open,
                Status::Closed => AuctionStatus::Closed,
                Status::Cancelled => AuctionStatus::Cancelled,
            },
            currency: view.currency.code(),
            format: format_of(&view.format),
            quantity: view.quantity,
            price: view.price.map(Amount::minor),
            bid_count: view.bid_count,
            next_minimum: view.next_minimum.minor(),
            buy_now_price: view.buy_now_price.map(Amount::minor),
            reserve: view.reserve.into(),
            leader: view.leader.map(|alias| alias.to_string()),
            you_lead: view.you_lead,
            starts_at: view.starts_at,
            ends_at: view.ends_at,
            paused_at: view.paused_at,
            server_time: view.server_time,
            sequence: view.sequence,
            result: view.result.map(AuctionResult::from),
        }
    }
}

/// By the name that the domain gives it.
pub(super) fn format_of(kind: &str) -> AuctionFormat {
    match kind {
        "sealed_first_price" => AuctionFormat::SealedFirstPrice,
        "vickrey" => AuctionFormat::Vickrey,
        "dutch" => AuctionFormat::Dutch,
        "uniform_multi_unit" => AuctionFormat::UniformMultiUnit,
        _ => AuctionFormat::English,
    }
}

impl From<BidView> for Bid {
    fn from(view: BidView) -> Self {
        Self {
            bid_id: view.bid_id.0,
            bidder: view.bidder.to_string(),
            yours: view.yours,
            quantity: view.quantity,
            outcome: view.outcome.into(),
            price: view.price.map(Amount::minor),
            retracted_at: view.retracted_at,
            sequence: view.sequence,
            placed_at: view.placed_at,
        }
    }
}
