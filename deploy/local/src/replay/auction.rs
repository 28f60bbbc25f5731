//! One auction of a replay: list, publish, place the bids strictly in order, read how it closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::journal::{Closed, Entry, Journal};
use super::progress::Progress;
use super::table::Lot;
use crate::api::{Api, Principal};
use crate::layout::Service;
use crate::supervise::poll;

/// Attempts before an auction counts as failed.
const ATTEMPTS: u32 = 4;
/// Room for listing, publishing and opening.
const OPENING: Duration = Duration::from_secs(10);
/// How long bidding may take to hear of a new auction, and to close one that is due.
const CONVERGES_WITHIN: Duration = Duration::from_secs(60);
/// How much longer than the pace says an auction stays open, and the bounds of what it allows a bid.
const SLACK: u32 = 3;
const BID_MIN: Duration = Duration::from_millis(100);
const BID_MAX: Duration = Duration::from_secs(2);
/// No auction stays open longer, whatever the pace says.
const LENGTH_MAX: Duration = Duration::from_secs(300);

/// How long a bid takes at the moment, so that auctions stay open long enough on any machine.
pub struct Pace {
    bid_us: AtomicU64,
}

impl Pace {
    /// A careful guess to begin with.
    pub fn new() -> Self {
        Self { bid_us: AtomicU64::new(100_000) }
    }

    fn saw(&self, bid: Duration) {
        let new = u64::try_from(bid.as_micros()).unwrap_or(u64::MAX);
        let old = self.bid_us.load(Ordering::Relaxed);
        self.bid_us.store(old - old / 16 + new / 16, Ordering::Relaxed);
    }

    /// How long an auction of so many bids has to stay open at its `attempt`, from 1.
    pub fn length(&self, bids: usize, attempt: u32) -> Duration {
        let bid = Duration::from_micros(self.bid_us.load(Ordering::Relaxed)) * SLACK;
        let bids = u32::try_from(bids).unwrap_or(u32::MAX);
        let once = OPENING + bid.clamp(BID_MIN, BID_MAX).saturating_mul(bids);
        once.saturating_mul(1 << (attempt - 1)).min(LENGTH_MAX)
    }
}

/// What all auctions of a replay share.
pub struct Replayer<'a> {
    /// The marketplace.
    pub api: Api,
    /// What was done.
    pub journal: Journal,
    /// How many may be in their bidding.
    pub bidding: Semaphore,
    /// How fast it goes.
    pub pace: Pace,
    /// Whether reserves are set.
    pub reserve: bool,
    /// How far it is.
    pub progress: &'a Progress,
}

/// The auction ended before its last bid.
struct Late;

impl Replayer<'_> {
    /// Replays `lot`, or what is left of it, to its end.
    pub async fn replay(&self, lot: &Lot) -> Result<Entry> {
        for _ in 0..ATTEMPTS {
            let kept = self.journal.entry(&lot.id);
            let entry = match kept {
                Some(entry) if entry.all_bids => {
                    self.progress.skip(lot.bids.len());
                    entry
                }
                kept => match self.bid(lot, kept).await? {
                    Ok(entry) => entry,
                    Err(Late) => continue,
                },
            };
            let entry = if entry.closed.is_some() { entry } else { self.close(lot, entry).await? };
            self.progress.closed();
            return Ok(entry);
        }
        bail!(
            "auction {} ended before its last bid, {ATTEMPTS} times: this machine is too slow for so many at once, try --at-once 4",
            lot.id
        )
    }

    /// Opens the auction and places every bid. Repeating a part of it is harmless: each request carries the key of its place.
    async fn bid(&self, lot: &Lot, kept: Option<Entry>) -> Result<Result<Entry, Late>> {
        let _turn = self.bidding.acquire().await?;
        let entry = match kept.filter(|entry| entry.ends_at > Utc::now() + self.pace.length(lot.bids.len(), 1) / SLACK)
        {
            Some(entry) => entry,
            None => self.begin(lot)?,
        };
        let id = self.open(lot, &entry).await?;
        let mut entry = Entry { listing_id: Some(id.clone()), accepted: 0, refused: BTreeMap::new(), ..entry };
        let path = format!("/v1/auctions/{id}/bids");
        for (number, bid) in lot.bids.iter().enumerate() {
            let bidder = self.principal(&bid.bidder);
            let who = Principal { sub: &bidder, role: "bidder" };
            let key = self.key(lot, &entry, &number.to_string());
            let asked = std::time::Instant::now();
            let answer =
                self.api.post(Service::Bidding, &path, who, &key, &json!({"max_amount": bid.max_cents})).await?;
            self.pace.saw(asked.elapsed());
            match (answer.status.as_u16(), answer.problem()) {
                (201, _) => entry.accepted += 1,
                (409, Some("auction-not-open")) => {
                    self.journal.note(&lot.id, Entry { ends_at: Utc::now(), ..entry })?;
                    self.progress.take_back(number);
                    return Ok(Err(Late));
                }
                (422, Some(slug)) if slug != "validation" => *entry.refused.entry(slug.to_owned()).or_default() += 1,
                _ => {
                    answer.success().with_context(|| format!("bid {} of auction {}", number + 1, lot.id))?;
                }
            }
            self.progress.placed();
        }
        entry.all_bids = true;
        self.journal.note(&lot.id, entry.clone())?;
        Ok(Ok(entry))
    }

    /// Plans the next attempt, and notes it before anything is sent.
    fn begin(&self, lot: &Lot) -> Result<Entry> {
        let attempt = self.journal.entry(&lot.id).map_or(0, |entry| entry.attempt) + 1;
        let length = self.pace.length(lot.bids.len(), attempt.min(ATTEMPTS));
        let entry = Entry { attempt, ends_at: Utc::now() + length, ..Entry::default() };
        self.journal.note(&lot.id, entry.clone())?;
        Ok(entry)
    }

    /// Lists and publishes `lot`, and waits until bidding has opened it.
    async fn open(&self, lot: &Lot, entry: &Entry) -> Result<String> {
        let id = self.list(lot, entry).await?;
        let seller = self.principal("seller");
        let (path, key) = (format!("/v1/listings/{id}/publish"), self.key(lot, entry, "publish"));
        let published = self
            .api
            .post(Service::Listing, &path, Principal { sub: &seller, role: "seller" }, &key, &json!({}))
            .await?;
        published.success().with_context(|| format!("publishing auction {}", lot.id))?;
        let opened = poll(CONVERGES_WITHIN, || async {
            let auction = self.auction(lot, &id).await?;
            ensure!(auction["status"] != "scheduled", "it is still scheduled");
            Ok(())
        });
        opened.await.with_context(|| format!("auction {} is not opened by bidding", lot.id))?;
        Ok(id)
    }

    async fn list(&self, lot: &Lot, entry: &Entry) -> Result<String> {
        let seller = self.principal("seller");
        let listing = json!({
            "title": format!("{} ({})", lot.item, lot.id), "description": "A replayed auction.",
            "category": "replay", "currency": "USD",
            "format": {"kind": "english", "start_price": lot.open_cents,
                       "reserve_price": lot.reserve_cents.filter(|_| self.reserve), "buy_now_price": null,
                       "increments": "ebay-us", "soft_close": {"mode": "off"}},
            "starts_at": null, "ends_at": entry.ends_at.to_rfc3339_opts(SecondsFormat::Millis, true), "second_chance": false,
        });
        let who = Principal { sub: &seller, role: "seller" };
        let created =
            self.api.post(Service::Listing, "/v1/listings", who, &self.key(lot, entry, "list"), &listing).await?;
        let created = created.success().with_context(|| format!("listing auction {}", lot.id))?;
        Ok(created["id"].as_str().context("a new listing has no id")?.to_owned())
    }

    /// Waits for the close and reads the result.
    async fn close(&self, lot: &Lot, entry: Entry) -> Result<Entry> {
        let id = entry.listing_id.as_deref().context("the journal of this replay is damaged")?;
        tokio::time::sleep((entry.ends_at - Utc::now()).to_std().unwrap_or_default()).await;
        let closed = poll(CONVERGES_WITHIN, || async {
            let auction = self.auction(lot, id).await?;
            if auction["status"] == "closed" {
                Ok(auction)
            } else {
                bail!("it is `{}`", auction["status"].as_str().unwrap_or_default())
            }
        });
        let closed = closed.await.with_context(|| format!("auction {} is not closed", lot.id))?;
        let result = &closed["result"];
        let outcome = result["outcome"].as_str().context("a closed auction has no outcome")?.to_owned();
        let closed = Closed { outcome, price_cents: result["price"].as_i64() };
        let entry = Entry { closed: Some(closed), ..entry };
        self.journal.note(&lot.id, entry.clone())?;
        Ok(entry)
    }

    async fn auction(&self, lot: &Lot, id: &str) -> Result<Value> {
        // Read by a bidder of the auction: each principal has a rate limit of its own.
        let reader = self.principal(lot.bids.first().map_or("reader", |bid| &bid.bidder));
        self.api
            .get(Service::Bidding, &format!("/v1/auctions/{id}"), Principal { sub: &reader, role: "bidder" })
            .await?
            .success()
    }

    fn principal(&self, name: &str) -> String {
        format!("replay-{}-{name}", self.journal.run())
    }

    fn key(&self, lot: &Lot, entry: &Entry, step: &str) -> String {
        format!("replay-{}-{}-{}-{step}", self.journal.run(), lot.id, entry.attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_machine_and_a_later_attempt_leave_more_time() {
        let pace = Pace::new();
        let (few, many) = (pace.length(1, 1), pace.length(50, 1));
        assert!(few < many && many < pace.length(50, 2));
        (0..200).for_each(|_| pace.saw(Duration::from_secs(3)));
        assert!(pace.length(50, 1) > many);
        (0..400).for_each(|_| pace.saw(Duration::from_millis(1)));
        assert_eq!(pace.length(50, 1), OPENING + 50 * BID_MIN);
    }
}
