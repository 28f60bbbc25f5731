//! People beside the load, of whom it is certain what they do when something goes wrong: they list lots whose ends come in
//! the midst of it, publish, bid and pay.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::json;
use testcontainers_suite::{
    client::Person,
    story::{Lot, Sale, Terms, text},
    world::{Service, World},
};
use tokio::time::Instant;

/// A settlement may take so long for a step: its call to the gateway may have to be made again.
const STEP_WITHIN: Duration = Duration::from_secs(30);
/// Lots of which it is not said otherwise.
const LOTS: usize = 3;

/// A seller and two bidders.
pub struct People<'w> {
    anna: Person<'w>,
    bert: Person<'w>,
    carla: Person<'w>,
}

impl<'w> People<'w> {
    /// New ones.
    pub fn of(world: &'w World) -> Self {
        Self { anna: world.seller("anna"), bert: world.bidder("bert"), carla: world.bidder("carla") }
    }

    /// Publishes one lot after the other for so long; the lots.
    pub async fn publish_for(&self, time: Duration, lasts: Duration) -> Result<Vec<Lot>> {
        let (begun, mut lots) = (Instant::now(), Vec::new());
        while begun.elapsed() < time {
            lots.push(self.publishes(lasts).await?);
        }
        Ok(lots)
    }

    /// Publishes some lots.
    pub async fn publish(&self, lasts: Duration) -> Result<Vec<Lot>> {
        try_join_all((0..LOTS).map(|_| self.publishes(lasts))).await
    }

    async fn publishes(&self, lasts: Duration) -> Result<Lot> {
        let lot = self.anna.drafts(&Terms::from(1_000).lasting(lasts)).await?;
        self.anna.publishes(&lot).await?.success()?;
        Ok(lot)
    }

    /// Opens some lots, of each of which one bid is the highest.
    pub async fn open_with_a_bid(&self, lasts: Duration) -> Result<Vec<Lot>> {
        let lots = (0..LOTS).map(|_| async move {
            let lot = self.anna.opens(&Terms::from(1_000).lasting(lasts)).await?;
            self.bert.bids(&lot, 2_000).await?;
            anyhow::Ok(lot)
        });
        try_join_all(lots).await
    }

    /// Waits until they are closed.
    pub async fn await_the_hammer(&self, lots: &[Lot]) -> Result<()> {
        try_join_all(lots.iter().map(|lot| self.anna.awaits_auction(lot, "closed"))).await?;
        Ok(())
    }

    /// Bids on a lot, each more than the other; how many bids counted.
    pub async fn outbid_each_other(&self, lot: &Lot) -> Result<usize> {
        for (bidder, amount) in [(&self.carla, 3_000), (&self.bert, 4_000), (&self.carla, 5_000)] {
            bidder.bids(lot, amount).await?;
        }
        Ok(3)
    }

    /// Waits until what was sold is to be paid.
    pub async fn await_sales(&self, lots: &[Lot]) -> Result<Vec<Sale>> {
        try_join_all(lots.iter().map(|lot| self.bert.awaits_sale(lot))).await
    }

    /// Pays; how many sales have their money in escrow.
    pub async fn pay(&self, sales: &[Sale]) -> Result<usize> {
        for sale in sales {
            self.bert.pays(sale, "pm_card_visa").await?;
        }
        for sale in sales {
            self.bert.awaits_sale_status(sale, "escrowed", STEP_WITHIN).await?;
        }
        Ok(sales.len())
    }

    /// Ships and receives what was paid, and waits for the seller's money.
    pub async fn complete(&self, sales: &[Sale]) -> Result<()> {
        for sale in sales {
            self.anna.ships(sale).await?;
            self.bert.receives(sale).await?;
        }
        for sale in sales {
            self.anna.awaits_sale_status(sale, "completed", STEP_WITHIN).await?;
        }
        Ok(())
    }
}

/// Lists lots that nobody bids on, lists them again, and waits until they are over once more: what listing tells of that is
/// what settlement takes in of listing.
pub async fn lists_again(world: Arc<World>) -> Result<()> {
    let people = People::of(&world);
    let (anna, lots) = (&people.anna, people.publish(Duration::from_secs(2)).await?);
    for lot in &lots {
        anna.awaits_listing(lot, "unsold").await?;
    }
    let relisted = lots.iter().map(|lot| async move {
        let request = anna.request(Method::POST, Service::Listing, &format!("/v1/listings/{}/relist", lot.id));
        let again = anna.send(request.header("idempotency-key", &lot.id).json(&json!({}))).await?;
        ensure!(again.status == 201, "a lot is not listed again: {}", again.text);
        anyhow::Ok(Lot { id: text(&again.body, "id")? })
    });
    for lot in try_join_all(relisted).await? {
        anna.awaits_listing(&lot, "unsold").await?;
    }
    Ok(())
}
