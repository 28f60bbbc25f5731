//! The receipt of an auction that is over: what anybody needs to hold the house to its result.

use bidding_domain::{
    alias::Alias,
    auction::{Auction, Snapshot, State},
    chain::Link,
    format::Outcome,
    halt::Halt,
    ids::{AuctionId, UserId},
    log::{Decided, Entry},
    replay::{Difference, replay},
    views::{AuctionView, ResultView},
};
use bidding_ports::store::Found;
use chrono::{DateTime, Utc};

use crate::{
    Auctions,
    error::{ATTEMPTS, UseError},
};

/// What is stated of an auction that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Which auction.
    pub auction_id: AuctionId,
    /// The format's name.
    pub format: String,
    /// ISO 4217.
    pub currency: &'static str,
    /// How it ended.
    pub result: ResultView,
    /// Who won, when one bidder did.
    pub winner: Option<Alias>,
    /// Accepted bids that were not taken back; none of what stays sealed.
    pub bid_count: Option<u64>,
    /// When it ended, extensions included.
    pub ended_at: DateTime<Utc>,
    /// Number of the last event that everybody may see.
    pub sequence: u64,
    /// Entries of the log; none where bids stay secret. What is between the services after the end does not count,
    /// so that the statement stays what it was.
    pub decisions: Option<u64>,
    /// The link of the last of them in the log's hash chain, sealed.
    pub chain: Link,
}

impl Auctions {
    /// What is stated of an auction that is over, the same to everybody.
    ///
    /// # Errors
    /// [`UseError::NotFound`], [`UseError::NotOver`].
    pub async fn statement(&self, id: AuctionId) -> Result<Statement, UseError> {
        let Found { auction, now, .. } = self.store.find(id).await?.ok_or(UseError::NotFound)?;
        self.state(&auction, now).ok_or(UseError::NotOver)
    }

    /// Plays the log of an auction again, by the domain alone, and compares what it makes with what is kept:
    /// the statement if both agree, else the first difference.
    ///
    /// # Errors
    /// [`UseError::NotFound`], the store's.
    pub async fn verify(&self, id: AuctionId) -> Result<Result<Option<Statement>, Difference>, UseError> {
        let (log, Found { auction: kept, halts, now, .. }) = self.log_and_auction(id).await?;
        let opened_at = log.first().map(|entry| entry.at);
        if let Some(difference) = log.iter().find_map(|entry| invented_halt(entry, &halts, opened_at)) {
            return Ok(Err(difference));
        }
        let played = match replay(id, kept.terms(), &log) {
            Ok(played) => played,
            Err(difference) => return Ok(Err(difference)),
        };
        let number = log.last().map_or(0, |entry| entry.number);
        // A halt that changed nothing leaves no entry, and so does not show in what was played.
        let (was, is) = (Snapshot { halt: 0, ..played.snapshot() }, Snapshot { halt: 0, ..kept.snapshot() });
        if was != is {
            let text = |snapshot: &Snapshot| serde_json::to_string(snapshot).unwrap_or_default();
            let what =
                format!("after it the auction is not as it is kept: {} by the log, {} kept", text(&was), text(&is));
            return Ok(Err(Difference { number, what }));
        }
        Ok(Ok(self.state(&played, now)))
    }

    /// Both of one moment: the log of an auction that is moved meanwhile is read again.
    async fn log_and_auction(&self, id: AuctionId) -> Result<(Vec<Entry>, Found), UseError> {
        let mut found = self.store.find(id).await?.ok_or(UseError::NotFound)?;
        for _ in 0..ATTEMPTS {
            let log = self.store.log(id).await?;
            let again = self.store.find(id).await?.ok_or(UseError::NotFound)?;
            if again.auction == found.auction {
                return Ok((log, again));
            }
            found = again;
        }
        Err(UseError::Busy)
    }

    fn state(&self, auction: &Auction, now: DateTime<Utc>) -> Option<Statement> {
        let nobody = UserId(String::new());
        let view = AuctionView::of(auction, now, &nobody, &self.aliases);
        let public = auction.public();
        let winner = match auction.state() {
            State::Closed { outcome: Outcome::Sold { winner, .. }, .. } => Some(self.aliases.of(auction.id(), winner)),
            _ => None,
        };
        Some(Statement {
            auction_id: auction.id(),
            format: view.format,
            currency: view.currency.code(),
            result: view.result?,
            winner,
            bid_count: view.bid_count,
            ended_at: if let State::Cancelled { at, .. } = auction.state() { *at } else { view.ends_at },
            sequence: public.sequence,
            decisions: Some(public.number).filter(|_| !auction.keeps_bids_secret()),
            chain: self.aliases.sealed(public.link),
        })
    }
}

/// An entry that gives time back for a halt of which the house knows nothing, or other times.
fn invented_halt(entry: &Entry, halts: &[Halt], opened_at: Option<DateTime<Utc>>) -> Option<Difference> {
    let known = |number: u64| halts.iter().find(|halt| halt.number == number);
    let holds = match &entry.record.decided {
        // A lot's own lasts from its start, as the rules say, until it was opened.
        Decided::GivenBack { halt } if halt.is_of_one_lot() => halt.until == opened_at,
        Decided::GivenBack { halt } => known(halt.number) == Some(halt),
        Decided::Paused { halt: Some(number), since, .. } => known(*number).is_some_and(|halt| halt.since <= *since),
        _ => true,
    };
    let what = || "it follows a halt that there was not, or not at those times".to_owned();
    (!holds).then(|| Difference { number: entry.number, what: what() })
}
