//! `outcry demo`: one auction from listing to payout over the public API, told as it happens; with `--scenario`, what
//! happens when a sale does not go as it should. What was done in the one auction is
//! read from the marketplace and every request carries the key of its step, so an interrupted demo continues.

mod scenarios;
mod stage;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{Api, Principal};
use crate::cli::DemoArgs;
use crate::console::Console;
use crate::files;
use crate::layout::{DataDir, Service};

const SELLER: Principal<'static> = Principal { sub: "demo-seller", role: "seller" };
const BIDDER_A: Principal<'static> = Principal { sub: "demo-bidder-a", role: "bidder" };
const BIDDER_B: Principal<'static> = Principal { sub: "demo-bidder-b", role: "bidder" };
const OPERATOR: Principal<'static> = Principal { sub: "demo-operator", role: "admin" };
/// Who bids how much at most, in cents, and what that shows.
const BIDS: [(Principal<'static>, i64, &str); 3] = [
    (BIDDER_A, 5_000, "The first bid stands at the start price: the maximum stays hidden."),
    (BIDDER_B, 8_000, "A higher maximum leads, at one increment above the other one."),
    (BIDDER_A, 6_000, "Outbid at once: the leader's hidden maximum answers by itself."),
];

/// A service may be restarting: requests are repeated for this long.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long other services may take to hear of something; normally a fraction of a second.
const CONVERGES_WITHIN: Duration = Duration::from_secs(90);
const LENGTH_MIN: Duration = Duration::from_secs(10);
/// With less left, an auction that an interrupted demo has drafted is listed anew.
const LEFT_MIN: Duration = Duration::from_secs(7);

#[derive(Debug, Serialize, Deserialize)]
struct State {
    run: String,
    ends_at: DateTime<Utc>,
    auction_id: Option<String>,
    settlement_id: Option<String>,
    status: String,
}

/// What `outcry up --demo` asks for: an unfinished demo goes on.
pub fn again() -> DemoArgs {
    DemoArgs { resume: true, length: Duration::from_secs(15), scenario: None }
}

/// Runs or continues the demo of the marketplace in `data_dir`.
pub async fn run(args: &DemoArgs, data_dir: &DataDir, console: &Console) -> Result<ExitCode> {
    if let Some(scenario) = args.scenario {
        return scenarios::play(scenario, data_dir, console).await;
    }
    ensure!(args.length >= LENGTH_MIN, "--length must be at least {LENGTH_MIN:?}, or there is no time to bid");
    let api = Api::open(data_dir, PATIENCE)?;
    let file = data_dir.demo_file();
    let unfinished = if args.resume && file.exists() { serde_json::from_str(&files::read(&file)?).ok() } else { None };
    let unfinished = unfinished.filter(|state: &State| state.status != "completed");
    let begun = unfinished.is_some();
    let state = unfinished.map_or_else(|| State::new(args.length), Ok)?;
    let mut demo = Demo { api, data_dir, console, state, winner: BIDDER_B };
    demo.console.say(if begun {
        "\nThe demo goes on where it stopped.\n"
    } else {
        "\nOne auction, from listing to payout:\n"
    });
    while !demo.sell().await? {
        demo.console.say("   It ended before anybody could bid; the seller lists it again.");
        demo.state = State::new(args.length)?;
    }
    demo.settle().await?;
    demo.balance().await?;
    Ok(ExitCode::SUCCESS)
}

impl State {
    fn new(length: Duration) -> Result<Self> {
        let (run, ends_at) = (files::random_hex(6)?, Utc::now() + length);
        Ok(Self { run, ends_at, auction_id: None, settlement_id: None, status: "running".to_owned() })
    }
}

struct Demo<'a> {
    api: Api,
    data_dir: &'a DataDir,
    console: &'a Console,
    state: State,
    winner: Principal<'static>,
}

impl Demo<'_> {
    /// Lists, bids and waits for the hammer; false when nobody had the time to bid.
    async fn sell(&mut self) -> Result<bool> {
        self.save()?;
        let Some(id) = self.list().await? else { return Ok(false) };
        let open = self
            .spin("Bidding hears of it from listing's event", || self.auction_that(&id, |a| a["status"] != "scheduled"))
            .await?;
        if open["status"] == "open" && !self.bid(&id).await? {
            return Ok(false);
        }
        let closed = self.await_hammer(&id).await?;
        let result = &closed["result"];
        if result["outcome"] != "sold" {
            return Ok(false);
        }
        // A crash may have kept the second bidder away: then the first one has won.
        self.winner = if closed["you_lead"] == true { BIDDER_A } else { BIDDER_B };
        let (price, bids) = (dollars(&result["price"]), &closed["bid_count"]);
        self.console
            .say(format!("4. Sold to {} for {price} after {bids} bids. Nobody ever saw a maximum.", self.winner.sub));
        Ok(true)
    }

    /// The published auction's id, none if the time that is left is not worth publishing it.
    async fn list(&mut self) -> Result<Option<String>> {
        let ends_at = self.state.ends_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let listing = json!({
            "title": "Pocket chronometer", "description": "Runs, keeps time, comes with its box.",
            "category": "watches", "currency": "USD",
            "format": {"kind": "english", "start_price": 1000, "reserve_price": null, "buy_now_price": null,
                       "increments": "ebay-us", "soft_close": {"mode": "off"}},
            "starts_at": null, "ends_at": ends_at, "second_chance": false,
        });
        let late = Utc::now() + LEFT_MIN > self.state.ends_at;
        if self.state.auction_id.is_none() {
            if late {
                return Ok(None);
            }
            let created = self.post(Service::Listing, "/v1/listings", SELLER, "list", &listing).await?;
            self.state.auction_id = Some(text(&created, "id")?);
            self.save()?;
            let until = to_the_second(self.state.ends_at);
            self.console
                .say(format!("1. A seller drafts the listing of a pocket chronometer, from 10.00 USD, until {until}."));
        }
        let id = self.state.auction_id.clone().context("the listing has no id")?;
        let path = format!("/v1/listings/{id}");
        if self.api.get(Service::Listing, &path, SELLER).await?.success()?["status"] == "draft" {
            if late {
                return Ok(None);
            }
            self.post(Service::Listing, &format!("{path}/publish"), SELLER, "publish", &json!({})).await?;
            self.console.say(format!("2. The seller publishes it: auction {id}."));
        }
        Ok(Some(id))
    }

    /// Places the bids; false when the auction ended under our hands without one.
    async fn bid(&self, id: &str) -> Result<bool> {
        self.console.say("3. Two bidders, each with a maximum that only bidding knows:");
        for (number, (who, max, lesson)) in BIDS.into_iter().enumerate() {
            let (path, key) = (format!("/v1/auctions/{id}/bids"), self.key(&format!("bid-{number}")));
            let answer = self.api.post(Service::Bidding, &path, who, &key, &json!({"max_amount": max})).await?;
            if answer.problem() == Some("auction-not-open") {
                return Ok(number > 0);
            }
            let placed = answer.success().with_context(|| format!("a bid of {} is refused", who.sub))?;
            let (outcome, price) = (&placed["outcome"], dollars(&placed["auction"]["price"]));
            self.console.say(format!(
                "   {} bids at most {} → {}, the price is {price}. {lesson}",
                who.sub,
                dollars(&json!(max)),
                outcome.as_str().unwrap_or("?")
            ));
        }
        Ok(true)
    }

    async fn await_hammer(&self, id: &str) -> Result<Value> {
        let left = (self.state.ends_at - Utc::now()).to_std().unwrap_or_default();
        if !left.is_zero() {
            self.console.say(format!("   The auction ends in {} s, by the database's clock.", left.as_secs() + 1));
        }
        let deadline = left + CONVERGES_WITHIN;
        let spinner = self.console.spinner("Waiting for the hammer");
        let closed = self.until(deadline, || self.auction_that(id, |auction| auction["status"] != "open")).await;
        spinner.finish_and_clear();
        closed.context("the auction does not close")
    }

    /// Does whatever the settlement waits for, until the money is paid out.
    async fn settle(&mut self) -> Result<()> {
        let auction = self.state.auction_id.clone().context("the listing has no id")?;
        let id = self.spin("Settlement hears of the sale", || self.settlement_of(&auction)).await?;
        self.state.settlement_id = Some(id.clone());
        self.save()?;
        let path = format!("/v1/settlements/{id}");
        let mut told = String::new();
        let deadline = Instant::now() + 2 * CONVERGES_WITHIN;
        loop {
            let settlement = self.api.get(Service::Settlement, &path, self.winner).await?.success()?;
            let status = text(&settlement, "status")?;
            if status != told {
                self.act(&path, &status).await?;
                told = status;
            }
            if told == "completed" {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the settlement stays `{told}`");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn act(&self, path: &str, status: &str) -> Result<()> {
        let (who, action, body, told) = match status {
            "awaiting_payment" => (
                self.winner,
                "pay",
                json!({"payment_method": "pm_card_visa"}),
                "5. The winner pays by card (pm_card_visa).",
            ),
            "escrowed" => {
                self.console.say("   The money is in escrow: neither the seller's nor the winner's.");
                (
                    SELLER,
                    "ship",
                    json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"}),
                    "6. The seller ships.",
                )
            }
            "shipped" => (self.winner, "receive", json!({}), "7. The winner has it in hands and says so."),
            "completed" => {
                self.console.say("8. The seller is paid, less the platform's commission.");
                return Ok(());
            }
            "authorizing" | "authorized" | "received" => return Ok(()),
            other => bail!("the settlement went another way: it is `{other}`"),
        };
        self.console.say(told);
        // A state that moved on meanwhile refuses the request; what it has become is read next.
        let answer =
            self.api.post(Service::Settlement, &format!("{path}/{action}"), who, &self.key(action), &body).await?;
        if answer.status != reqwest::StatusCode::CONFLICT {
            answer.success().with_context(|| format!("`{action}` is refused"))?;
        }
        Ok(())
    }

    async fn balance(&mut self) -> Result<()> {
        let ledger = self.api.get(Service::Settlement, "/v1/ledger/trial-balance", OPERATOR).await?.success()?;
        self.console.say("\nThe ledger's trial balance:");
        for account in ledger["accounts"].as_array().into_iter().flatten() {
            let name = account["account"].as_str().unwrap_or_default();
            self.console.say(format!("   {name:<24} {:>14}", dollars(&account["balance"])));
        }
        ensure!(ledger["balanced"] == true, "the ledger does not balance: {ledger}");
        self.console.say("   Every debit has its credit: the sum is zero.");
        "completed".clone_into(&mut self.state.status);
        self.save()
    }

    async fn auction_that(&self, id: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let auction = self.api.get(Service::Bidding, &format!("/v1/auctions/{id}"), BIDDER_A).await?.success()?;
        ensure!(holds(&auction), "the auction is `{}`", auction["status"].as_str().unwrap_or_default());
        Ok(auction)
    }

    async fn settlement_of(&self, auction: &str) -> Result<String> {
        let path = format!("/v1/settlements?auction_id={auction}");
        let page = self.api.get(Service::Settlement, &path, self.winner).await?.success()?;
        text(&page["items"][0], "id")
    }

    async fn post(&self, service: Service, path: &str, who: Principal<'_>, step: &str, body: &Value) -> Result<Value> {
        let answer = self.api.post(service, path, who, &self.key(step), body).await?;
        answer.success().with_context(|| format!("{service} refuses `{step}`"))
    }

    async fn spin<T, F: Future<Output = Result<T>>>(&self, what: &str, check: impl FnMut() -> F) -> Result<T> {
        let spinner = self.console.spinner(what);
        let outcome = self.until(CONVERGES_WITHIN, check).await;
        spinner.finish_and_clear();
        outcome.with_context(|| format!("{what}: not within {CONVERGES_WITHIN:?}"))
    }

    async fn until<T, F: Future<Output = Result<T>>>(
        &self,
        within: Duration,
        mut check: impl FnMut() -> F,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        loop {
            match check().await {
                Ok(value) => return Ok(value),
                Err(fault) if Instant::now() > deadline => return Err(fault),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn key(&self, step: &str) -> String {
        format!("demo-{}-{step}", self.state.run)
    }

    fn save(&self) -> Result<()> {
        files::write_private(&self.data_dir.demo_file(), &serde_json::to_vec_pretty(&self.state)?)
    }
}

fn text(value: &Value, member: &str) -> Result<String> {
    Ok(value[member].as_str().with_context(|| format!("an answer lacks `{member}`: {value}"))?.to_owned())
}

fn time(value: &Value, member: &str) -> Result<DateTime<Utc>> {
    text(value, member)?.parse::<DateTime<Utc>>().with_context(|| format!("`{member}` is no time: {value}"))
}

/// A time as people are told it.
fn to_the_second(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn dollars(cents: &Value) -> String {
    let cents = cents.as_i64().unwrap_or_default();
    format!("{}{}.{:02} USD", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_shown_as_dollars() {
        assert_eq!(dollars(&json!(6_105)), "61.05 USD");
        assert_eq!(dollars(&json!(-5)), "-0.05 USD");
    }

    #[test]
    fn times_are_told_to_the_second() {
        let offer = json!({"payment_due_at": "2030-01-01T12:00:05.123456Z"});
        assert_eq!(to_the_second(time(&offer, "payment_due_at").unwrap()), "2030-01-01T12:00:05Z");
    }
}
