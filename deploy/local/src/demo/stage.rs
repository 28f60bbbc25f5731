//! What the scenarios are played with: people, lots and settlements over the public API, and waits that are explained.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{CONVERGES_WITHIN, OPERATOR, PATIENCE, dollars, text, time, to_the_second};
use crate::api::{Answer, Api, Principal};
use crate::console::Console;
use crate::files;
use crate::layout::{DataDir, Service};

/// How long an auction of a scenario lasts.
const LASTS: Duration = Duration::from_secs(10);
/// Deadlines of a marketplace in which nobody waits for the end of a scenario.
const LONGEST_DEADLINE: Duration = Duration::from_secs(120);

/// Somebody who takes part.
pub struct Person {
    sub: String,
    role: &'static str,
}

impl Person {
    fn principal(&self) -> Principal<'_> {
        Principal { sub: &self.sub, role: self.role }
    }

    /// The name that is told.
    pub fn name(&self) -> &str {
        &self.sub
    }
}

/// A marketplace on which scenarios are played.
pub struct Stage<'a> {
    api: Api,
    console: &'a Console,
    run: String,
    before: Value,
}

impl<'a> Stage<'a> {
    /// The running marketplace.
    pub async fn open(data_dir: &DataDir, console: &'a Console) -> Result<Self> {
        let api = Api::open(data_dir, PATIENCE)?;
        let before = ledger(&api).await?;
        Ok(Self { api, console, run: files::random_hex(3)?, before })
    }

    /// Somebody new.
    pub fn seller(&self, name: &str) -> Person {
        Person { sub: format!("{name}-{}", self.run), role: "seller" }
    }

    /// Somebody new.
    pub fn bidder(&self, name: &str) -> Person {
        Person { sub: format!("{name}-{}", self.run), role: "bidder" }
    }

    /// One line.
    pub fn tells(&self, line: impl AsRef<str>) {
        self.console.say(line);
    }

    /// Lists and publishes a lot from 10.00 USD, and waits until it takes bids.
    pub async fn lists(&self, seller: &Person, what: &str, second_chance: bool) -> Result<String> {
        let ends_at = (Utc::now() + LASTS).to_rfc3339_opts(SecondsFormat::Millis, true);
        let listing = json!({
            "title": what, "description": "Sold by a scenario of the demo.", "category": "watches", "currency": "USD",
            "format": {"kind": "english", "start_price": 1000, "reserve_price": null, "buy_now_price": null,
                       "increments": "ebay-us", "soft_close": {"mode": "off"}},
            "starts_at": null, "ends_at": ends_at, "second_chance": second_chance,
        });
        let created = self.post(Service::Listing, "/v1/listings", seller, &listing).await?;
        let id = text(&created, "id")?;
        self.post(Service::Listing, &format!("/v1/listings/{id}/publish"), seller, &json!({})).await?;
        let chance = if second_chance { ", with second chances" } else { "" };
        self.tells(format!("   {} lists a {what} from 10.00 USD{chance}.", seller.sub));
        self.awaits_open(&id, seller).await?;
        Ok(id)
    }

    /// Waits until a lot takes bids.
    pub async fn awaits_open(&self, id: &str, who: &Person) -> Result<()> {
        let path = format!("/v1/auctions/{id}");
        self.waits("Bidding hears of the lot", CONVERGES_WITHIN, async || {
            let auction = self.get(Service::Bidding, &path, who).await?;
            ensure!(auction["status"] == "open", "it is {}", auction["status"]);
            Ok(())
        })
        .await
    }

    /// Bids, whatever becomes of it.
    pub async fn tries_to_bid(&self, bidder: &Person, id: &str, max: i64) -> Result<Answer> {
        let path = format!("/v1/auctions/{id}/bids");
        let key = files::random_hex(8)?;
        self.api.post(Service::Bidding, &path, bidder.principal(), &key, &json!({"max_amount": max})).await
    }

    /// Bids and is accepted.
    pub async fn bids(&self, bidder: &Person, id: &str, max: i64) -> Result<()> {
        let placed = self.tries_to_bid(bidder, id, max).await?.success().context("the bid is refused")?;
        let price = dollars(&placed["auction"]["price"]);
        self.tells(format!("   {} bids at most {}; the price is {price}.", bidder.sub, dollars(&json!(max))));
        Ok(())
    }

    /// Waits for the hammer, and for the winner's settlement.
    pub async fn hammer(&self, id: &str, winner: &Person) -> Result<String> {
        let path = format!("/v1/auctions/{id}");
        let closed = self
            .waits("Waiting for the hammer", LASTS + CONVERGES_WITHIN, async || {
                let auction = self.get(Service::Bidding, &path, winner).await?;
                ensure!(auction["status"] == "closed", "it is {}", auction["status"]);
                Ok(auction)
            })
            .await?;
        ensure!(closed["you_lead"] == true, "somebody else won: {closed}");
        self.tells(format!("   Sold to {} for {}.", winner.sub, dollars(&closed["result"]["price"])));
        self.settlement(id, winner).await
    }

    /// Waits for the settlement of a lot in which somebody is the buyer.
    pub async fn settlement(&self, auction: &str, buyer: &Person) -> Result<String> {
        let path = format!("/v1/settlements?auction_id={auction}");
        self.waits("Settlement hears of it", CONVERGES_WITHIN, async || {
            let page = self.get(Service::Settlement, &path, buyer).await?;
            let items = page["items"].as_array().into_iter().flatten();
            let mine = items.clone().find(|item| item["buyer"] == buyer.sub.as_str());
            text(mine.context("there is no settlement")?, "id")
        })
        .await
    }

    /// The settlement as somebody sees it.
    pub async fn sale(&self, id: &str, who: &Person) -> Result<Value> {
        self.get(Service::Settlement, &format!("/v1/settlements/{id}"), who).await
    }

    /// Does something to a settlement.
    pub async fn acts(&self, who: &Person, id: &str, action: &str, body: &Value) -> Result<Value> {
        self.post(Service::Settlement, &format!("/v1/settlements/{id}/{action}"), who, body).await
    }

    /// The operator decides about a settlement.
    pub async fn resolves(&self, id: &str, body: &Value) -> Result<Value> {
        let path = format!("/v1/settlements/{id}/resolve");
        let key = files::random_hex(8)?;
        self.api.post(Service::Settlement, &path, OPERATOR, &key, body).await?.success().context("resolve is refused")
    }

    /// The operator lets a bidder bid again.
    pub async fn reinstates(&self, bidder: &Person) -> Result<()> {
        let (path, key) = (format!("/v1/bidders/{}/reinstate", bidder.sub), files::random_hex(8)?);
        let answer = self.api.post(Service::Settlement, &path, OPERATOR, &key, &json!({})).await?;
        answer.success().context("the reinstatement is refused")?;
        Ok(())
    }

    /// Pays, ships and receives, until the seller is paid.
    pub async fn settles(&self, id: &str, seller: &Person, buyer: &Person) -> Result<()> {
        self.pays(id, buyer).await?;
        self.ships(id, seller, buyer).await?;
        self.acts(buyer, id, "receive", &json!({})).await?;
        self.tells(format!("   {} has it in hands and says so.", buyer.sub));
        self.becomes(id, "completed", buyer).await?;
        self.tells(format!("   {} is paid, less the platform's commission.", seller.sub));
        Ok(())
    }

    /// Pays; the money is in escrow then.
    pub async fn pays(&self, id: &str, buyer: &Person) -> Result<()> {
        self.acts(buyer, id, "pay", &json!({"payment_method": "pm_card_visa"})).await?;
        self.becomes(id, "escrowed", buyer).await?;
        self.tells(format!("   {} pays by card. The money is in escrow.", buyer.sub));
        Ok(())
    }

    /// Ships.
    pub async fn ships(&self, id: &str, seller: &Person, buyer: &Person) -> Result<()> {
        let parcel = json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"});
        self.acts(seller, id, "ship", &parcel).await?;
        self.becomes(id, "shipped", buyer).await?;
        self.tells(format!("   {} ships.", seller.sub));
        Ok(())
    }

    /// Waits until a settlement has a status.
    pub async fn becomes(&self, id: &str, status: &str, who: &Person) -> Result<Value> {
        self.waits(&format!("The settlement becomes {status}"), CONVERGES_WITHIN, async || {
            let sale = self.sale(id, who).await?;
            ensure!(sale["status"] == status, "it is {}", sale["status"]);
            Ok(sale)
        })
        .await
    }

    /// Lets a deadline of a settlement pass without anybody doing anything.
    pub async fn misses(&self, id: &str, deadline: &str, status: &str, who: &Person) -> Result<Value> {
        let sale = self.sale(id, who).await?;
        let due = time(&sale, deadline)?;
        let left = (due - Utc::now()).to_std().unwrap_or_default();
        if left > LONGEST_DEADLINE {
            bail!(
                "this marketplace gives until {}, and the scenario would wait so long; start one whose deadlines \
                 last seconds with `outcry up --quick`",
                to_the_second(due)
            );
        }
        self.tells(format!("   Nobody does anything for {} s …", left.as_secs() + 1));
        self.waits("Waiting for the deadline", left + CONVERGES_WITHIN, async || {
            let sale = self.sale(id, who).await?;
            ensure!(sale["status"] == status, "it is {}", sale["status"]);
            Ok(sale)
        })
        .await
    }

    /// The listing that repeats another.
    pub async fn relisted(&self, id: &str, seller: &Person) -> Result<String> {
        self.waits("Listing repeats the lot", CONVERGES_WITHIN, async || {
            let listing = self.get(Service::Listing, &format!("/v1/listings/{id}"), seller).await?;
            text(&listing, "relisted_as")
        })
        .await
    }

    /// The ledger's trial balance as a table, with what the scenario has moved.
    pub async fn balance(&self) -> Result<()> {
        let after = ledger(&self.api).await?;
        ensure!(after["balanced"] == true, "the ledger does not balance: {after}");
        self.tells("\nThe ledger's trial balance (USD):\n");
        let accounts = after["accounts"].as_array().into_iter().flatten();
        let names: Vec<&str> =
            accounts.filter(|line| line["currency"] == "USD").filter_map(|line| line["account"].as_str()).collect();
        if names.is_empty() {
            self.tells("   It is empty: no money has moved yet.");
            return Ok(());
        }
        self.tells(format!("   {:<20} {:>16} {:>16} {:>16}", "account", "before", "moved", "after"));
        for name in names {
            let (was, is) = (balance_of(&self.before, name), balance_of(&after, name));
            let [was, moved, is] = [was, is - was, is].map(|cents| dollars(&json!(cents)));
            self.tells(format!("   {name:<20} {was:>16} {moved:>16} {is:>16}"));
        }
        self.tells("\n   Every debit has its credit: the sum is zero.");
        Ok(())
    }

    /// Repeats `check` until it holds.
    pub async fn waits<T>(&self, what: &str, within: Duration, check: impl AsyncFn() -> Result<T>) -> Result<T> {
        let spinner = self.console.spinner(what);
        let deadline = Instant::now() + within;
        let outcome = loop {
            match check().await {
                Ok(value) => break Ok(value),
                Err(fault) if Instant::now() > deadline => break Err(fault.context(format!("{what}: in vain"))),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        spinner.finish_and_clear();
        outcome
    }

    async fn get(&self, service: Service, path: &str, who: &Person) -> Result<Value> {
        self.api.get(service, path, who.principal()).await?.success()
    }

    async fn post(&self, service: Service, path: &str, who: &Person, body: &Value) -> Result<Value> {
        let key = files::random_hex(8)?;
        let answer = self.api.post(service, path, who.principal(), &key, body).await?;
        answer.success().with_context(|| format!("{path} is refused"))
    }
}

async fn ledger(api: &Api) -> Result<Value> {
    api.get(Service::Settlement, "/v1/ledger/trial-balance", OPERATOR).await?.success()
}

fn balance_of(ledger: &Value, account: &str) -> i64 {
    let mut lines = ledger["accounts"].as_array().into_iter().flatten();
    let line = lines.find(|line| line["account"] == account && line["currency"] == "USD");
    line.and_then(|line| line["balance"].as_i64()).unwrap_or_default()
}
