//! What the API takes and gives. Amounts are minor units of the listing's currency, times RFC 3339.

use chrono::{DateTime, SubsecRound, Utc};
use listing_application::Caller;
use listing_domain::{
    listing::{Description, Listing, Revision},
    standing::CancelledBy,
    terms::Terms,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::format::AuctionFormat;
use crate::problem::ApiError;

/// A listing to be drafted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewListing {
    /// One line.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        example = "Cartier wristwatch"
    )]
    pub title: String,
    /// Plain text.
    #[serde(default)]
    #[schema(max_length = 10000, pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$", example = "Runs. Well kept.")]
    pub description: String,
    /// A slug.
    #[schema(pattern = "^[a-z0-9-]{1,64}$", example = "watches")]
    pub category: String,
    /// ISO 4217, and no withdrawn code, fund nor unit of account: nobody can pay in those. All amounts in BHD, JOD, KWD,
    /// OMR and TND are multiples of 10 minor units, all in MGA multiples of 100, for nobody can pay others.
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
    /// Whether the next bidder may be offered the lot, at the own highest bid, if the winner does not pay. Only English and
    /// sealed lots have a next bidder.
    #[serde(default)]
    #[schema(example = false)]
    pub second_chance: bool,
    /// For how many days it is offered: 1, 3, 5 or 7; 3 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 7, example = json!(null))]
    pub second_chance_days: Option<u32>,
}

/// A JSON merge patch (RFC 7396). A draft takes all members, a published listing `title`,
/// `description` and `category`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListingPatch {
    /// One line.
    #[serde(default, deserialize_with = "present")]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        nullable = false
    )]
    title: Option<String>,
    /// Plain text.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 10000, pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$", nullable = false)]
    description: Option<String>,
    /// A slug.
    #[serde(default, deserialize_with = "present")]
    #[schema(pattern = "^[a-z0-9-]{1,64}$", nullable = false)]
    category: Option<String>,
    /// ISO 4217; the amounts have to be ones that can be paid in it.
    #[serde(default, deserialize_with = "present")]
    #[schema(pattern = "^[A-Z]{3}$", nullable = false)]
    currency: Option<String>,
    /// Replaced as a whole.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    format: Option<AuctionFormat>,
    /// Null: at publication.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    starts_at: Option<Option<DateTime<Utc>>>,
    /// When bidding ends.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    ends_at: Option<DateTime<Utc>>,
    /// Whether the next bidder may be offered the lot if the winner does not pay.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    second_chance: Option<bool>,
    /// 1, 3, 5 or 7; null: 3. Goes with `second_chance` when that becomes `false`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 7)]
    second_chance_days: Option<Option<u32>>,
}

/// A member that is there must have a value: null would delete what cannot be without.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Tells null from absence.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
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
    /// When bidding ends, extensions and time given back after pauses included.
    ends_at: DateTime<Utc>,
    second_chance: bool,
    /// For how many days a second chance is offered; null when none ever is.
    second_chance_days: Option<u32>,
    /// The listing that this one repeats.
    relisted_from: Option<Uuid>,
    /// The listing that repeats this one.
    relisted_as: Option<Uuid>,
    /// Null before the first bid, and before the close of a sealed auction; of one unit where several are sold.
    price: Option<i64>,
    /// Accepted bids; null before the close of a sealed auction.
    bid_count: Option<u64>,
    /// Where the settlement stands, by settlement's own names, e.g. `escrowed`, `disputed`, `completed`, `refunded` or
    /// `failed`; null before it started. A sale that failed may be followed by others.
    sale_status: Option<String>,
    /// Until when the next contender may take a second chance; null when nobody is offered one.
    second_chance_until: Option<DateTime<Utc>>,
    /// Since when the seller waits for bidding to take the auction back.
    cancellation_requested_at: Option<DateTime<Utc>>,
    /// Since when the auction stands still; null while it runs.
    paused_at: Option<DateTime<Utc>>,
    /// Who took the lot back.
    #[schema(value_type = Option<ListingCancelledBy>)]
    cancelled_by: Option<&'static str>,
    /// Why, if that was said.
    cancellation_reason: Option<String>,
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

/// Who took a lot back.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code)] // only its schema is used
pub enum ListingCancelledBy {
    /// Its seller.
    Seller,
    /// The operator.
    Operator,
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
            second_chance_days: self.second_chance_days,
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
        set(self.ends_at.is_some() || self.second_chance.is_some() || self.second_chance_days.is_some());
        if let Some(code) = self.currency {
            terms.currency = currency(&code)?;
        }
        if let Some(format) = self.format {
            terms.format = format.into();
        }
        terms.starts_at = self.starts_at.map_or(terms.starts_at, |starts_at| starts_at.map(micros));
        terms.ends_at = self.ends_at.map_or(terms.ends_at, micros);
        terms.second_chance = self.second_chance.unwrap_or(terms.second_chance);
        let days = terms.second_chance_days.filter(|_| terms.second_chance);
        terms.second_chance_days = self.second_chance_days.unwrap_or(days);
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

impl ListingView {
    /// As `caller` may see it.
    pub(crate) fn of(listing: &Listing, caller: &Caller) -> Self {
        let sale = listing.on_sale();
        let format = &listing.terms.format;
        let own = listing.seller == caller.id;
        let cancellation = listing.state.cancellation();
        let hidden = format.is_sealed() && !listing.state.is_over();
        Self {
            id: listing.id.0,
            status: listing.status(),
            version: listing.version,
            seller: listing.seller.0.clone(),
            title: listing.description.title.clone(),
            description: listing.description.text.clone(),
            category: listing.description.category.clone(),
            currency: listing.terms.currency.to_string(),
            format: if own { format.into() } else { (&format.clone().without_reserve()).into() },
            has_reserve: format.reserve_price().is_some(),
            starts_at: sale.map(|sale| sale.starts_at).or(listing.terms.starts_at),
            ends_at: sale.map_or(listing.terms.ends_at, |sale| sale.ends_at),
            second_chance: listing.terms.second_chance,
            second_chance_days: listing.terms.offered_for_days(),
            relisted_from: listing.relisted_from.map(|id| id.0),
            relisted_as: listing.relisted_as.map(|id| id.0),
            price: sale.and_then(|sale| sale.price),
            bid_count: if hidden { None } else { Some(sale.map_or(0, |sale| sale.bid_count)) },
            sale_status: listing.sale_status.as_ref().map(|status| status.name.clone()),
            second_chance_until: listing.sale_status.as_ref().and_then(|status| status.offered_until),
            cancellation_requested_at: sale.filter(|_| own).and_then(|sale| sale.cancellation_requested_at),
            paused_at: sale.and_then(|sale| sale.paused_at),
            cancelled_by: cancellation.and_then(|cancellation| cancellation.by).map(CancelledBy::name),
            cancellation_reason: cancellation.and_then(|cancellation| cancellation.reason.clone()),
            published_at: sale.map(|sale| sale.published_at),
            created_at: listing.created_at,
            updated_at: listing.updated_at,
        }
    }
}
