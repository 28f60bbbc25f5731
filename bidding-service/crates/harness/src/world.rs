//! Given, when, then for auctions: lots are published, bidders bid by name, the clock is moved by hand.

use std::sync::Arc;

use bidding_application::{Answered, Auctions, error::UseError, live_feed::LiveFeed, place_bid::BidReply};
use bidding_domain::{
    alias::Aliases,
    bid::{BidOutcome, Refusal},
    english::EnglishTerms,
    format::FormatTerms,
    ids::{AuctionId, UserId},
    increments::{IncrementTable, Tier},
    money::{Amount, Currency},
    soft_close::SoftClose,
    terms::{Sale, Terms},
    views::AuctionView,
};
use bidding_ports::{
    fact::{Fact, FactHandler, HandleError, Handled},
    idempotency::RequestKey,
    inbox::Receipt,
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::memory::MemoryStore;

/// The seller of every lot.
pub const SELLER: &str = "sam";
/// An auction lasts an hour.
pub const LASTS: TimeDelta = TimeDelta::hours(1);

/// A bidding service without IO.
pub struct World {
    /// The store, its clock and its faults.
    pub store: MemoryStore,
    /// The use cases.
    pub auctions: Auctions,
    /// Wakes streams.
    pub feed: Arc<LiveFeed>,
    /// Names of bidders.
    pub aliases: Aliases,
}

impl Default for World {
    fn default() -> Self {
        let feed = Arc::new(LiveFeed::default());
        let store = MemoryStore::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default());
        let store = store.telling(Arc::clone(&feed) as _);
        let aliases = Aliases::new(&[7; 32]).unwrap_or_else(|_| unreachable!("the secret is long enough"));
        let auctions = Auctions::new(Arc::new(store.clone()), Arc::clone(&feed), aliases.clone());
        Self { store, auctions, feed, aliases }
    }
}

impl World {
    /// Given a lot that is open from now on.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn given_open(&self, lot: EnglishTerms) -> AuctionId {
        self.given_published(lot, TimeDelta::zero()).await
    }

    /// Given a lot that was published and opens after a while.
    ///
    /// # Panics
    /// When it is not taken in.
    pub async fn given_published(&self, lot: EnglishTerms, opens_in: TimeDelta) -> AuctionId {
        let auction = AuctionId(Uuid::now_v7());
        let terms = terms(lot, self.store.now() + opens_in);
        let handled = self.hear(auction.to_string(), 1, Some(Fact::ListingPublished { auction, terms })).await;
        assert_eq!(handled, Ok(Handled::Done));
        auction
    }

    /// Given a bid that was accepted.
    ///
    /// # Panics
    /// When it was refused.
    pub async fn given_bid(&self, bidder: &str, auction: AuctionId, max: i64) {
        let reply = self.when_bids(bidder, auction, max).await;
        assert!(matches!(reply, BidReply::Accepted { .. }), "{bidder} {max}: {reply:?}");
    }

    /// When `bidder` bids at most `max`, by a request of its own.
    ///
    /// # Panics
    /// When the bid is not decided.
    pub async fn when_bids(&self, bidder: &str, auction: AuctionId, max: i64) -> BidReply {
        let key = Uuid::now_v7().to_string();
        self.bid(bidder, &key, auction, max).await.expect("decided").outcome
    }

    /// `bidder` bids with an idempotency key.
    ///
    /// # Errors
    /// As the use case.
    pub async fn bid(
        &self,
        bidder: &str,
        key: &str,
        auction: AuctionId,
        max: i64,
    ) -> Result<Answered<BidReply>, UseError> {
        self.auctions.place_bid(&request(bidder, key, auction, max), auction, amount(max)).await
    }

    /// When time passes and the closer runs until nothing more is due.
    ///
    /// # Panics
    /// When the closer fails.
    pub async fn when_time_passes(&self, by: TimeDelta) {
        self.store.advance(by);
        while self.auctions.run_due(16).await.expect("the closer runs").is_some_and(|wait| wait.is_zero()) {}
    }

    /// Then the auction, as `viewer` sees it.
    ///
    /// # Panics
    /// When there is none.
    pub async fn then_sees(&self, viewer: &str, auction: AuctionId) -> AuctionView {
        self.auctions.find(&user(viewer), auction).await.expect("there is such an auction")
    }

    /// Then `leader` leads at `price`.
    ///
    /// # Panics
    /// When not.
    pub async fn then_leads(&self, leader: &str, auction: AuctionId, price: i64) {
        let view = self.then_sees(leader, auction).await;
        assert_eq!((view.you_lead, view.price), (true, Some(amount(price))), "{view:?}");
    }

    /// Another context says `fact` as event number `sequence` of `key`.
    ///
    /// # Errors
    /// As the use case.
    pub async fn hear(&self, key: String, sequence: u64, fact: Option<Fact>) -> Result<Handled, HandleError> {
        let source = "/outcry/listing-service".to_owned();
        self.auctions.handle(Receipt { event_id: Uuid::now_v7(), source, key, sequence }, fact).await
    }
}

/// A principal.
#[must_use]
pub fn user(name: &str) -> UserId {
    UserId(name.to_owned())
}

/// Minor units.
///
/// # Panics
/// When out of range.
#[must_use]
pub fn amount(minor: i64) -> Amount {
    Amount::new(minor).expect("an amount")
}

/// A bid's request: the same bid with the same key is the same request.
#[must_use]
pub fn request(bidder: &str, key: &str, auction: AuctionId, max: i64) -> RequestKey {
    let mut fingerprint = [0; 32];
    fingerprint[..16].copy_from_slice(auction.0.as_bytes());
    fingerprint[16..24].copy_from_slice(&max.to_be_bytes());
    RequestKey { principal: user(bidder), key: key.to_owned(), fingerprint }
}

/// A lot from 5.00 in steps of 1.00, with neither reserve nor soft close.
///
/// # Panics
/// Never: the table is sound.
#[must_use]
pub fn lot() -> EnglishTerms {
    let tier = Tier { from: Amount::ZERO, increment: amount(100) };
    EnglishTerms {
        start_price: amount(500),
        reserve_price: None,
        increments: IncrementTable::own(vec![tier]).expect("a sound table"),
        soft_close: SoftClose::Off,
    }
}

/// The terms of a lot that opens at `starts_at` for an hour.
///
/// # Panics
/// When the lot is unsound.
#[must_use]
pub fn terms(lot: EnglishTerms, starts_at: DateTime<Utc>) -> Terms {
    let currency = "USD".parse::<Currency>().expect("USD is in ISO 4217");
    let ends_at = starts_at + LASTS;
    let sale = Sale { seller: user(SELLER), currency, starts_at, ends_at, second_chance: false };
    Terms::new(sale, FormatTerms::English(lot)).expect("sound terms")
}

/// What an accepted bid did.
///
/// # Panics
/// When it was refused.
#[must_use]
pub fn accepted(reply: &BidReply) -> BidOutcome {
    match reply {
        BidReply::Accepted { outcome, .. } => *outcome,
        BidReply::Refused { refusal } => panic!("refused: {refusal}"),
    }
}

/// Why a bid was refused.
///
/// # Panics
/// When it was accepted.
#[must_use]
pub fn refused(reply: &BidReply) -> Refusal {
    match reply {
        BidReply::Accepted { outcome, .. } => panic!("accepted: {outcome:?}"),
        BidReply::Refused { refusal } => *refusal,
    }
}
