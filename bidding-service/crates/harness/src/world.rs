//! Given, when, then for auctions: lots are published, bidders bid by name, the clock is moved by hand.

use std::sync::Arc;

use bidding_application::{
    Answered, Auctions,
    error::UseError,
    lane::LaneLimits,
    live_feed::LiveFeed,
    manage::{Operation, Retraction},
    place_bid::BidReply,
};
use bidding_domain::{
    alias::Aliases,
    bid::{Ask, BidOutcome, Refusal},
    ids::{AuctionId, BidId, UserId},
    log::Entry,
    money::{Amount, Currency},
    replay::replay,
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

pub use crate::lots::lot;
use crate::{lots::Lot, memory::MemoryStore};

/// The seller of every lot.
pub const SELLER: &str = "sam";
/// The operator.
pub const OPERATOR: &str = "olga";
/// An auction lasts an hour, unless it is said how long.
pub const LASTS: TimeDelta = TimeDelta::hours(1);

/// A bidding service without IO.
#[derive(Clone)]
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
    /// A world whose bids are decided in `count` lanes.
    #[must_use]
    pub fn with_lanes(count: usize, limits: LaneLimits) -> Self {
        let world = Self::default();
        Self { auctions: world.auctions.clone().with_lanes(count, limits), ..world }
    }

    /// The same world, seen from another instance of the service over the same store.
    #[must_use]
    pub fn another_instance(&self) -> Self {
        let auctions = Auctions::new(Arc::new(self.store.clone()), Arc::clone(&self.feed), self.aliases.clone());
        Self { auctions, ..self.clone() }
    }

    /// Given a lot that is open from now on.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn given_open(&self, lot: impl Lot) -> AuctionId {
        self.given_published(lot, TimeDelta::zero()).await
    }

    /// Given a lot that was published and opens after a while.
    ///
    /// # Panics
    /// When it is not taken in.
    pub async fn given_published(&self, lot: impl Lot, opens_in: TimeDelta) -> AuctionId {
        self.given_terms(terms(lot, self.store.now() + opens_in)).await
    }

    /// Given a lot that is open for so long from now on.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn given_open_for(&self, lot: impl Lot, lasts: TimeDelta) -> AuctionId {
        self.given_terms(terms_of(lot, self.store.now(), lasts)).await
    }

    async fn given_terms(&self, terms: Terms) -> AuctionId {
        let auction = AuctionId(Uuid::now_v7());
        let handled = self.hear(auction.to_string(), 1, Some(Fact::ListingPublished { auction, terms })).await;
        assert_eq!(handled, Ok(Handled::Done));
        auction
    }

    /// Given a bid that was accepted.
    ///
    /// # Panics
    /// When it was refused.
    pub async fn given_bid(&self, bidder: &str, auction: AuctionId, max: i64) -> BidId {
        match self.when_bids(bidder, auction, max).await {
            BidReply::Accepted { bid_id, .. } => bid_id,
            BidReply::Refused { refusal } => panic!("{bidder} {max}: {refusal}"),
        }
    }

    /// When `bidder` bids at most `max`, by a request of its own.
    ///
    /// # Panics
    /// When the bid is not decided.
    pub async fn when_bids(&self, bidder: &str, auction: AuctionId, max: i64) -> BidReply {
        self.when_asks(bidder, auction, one(max)).await
    }

    /// When `bidder` asks for the lot in any way, by a request of its own.
    ///
    /// # Panics
    /// When that is not decided.
    pub async fn when_asks(&self, bidder: &str, auction: AuctionId, ask: Ask) -> BidReply {
        let key = Uuid::now_v7().to_string();
        self.ask(bidder, &key, auction, ask).await.expect("decided").outcome
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
        self.ask(bidder, key, auction, one(max)).await
    }

    /// `bidder` asks for the lot in any way, with an idempotency key.
    ///
    /// # Errors
    /// As the use case.
    pub async fn ask(
        &self,
        bidder: &str,
        key: &str,
        auction: AuctionId,
        ask: Ask,
    ) -> Result<Answered<BidReply>, UseError> {
        self.auctions.place_bid(request(bidder, key, auction, ask), auction, ask).await
    }

    /// When `bidder` takes a bid back.
    ///
    /// # Errors
    /// As the use case.
    pub async fn when_retracts(&self, bidder: &str, auction: AuctionId, bid: BidId) -> Result<Retraction, UseError> {
        self.auctions.retract(&user(bidder), auction, bid, None).await
    }

    /// When `bidder` declines a partial lot.
    ///
    /// # Errors
    /// As the use case.
    pub async fn when_declines(&self, bidder: &str, auction: AuctionId) -> Result<AuctionView, UseError> {
        self.auctions.decline(&user(bidder), auction).await
    }

    /// When the operator pauses bidding.
    ///
    /// # Errors
    /// As the use case.
    pub async fn when_paused(&self, auction: AuctionId) -> Result<AuctionView, UseError> {
        let reason = "a fault in the lot's description".to_owned();
        self.auctions.operate(&user(OPERATOR), auction, &Operation::Pause { reason }).await
    }

    /// When the operator lets bidding go on.
    ///
    /// # Errors
    /// As the use case.
    pub async fn when_resumed(&self, auction: AuctionId) -> Result<AuctionView, UseError> {
        self.auctions.operate(&user(OPERATOR), auction, &Operation::Resume).await
    }

    /// When the operator takes the lot back.
    ///
    /// # Errors
    /// As the use case.
    pub async fn when_cancelled(&self, auction: AuctionId) -> Result<AuctionView, UseError> {
        let reason = "the lot was stolen".to_owned();
        self.auctions.operate(&user(OPERATOR), auction, &Operation::Cancel { reason }).await
    }

    /// When time passes, and the closer runs until nothing more is due.
    ///
    /// # Panics
    /// When the closer fails.
    pub async fn when_time_passes(&self, by: TimeDelta) {
        self.store.advance(by);
        self.when_the_closer_runs().await;
    }

    /// When the service is down for a while, and its closer runs after it.
    ///
    /// # Panics
    /// When the closer fails.
    pub async fn when_down_for(&self, by: TimeDelta) {
        self.store.advance_without_life(by);
        self.when_the_closer_runs().await;
    }

    async fn when_the_closer_runs(&self) {
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

    /// Then the log of the auction, played again by the domain alone, leads to what is kept of it, and its
    /// events are numbered without a gap.
    ///
    /// # Panics
    /// When not.
    pub fn then_its_log_proves_it(&self, id: AuctionId) {
        let contents = self.store.contents();
        let (kept, log) = (&contents.auctions[&id], contents.log(id));
        let played = replay(id, kept.terms(), &log).expect("the log follows from the rules");
        assert_eq!((played.head(), played.state()), (kept.head(), kept.state()));
        assert_eq!(played.snapshot().book, kept.snapshot().book);
        let sequences: Vec<_> = log.iter().flat_map(Entry::events).map(|event| event.sequence).collect();
        assert_eq!(sequences, (1..=kept.sequence()).collect::<Vec<_>>(), "no number twice, none left out");
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

/// A bid for one unit, at most `max`.
#[must_use]
pub fn one(max: i64) -> Ask {
    units(max, 1)
}

/// A bid for some units, at most `max` for each.
#[must_use]
pub fn units(max: i64, quantity: u32) -> Ask {
    Ask::Bid { max: amount(max), quantity }
}

/// A bid's request: the same bid with the same key is the same request.
#[must_use]
pub fn request(bidder: &str, key: &str, auction: AuctionId, ask: Ask) -> RequestKey {
    let mut fingerprint = [0; 32];
    fingerprint[..16].copy_from_slice(auction.0.as_bytes());
    if let Ask::Bid { max, quantity } = ask {
        fingerprint[16..24].copy_from_slice(&max.minor().to_be_bytes());
        fingerprint[24..28].copy_from_slice(&quantity.to_be_bytes());
    }
    RequestKey { principal: user(bidder), key: key.to_owned(), fingerprint }
}

/// The terms of a lot that opens at `starts_at` for an hour.
///
/// # Panics
/// When the lot is unsound.
#[must_use]
pub fn terms(lot: impl Lot, starts_at: DateTime<Utc>) -> Terms {
    terms_of(lot, starts_at, LASTS)
}

/// The terms of a lot that opens at `starts_at` for a while.
///
/// # Panics
/// When the lot is unsound.
#[must_use]
pub fn terms_of(lot: impl Lot, starts_at: DateTime<Utc>, lasts: TimeDelta) -> Terms {
    let currency = "USD".parse::<Currency>().expect("USD is in ISO 4217");
    let ends_at = starts_at + lasts;
    let sale = Sale {
        seller: user(SELLER),
        currency,
        starts_at,
        ends_at,
        second_chance: true,
        second_chance_days: Some(5),
        unit: currency.payable_unit(),
    };
    Terms::new(sale, lot.format()).expect("sound terms")
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
