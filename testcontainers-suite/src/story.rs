//! Scenarios in the trade's words: a seller lists, bidders bid, the winner pays, the seller ships.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};

pub use crate::terms::Terms;
use crate::{
    client::{Answer, Person},
    wait::{eventually, within},
    world::{Service, World},
};

/// A lot for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The listing's id, and the auction's.
    pub id: String,
}

/// What became of a sold lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The settlement's id.
    pub id: String,
}

impl World {
    /// A new seller.
    #[must_use]
    pub fn seller(&self, name: &str) -> Person<'_> {
        self.person(name, &["seller"])
    }

    /// A new bidder.
    #[must_use]
    pub fn bidder(&self, name: &str) -> Person<'_> {
        self.person(name, &["bidder"])
    }

    /// A new operator.
    #[must_use]
    pub fn operator(&self) -> Person<'_> {
        self.person("operator", &["admin"])
    }
}

impl Person<'_> {
    /// Lists and publishes a lot; bidding knows of it then.
    pub async fn sells(&self, terms: &Terms) -> Result<Lot> {
        let lot = self.drafts(terms).await?;
        self.publishes(&lot).await?.success().context("publish")?;
        eventually("bidding hears of the lot", || async { self.auction(&lot).await.map(|_| ()) }).await?;
        Ok(lot)
    }

    /// Lists and publishes a lot whose bidding opens at once, and waits until it is open.
    pub async fn opens(&self, terms: &Terms) -> Result<Lot> {
        let lot = self.sells(terms).await?;
        self.awaits_auction(&lot, "open").await?;
        Ok(lot)
    }

    /// Drafts a lot.
    pub async fn drafts(&self, terms: &Terms) -> Result<Lot> {
        let listing = self.post(Service::Listing, "/v1/listings", &terms.body()).await?.success().context("draft")?;
        Ok(Lot { id: text(&listing, "id")? })
    }

    /// Publishes a drafted lot.
    pub async fn publishes(&self, lot: &Lot) -> Result<Answer> {
        self.send(self.request(Method::POST, Service::Listing, &format!("/v1/listings/{}/publish", lot.id))).await
    }

    /// Asks to take a lot back.
    pub async fn cancels(&self, lot: &Lot) -> Result<Answer> {
        self.send(self.request(Method::POST, Service::Listing, &format!("/v1/listings/{}/cancel", lot.id))).await
    }

    /// The listing as this person sees it.
    pub async fn listing(&self, lot: &Lot) -> Result<Value> {
        self.get(Service::Listing, &format!("/v1/listings/{}", lot.id)).await?.success()
    }

    /// The auction as this person sees it.
    pub async fn auction(&self, lot: &Lot) -> Result<Value> {
        self.get(Service::Bidding, &format!("/v1/auctions/{}", lot.id)).await?.success()
    }

    /// Bids at most `max_amount`, whatever becomes of it.
    pub async fn tries_to_bid(&self, lot: &Lot, max_amount: i64) -> Result<Answer> {
        let path = format!("/v1/auctions/{}/bids", lot.id);
        self.post(Service::Bidding, &path, &json!({"max_amount": max_amount})).await
    }

    /// Bids at most `max_amount` and is accepted.
    pub async fn bids(&self, lot: &Lot, max_amount: i64) -> Result<Value> {
        let answer = self.tries_to_bid(lot, max_amount).await?;
        ensure!(answer.status == 201, "a bid of {max_amount} was answered {}: {}", answer.status, answer.text);
        Ok(answer.body)
    }

    /// Waits until the listing has this status.
    pub async fn awaits_listing(&self, lot: &Lot, status: &str) -> Result<Value> {
        self.awaits_listing_that(lot, &format!("is {status}"), |listing| listing["status"] == status).await
    }

    /// Waits until the listing is as described.
    pub async fn awaits_listing_that(&self, lot: &Lot, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        eventually(&format!("the listing {what}"), || async {
            let listing = self.listing(lot).await?;
            ensure!(holds(&listing), "it is {listing}");
            Ok(listing)
        })
        .await
    }

    /// Waits until the auction has this status.
    pub async fn awaits_auction(&self, lot: &Lot, status: &str) -> Result<Value> {
        self.awaits_auction_that(lot, &format!("is {status}"), |auction| auction["status"] == status).await
    }

    /// Waits until the auction is as described, in the time that it may still last and some more.
    pub async fn awaits_auction_that(&self, lot: &Lot, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        within(Duration::from_secs(120), &format!("the auction {what}"), || async {
            let auction = self.auction(lot).await?;
            ensure!(holds(&auction), "it is {auction}");
            Ok(auction)
        })
        .await
    }

    /// Waits for the hammer, and then for settlement to hear of the sale.
    pub async fn awaits_sale(&self, lot: &Lot) -> Result<Sale> {
        self.awaits_auction(lot, "closed").await?;
        eventually("settlement hears of the sale", || async {
            let items = self.sales_of(lot).await?;
            let sale = items.first().context("there is no settlement")?;
            Ok(Sale { id: text(sale, "id")? })
        })
        .await
    }

    /// Every settlement of a lot that this person may see.
    pub async fn sales_of(&self, lot: &Lot) -> Result<Vec<Value>> {
        let path = format!("/v1/settlements?auction_id={}", lot.id);
        let page = self.get(Service::Settlement, &path).await?.success()?;
        page["items"].as_array().cloned().with_context(|| format!("a page has items: {page}"))
    }

    /// The settlement as this person sees it.
    pub async fn sale(&self, sale: &Sale) -> Result<Value> {
        self.get(Service::Settlement, &format!("/v1/settlements/{}", sale.id)).await?.success()
    }

    /// Waits until the settlement has this status, for `time` at most.
    pub async fn awaits_sale_status(&self, sale: &Sale, status: &str, time: Duration) -> Result<Value> {
        const ENDS: [&str; 4] = ["completed", "refunded", "failed", "needs_operator"];
        let last = within(time, &format!("the settlement is {status}"), || async {
            let settlement = self.sale(sale).await?;
            let now = text(&settlement, "status")?;
            ensure!(now == status || ENDS.contains(&now.as_str()), "it is {settlement}");
            Ok(settlement)
        })
        .await?;
        if last["status"] != status {
            bail!("the settlement should become {status} and ended otherwise: {last}");
        }
        Ok(last)
    }

    /// Does `action` to a settlement.
    pub async fn acts(&self, sale: &Sale, action: &str, body: &Value) -> Result<Answer> {
        self.post(Service::Settlement, &format!("/v1/settlements/{}/{action}", sale.id), body).await
    }

    /// Pays by `method`.
    pub async fn pays(&self, sale: &Sale, method: &str) -> Result<Value> {
        let answer = self.acts(sale, "pay", &json!({"payment_method": method})).await?;
        answer.success().context("pay")
    }

    /// Ships.
    pub async fn ships(&self, sale: &Sale) -> Result<Value> {
        let parcel = json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"});
        self.acts(sale, "ship", &parcel).await?.success().context("ship")
    }

    /// Confirms that it came.
    pub async fn receives(&self, sale: &Sale) -> Result<Value> {
        self.acts(sale, "receive", &json!({})).await?.success().context("receive")
    }

    /// The ledger's trial balance, which balances in every currency.
    pub async fn trial_balance(&self) -> Result<Value> {
        let ledger = self.get(Service::Settlement, "/v1/ledger/trial-balance").await?.success()?;
        ensure!(ledger["balanced"] == true, "the ledger does not balance: {ledger}");
        let currencies = ledger["currencies"].as_array().context("currencies")?;
        for line in currencies {
            ensure!(line["balance"] == 0 && line["debits"] == line["credits"], "it does not balance: {line}");
        }
        Ok(ledger)
    }
}

/// An account's balance in the trial balance; 0 when nothing was ever booked.
#[must_use]
pub fn balance_of(ledger: &Value, account: &str, currency: &str) -> i64 {
    let lines = ledger["accounts"].as_array().into_iter().flatten();
    let mut found = lines.filter(|line| line["account"] == account && line["currency"] == currency);
    found.next().and_then(|line| line["balance"].as_i64()).unwrap_or_default()
}

/// A member that is text.
pub fn text(value: &Value, member: &str) -> Result<String> {
    Ok(value[member].as_str().with_context(|| format!("no {member} in {value}"))?.to_owned())
}

/// A member that is a time.
pub fn time(value: &Value, member: &str) -> Result<DateTime<Utc>> {
    text(value, member)?.parse().with_context(|| format!("{member} is no RFC 3339 time in {value}"))
}
