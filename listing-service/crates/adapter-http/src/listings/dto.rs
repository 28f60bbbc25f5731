//! What the API takes and gives. Amounts are minor units of the listing's currency, times RFC 3339.

use chrono::{DateTime, SubsecRound, Utc};
use listing_application::Caller;
use listing_domain::{
    listing::{Description, Listing, Revision},
    terms::{English, Format, Increments, Preset, SoftClose, Terms, Tier},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::ApiError;

/// A listing to be drafted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewListing {
    /// One line.
    #[schema(min_length = 1, max_length = 200, example = "Cartier wristwatch")]
    pub title: String,
    /// Plain text.
    #[serde(default)]
    #[schema(max_length = 10000, example = "Runs. Well kept.")]
    pub description: String,
    /// A slug.
    #[schema(pattern = "^[a-z0-9-]{1,64}$", example = "watches")]
    pub category: String,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "USD")]
    pub currency: String,
    /// How it is sold.
    pub format: AuctionFormat,
    /// When bidding opens; null: at publication.
    #[serde(default)]
    #[schema(example = json!(null))]
    pub starts_at: Option<DateTime<Utc>>,
    /// When bidding ends, before any extension.
    pub ends_at: DateTime<Utc>,
    /// Whether the next bidder may be offered the lot if the winner does not pay. Only `false` is available.
    #[serde(default)]
    #[schema(example = false)]
    pub second_chance: bool,
}

/// A JSON merge patch (RFC 7396). A draft takes all members, a published listing `title`,
/// `description` and `category`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListingPatch {
    /// One line.
    #[serde(default, deserialize_with = "present")]
    #[schema(min_length = 1, max_length = 200)]
    title: Option<String>,
    /// Plain text.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 10000)]
    description: Option<String>,
    /// A slug.
    #[serde(default, deserialize_with = "present")]
    #[schema(pattern = "^[a-z0-9-]{1,64}$")]
    category: Option<String>,
    /// ISO 4217.
    #[serde(default, deserialize_with = "present")]
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: Option<String>,
    /// Replaced as a whole.
    #[serde(default, deserialize_with = "present")]
    format: Option<AuctionFormat>,
    /// Null: at publication.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    starts_at: Option<Option<DateTime<Utc>>>,
    /// When bidding ends.
    #[serde(default, deserialize_with = "present")]
    ends_at: Option<DateTime<Utc>>,
    /// Only `false` is available.
    #[serde(default, deserialize_with = "present")]
    second_chance: Option<bool>,
}

/// A member that is there must have a value: null would delete what cannot be without.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Tells null from absence.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// How a lot is sold, by `kind`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuctionFormat {
    /// Ascending, with proxy bidding.
    English(EnglishFormat),
}

/// An ascending auction with proxy bidding.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnglishFormat {
    /// The first bid must reach it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 100)]
    start_price: i64,
    /// Hidden from everybody but the seller; below it the lot is not sold.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = json!(null))]
    reserve_price: Option<i64>,
    /// Only null is available.
    #[serde(default)]
    #[schema(example = json!(null))]
    buy_now_price: Option<i64>,
    /// By how much a bid must exceed the price.
    increments: IncrementTable,
    /// How late bids extend the auction.
    soft_close: SoftCloseRule,
}

/// A preset's name (`ebay-us`, `ebay-uk`, `trade-me`) or an own table.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(example = "ebay-us")]
pub enum IncrementTable {
    /// A published table; needs a currency with two or more decimals.
    Preset(IncrementPreset),
    /// Ascending tiers, the first from 0, at most 50.
    Tiers(Vec<IncrementTier>),
}

impl<'de> Deserialize<'de> for IncrementTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let explain = |error: serde_json::Error| D::Error::custom(error);
        match Value::deserialize(deserializer)? {
            name @ Value::String(_) => serde_json::from_value(name).map(Self::Preset).map_err(explain),
            tiers @ Value::Array(_) => serde_json::from_value(tiers).map(Self::Tiers).map_err(explain),
            _ => Err(D::Error::custom("expected a preset's name or an array of tiers")),
        }
    }
}

/// Published increment tables.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncrementPreset {
    /// eBay, United States.
    EbayUs,
    /// eBay, United Kingdom.
    EbayUk,
    /// Trade Me, New Zealand.
    TradeMe,
}

/// From this price on, a bid must exceed the price by this much.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncrementTier {
    /// Inclusive lower bound of the price.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 0)]
    from: i64,
    /// Positive.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 50)]
    increment: i64,
}

/// How late bids extend the auction, by `mode`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum SoftCloseRule {
    /// The end stands.
    Off {},
    /// A bid in the last `window_s` seconds sets the end to the bid's time plus `window_s`.
    Reset {
        /// Seconds.
        #[schema(minimum = 1, maximum = 86400, example = 120)]
        window_s: u32,
        /// The end is never later than the original end plus so many seconds.
        #[schema(minimum = 1, maximum = 86400, example = 3600)]
        hard_stop_s: u32,
    },
}

/// A listing, and where its sale stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Listing)]
pub struct ListingView {
    /// Also the auction's id.
    id: Uuid,
    /// Where it stands.
    #[schema(value_type = ListingStatus)]
    status: &'static str,
    /// Counts changes; the `ETag` is the same number in quotes.
    version: u64,
    /// The seller's `sub`.
    seller: String,
    title: String,
    description: String,
    category: String,
    currency: String,
    /// The reserve is shown to the seller only.
    format: AuctionFormat,
    /// Whether there is a hidden reserve.
    has_reserve: bool,
    /// When bidding opens; null in a draft that opens at publication.
    starts_at: Option<DateTime<Utc>>,
    /// When bidding ends, extensions included.
    ends_at: DateTime<Utc>,
    second_chance: bool,
    /// The listing that this one repeats.
    relisted_from: Option<Uuid>,
    /// Null before the first bid.
    price: Option<i64>,
    /// Accepted bids.
    bid_count: u64,
    /// Where the settlement stands; null before it started.
    sale_status: Option<String>,
    /// Since when the seller waits for bidding to take the auction back.
    cancellation_requested_at: Option<DateTime<Utc>>,
    published_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Where a listing stands.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // only its schema is used
pub enum ListingStatus {
    /// Only its seller sees it.
    Draft,
    /// Published; bidding has not opened.
    Scheduled,
    /// Bidding is open.
    Live,
    /// A bidder won it.
    Sold,
    /// It ended without a sale.
    Unsold,
    /// Taken back.
    Cancelled,
}

/// A page of listings.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListingPage {
    /// In the order asked for.
    pub items: Vec<ListingView>,
    /// Send it as `cursor` for the next page; null on the last one.
    pub next_cursor: Option<String>,
}

impl NewListing {
    pub(crate) fn into_domain(self) -> Result<(Description, Terms), ApiError> {
        let description = Description { title: self.title, text: self.description, category: self.category };
        let terms = Terms {
            currency: currency(&self.currency)?,
            format: self.format.into(),
            starts_at: self.starts_at.map(micros),
            ends_at: micros(self.ends_at),
            second_chance: self.second_chance,
        };
        Ok((description, terms))
    }
}

impl ListingPatch {
    /// What changes of `current`.
    pub(crate) fn into_revision(self, current: &Terms) -> Result<Revision, ApiError> {
        let mut terms = current.clone();
        let mut changes_terms = false;
        let mut set = |changes: bool| changes_terms |= changes;
        set(self.currency.is_some() || self.format.is_some() || self.starts_at.is_some());
        set(self.ends_at.is_some() || self.second_chance.is_some());
        if let Some(code) = self.currency {
            terms.currency = currency(&code)?;
        }
        if let Some(format) = self.format {
            terms.format = format.into();
        }
        terms.starts_at = self.starts_at.map_or(terms.starts_at, |starts_at| starts_at.map(micros));
        terms.ends_at = self.ends_at.map_or(terms.ends_at, micros);
        terms.second_chance = self.second_chance.unwrap_or(terms.second_chance);
        Ok(Revision {
            title: self.title,
            text: self.description,
            category: self.category,
            terms: changes_terms.then_some(terms),
        })
    }
}

fn currency(code: &str) -> Result<listing_domain::money::Currency, ApiError> {
    code.parse()
        .map_err(|error: listing_domain::money::UnknownCurrency| ApiError::invalid("/currency", error.to_string()))
}

/// Times are kept to the microsecond, as the database does.
fn micros(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

impl From<AuctionFormat> for Format {
    fn from(format: AuctionFormat) -> Self {
        let AuctionFormat::English(english) = format;
        Self::English(English {
            start_price: english.start_price,
            reserve_price: english.reserve_price,
            buy_now_price: english.buy_now_price,
            increments: match english.increments {
                IncrementTable::Preset(IncrementPreset::EbayUs) => Increments::Preset(Preset::EbayUs),
                IncrementTable::Preset(IncrementPreset::EbayUk) => Increments::Preset(Preset::EbayUk),
                IncrementTable::Preset(IncrementPreset::TradeMe) => Increments::Preset(Preset::TradeMe),
                IncrementTable::Tiers(tiers) => Increments::Table(
                    tiers.into_iter().map(|tier| Tier { from: tier.from, increment: tier.increment }).collect(),
                ),
            },
            soft_close: match english.soft_close {
                SoftCloseRule::Off {} => SoftClose::Off,
                SoftCloseRule::Reset { window_s, hard_stop_s } => SoftClose::Reset { window_s, hard_stop_s },
            },
        })
    }
}

impl From<&Format> for AuctionFormat {
    fn from(format: &Format) -> Self {
        let Format::English(english) = format;
        Self::English(EnglishFormat {
            start_price: english.start_price,
            reserve_price: english.reserve_price,
            buy_now_price: english.buy_now_price,
            increments: match &english.increments {
                Increments::Preset(Preset::EbayUs) => IncrementTable::Preset(IncrementPreset::EbayUs),
                Increments::Preset(Preset::EbayUk) => IncrementTable::Preset(IncrementPreset::EbayUk),
                Increments::Preset(Preset::TradeMe) => IncrementTable::Preset(IncrementPreset::TradeMe),
                Increments::Table(tiers) => IncrementTable::Tiers(
                    tiers.iter().map(|tier| IncrementTier { from: tier.from, increment: tier.increment }).collect(),
                ),
            },
            soft_close: match english.soft_close {
                SoftClose::Off => SoftCloseRule::Off {},
                SoftClose::Reset { window_s, hard_stop_s } => SoftCloseRule::Reset { window_s, hard_stop_s },
            },
        })
    }
}

impl ListingView {
    /// As `caller` may see it.
    pub(crate) fn of(listing: &Listing, caller: &Caller) -> Self {
        let sale = listing.on_sale();
        let AuctionFormat::English(mut english) = AuctionFormat::from(&listing.terms.format);
        let has_reserve = english.reserve_price.is_some();
        if listing.seller != caller.id {
            english.reserve_price = None;
        }
        Self {
            id: listing.id.0,
            status: listing.status(),
            version: listing.version,
            seller: listing.seller.0.clone(),
            title: listing.description.title.clone(),
            description: listing.description.text.clone(),
            category: listing.description.category.clone(),
            currency: listing.terms.currency.to_string(),
            format: AuctionFormat::English(english),
            has_reserve,
            starts_at: sale.map(|sale| sale.starts_at).or(listing.terms.starts_at),
            ends_at: sale.map_or(listing.terms.ends_at, |sale| sale.ends_at),
            second_chance: listing.terms.second_chance,
            relisted_from: listing.relisted_from.map(|id| id.0),
            price: sale.and_then(|sale| sale.price),
            bid_count: sale.map_or(0, |sale| sale.bid_count),
            sale_status: listing.sale_status.clone(),
            cancellation_requested_at: sale.and_then(|sale| sale.cancellation_requested_at),
            published_at: sale.map(|sale| sale.published_at),
            created_at: listing.created_at,
            updated_at: listing.updated_at,
        }
    }
}
