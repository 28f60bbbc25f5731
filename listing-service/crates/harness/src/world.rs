//! Given, when, then for listings.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use listing_application::{Answered, Caller, Listings, error::UseError};
use listing_domain::{
    ids::{ListingId, UserId},
    listing::{Description, Fact, Listing, SaleStatus},
    terms::{DurationLimits, English, Format, Increments, Preset, SoftClose, Terms},
};
use listing_ports::{
    fact::{FactHandler, HandleError, Handled, Incoming, News},
    idempotency::RequestKey,
    inbox::Receipt,
};
use uuid::Uuid;

use crate::memory::MemoryStore;

/// A listing service without IO.
pub struct World {
    /// The store, its clock and its faults.
    pub store: MemoryStore,
    /// The use cases.
    pub listings: Listings,
}

impl Default for World {
    fn default() -> Self {
        let store = MemoryStore::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default());
        let limits = DurationLimits { min: TimeDelta::seconds(5), max: TimeDelta::days(30) };
        Self { listings: Listings::new(Arc::new(store.clone()), limits), store }
    }
}

impl World {
    /// Drafts a sound listing with the idempotency key `key`.
    ///
    /// # Errors
    /// As the use case.
    pub async fn draft(&self, seller: &Caller, key: &str) -> Result<Answered<Listing>, UseError> {
        let (description, terms) = (description(), terms(self.store.now()));
        self.listings.draft(seller, &request(seller, key), &description, &terms).await
    }

    /// A listing that is open for bids.
    ///
    /// # Errors
    /// As the use cases.
    pub async fn live(&self, seller: &Caller) -> Result<Listing, UseError> {
        let listing = self.draft(seller, "live").await?.outcome;
        let listing = self.listings.publish(seller, listing.id, None).await?;
        self.hear(listing.id, 1, Fact::AuctionOpened).await.map_err(|_| UseError::NotFound)?;
        self.listings.find(seller, listing.id).await
    }

    /// Bidding says `fact` as its event number `sequence` of this auction.
    ///
    /// # Errors
    /// As the use case.
    pub async fn hear(&self, id: ListingId, sequence: u64, fact: Fact) -> Result<Handled, HandleError> {
        let handled = self.listings.handle_all(&[said(id, sequence, fact)]).await?;
        Ok(handled[0])
    }
}

/// Bidding's event number `sequence` of the auction `id`.
#[must_use]
pub fn said(id: ListingId, sequence: u64, fact: Fact) -> Incoming {
    Incoming { receipt: receipt("/outcry/bidding-service", id, sequence), news: Some(News { listing: id, fact }) }
}

/// Settlement says so since `at`; nobody is offered the lot.
#[must_use]
pub fn sale_status(name: &str, at: DateTime<Utc>) -> Fact {
    Fact::SaleStatus(SaleStatus { name: name.to_owned(), at, offered_until: None })
}

/// A caller with the role `seller`.
#[must_use]
pub fn seller(name: &str) -> Caller {
    Caller { id: UserId(name.to_owned()), seller: true, admin: false }
}

/// A caller without it.
#[must_use]
pub fn bidder(name: &str) -> Caller {
    Caller { seller: false, ..seller(name) }
}

/// A request of `caller` with an idempotency key.
#[must_use]
pub fn request(caller: &Caller, key: &str) -> RequestKey {
    RequestKey { principal: caller.id.clone(), key: key.to_owned(), fingerprint: [0; 32] }
}

/// The receipt of an event about `id`.
#[must_use]
pub fn receipt(source: &str, id: ListingId, sequence: u64) -> Receipt {
    let event_id = Uuid::from_u128(u128::from(sequence));
    Receipt { event_id, source: source.to_owned(), key: id.to_string(), sequence }
}

/// A sound description.
#[must_use]
pub fn description() -> Description {
    Description { title: "A wristwatch".into(), text: "Runs. Well kept.".into(), category: "watches".into() }
}

/// Sound terms of an auction of seven days.
#[must_use]
pub fn terms(now: DateTime<Utc>) -> Terms {
    terms_of(now, Format::English(english()))
}

/// Sound terms of an auction of seven days in another format.
#[must_use]
pub fn terms_of(now: DateTime<Utc>, format: Format) -> Terms {
    let currency = "USD".parse().unwrap_or_else(|_| unreachable!("USD is in ISO 4217"));
    let ends_at = now + TimeDelta::days(7);
    Terms { currency, format, starts_at: None, ends_at, second_chance: false, second_chance_days: None }
}

fn english() -> English {
    English {
        start_price: 100,
        reserve_price: None,
        buy_now_price: None,
        increments: Increments::Preset(Preset::EbayUs),
        soft_close: SoftClose::Off,
    }
}
