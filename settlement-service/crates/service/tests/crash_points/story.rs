//! What becomes of a sold lot, played by its people.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use settlement_adapter_payments::sign;
use tokio::time::Instant;

use crate::party::Party;
use crate::world::World;

/// What the hammer price is, in every story, minor units.
pub const PRICE: i64 = 12_050;
/// Sellers that ship have so long.
const A_WEEK_S: u32 = 604_800;
/// Sellers that do not ship are not waited for.
const A_MOMENT_S: u32 = 1;
/// The gateway has done what it was told within this time, or never.
const PATIENCE: Duration = Duration::from_secs(90);

/// The stories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// The sale is heard of; then as in `Sale`.
    Hammer,
    /// Paid, shipped, received, paid out.
    Sale,
    /// A card is declined; the answer for another one is lost, and asked for. The seller does not ship: given back, and a
    /// strike.
    Refund,
    /// The gateway's answer is lost and its webhook tells; then both wish to call it off, and it is given back.
    Told,
}

impl Story {
    pub const ALL: [Self; 4] = [Self::Hammer, Self::Sale, Self::Refund, Self::Told];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Hammer => "hammer",
            Self::Sale => "sale",
            Self::Refund => "refund",
            Self::Told => "told",
        }
    }

    /// How long the seller has to ship, seconds.
    pub const fn ship_due_s(self) -> u32 {
        match self {
            Self::Refund => A_MOMENT_S,
            Self::Hammer | Self::Sale | Self::Told => A_WEEK_S,
        }
    }

    /// How it ends.
    pub const fn end(self) -> &'static str {
        match self {
            Self::Hammer | Self::Sale => "completed",
            Self::Refund | Self::Told => "refunded",
        }
    }

    /// Whether the service hears of the sale in the story itself.
    pub const fn has_hammer(self) -> bool {
        matches!(self, Self::Hammer)
    }
}

/// Plays a party's story to its end, through whatever happens to the service.
pub async fn play(world: &World, party: &Party) -> Result<()> {
    if party.story.has_hammer() {
        hammer(world, party).await?;
    }
    play_on(world, party).await
}

/// From where the service knows of the sale.
pub async fn play_on(world: &World, party: &Party) -> Result<()> {
    match party.story {
        Story::Hammer | Story::Sale => sale(world, party).await?,
        Story::Refund => refund(world, party).await?,
        Story::Told => told(world, party).await?,
    }
    world.people.sees(party, party.story.end()).await.map(drop)
}

/// The hammer falls, and the service hears of it.
pub async fn hammer(world: &World, party: &Party) -> Result<()> {
    world.broker.tells_of_the_sale(party).await?;
    world.people.sees(party, "awaiting_payment").await.map(drop)
}

async fn pays(world: &World, party: &Party, method: &str) -> Result<()> {
    world.people.does(party, &party.buyer, "pay", json!({ "payment_method": method })).await
}

async fn sale(world: &World, party: &Party) -> Result<()> {
    let people = &world.people;
    pays(world, party, "pm_card_visa").await?;
    people.sees(party, "escrowed").await?;
    let parcel = json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"});
    people.does(party, &party.seller, "ship", parcel).await?;
    people.does(party, &party.buyer, "receive", json!({})).await
}

async fn refund(world: &World, party: &Party) -> Result<()> {
    pays(world, party, "pm_card_chargeDeclined").await?;
    world.people.sees(party, "awaiting_payment").await?;
    world.gateway.loses_the_answer_to(&format!("{}:authorize:2", party.settlement()));
    pays(world, party, "pm_card_visa").await
}

async fn told(world: &World, party: &Party) -> Result<()> {
    let people = &world.people;
    world.gateway.loses_the_answer_to(&format!("{}:authorize:1", party.settlement()));
    pays(world, party, "pm_card_visa").await?;
    let intent = held(world, party).await?;
    // Told once the service knows that it does not know: which commit is which must not depend on who is faster.
    world.database.doubts_or_knows(party).await?;
    let event = json!({"id": format!("evt_{}", party.auction.simple()), "object": "event",
        "type": "payment_intent.amount_capturable_updated", "data": {"object": intent}})
    .to_string();
    let signature = sign(&world.webhook_secret, world.database.now_s().await?, event.as_bytes());
    people.hear_from_the_gateway(&signature, &event).await?;
    people.sees(party, "escrowed").await?;
    people.does(party, &party.buyer, "cancel", json!({})).await?;
    people.does(party, &party.seller, "cancel", json!({})).await
}

/// The buyer's money once the gateway holds it, as it was then.
async fn held(world: &World, party: &Party) -> Result<serde_json::Value> {
    let group = party.settlement().to_string();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let intents = world.gateway.fake.objects("payment_intent");
        if let Some(mut intent) = intents.into_iter().find(|intent| intent["transfer_group"] == *group) {
            intent["status"] = json!("requires_capture");
            return Ok(intent);
        }
        let patient = Instant::now() < deadline;
        patient.then_some(()).context("the gateway was never told to hold the money")?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
