//! Two sales that go the way of any sale, so that their rows can be copied: one is shipped, the other one completed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cast::closed;
use crate::api::{Api, Principal};
use crate::bench::Bench;
use crate::kafka::writer;
use crate::layout::Service;
use crate::supervise::poll;

/// How long a step may take on an idle service.
const WITHIN: Duration = Duration::from_secs(60);

/// What is copied.
#[derive(Debug, Clone, Copy)]
pub struct Models {
    /// Waits for the inspection's end.
    pub shipped: Uuid,
    /// Its seller was paid.
    pub completed: Uuid,
}

impl Models {
    /// So many auctions are needed.
    pub const LOTS: u32 = 2;

    /// Sells the lots of two auctions.
    pub async fn sell(bench: &Bench<'_>, auctions: &[Uuid]) -> Result<Self> {
        let &[shipped, completed] = auctions else { anyhow::bail!("two auctions are needed for the models") };
        let (seller, buyer) = (format!("bench-{}-model-seller", bench.run), format!("bench-{}-model-buyer", bench.run));
        let now = Utc::now();
        let events = [shipped, completed].map(|auction| closed(auction, &seller, &buyer, now));
        writer::publish(bench.data_dir, &bench.endpoints, Service::Bidding, &events).await?;
        let model = Model {
            api: &bench.api,
            run: &bench.run,
            seller: Principal { sub: &seller, role: "seller" },
            buyer: Principal { sub: &buyer, role: "bidder" },
        };
        let shipped = model.ship(shipped).await.context("a sale does not get as far as the shipping")?;
        let completed = model.ship(completed).await.context("a sale does not get as far as the shipping")?;
        model.act(model.buyer, completed, "receive", &json!({})).await?;
        model.becomes(completed, "completed").await?;
        Ok(Self { shipped, completed })
    }
}

struct Model<'a> {
    api: &'a Api,
    run: &'a str,
    seller: Principal<'a>,
    buyer: Principal<'a>,
}

impl Model<'_> {
    async fn ship(&self, auction: Uuid) -> Result<Uuid> {
        let id = poll(WITHIN, || async {
            let path = format!("/v1/settlements?auction_id={auction}");
            let page = self.api.get(Service::Settlement, &path, self.buyer).await?.success()?;
            let id = page["items"][0]["id"].as_str().context("there is no settlement of an auction that was sold")?;
            Ok(id.parse::<Uuid>()?)
        });
        let id = id.await?;
        self.act(self.buyer, id, "pay", &json!({"payment_method": "pm_card_visa"})).await?;
        self.becomes(id, "escrowed").await?;
        let parcel = json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"});
        self.act(self.seller, id, "ship", &parcel).await?;
        Ok(id)
    }

    async fn act(&self, who: Principal<'_>, id: Uuid, act: &str, body: &Value) -> Result<()> {
        let (path, key) = (format!("/v1/settlements/{id}/{act}"), format!("bench-{}-{id}-{act}", self.run));
        self.api.post(Service::Settlement, &path, who, &key, body).await?.success()?;
        Ok(())
    }

    async fn becomes(&self, id: Uuid, status: &str) -> Result<()> {
        poll(WITHIN, || async {
            let path = format!("/v1/settlements/{id}");
            let sale = self.api.get(Service::Settlement, &path, self.buyer).await?.success()?;
            ensure!(sale["status"] == status, "settlement {id} is {}", sale["status"]);
            Ok(())
        })
        .await
    }
}
