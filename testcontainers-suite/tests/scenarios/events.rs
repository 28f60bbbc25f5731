//! What is published: every event fits its contract, and the numbers of each aggregate have no gap.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use testcontainers_suite::{
    broker::events_of,
    story::Terms,
    trials,
    wait::{CONVERGES_WITHIN, eventually},
    world::World,
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::events": a_whole_sale_is_told_in_events_without_a_gap)
}

async fn a_whole_sale_is_told_in_events_without_a_gap(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::from(100)).await?;
    bert.bids(&lot, 500).await?;
    carla.bids(&lot, 900).await?;
    let sale = carla.awaits_sale(&lot).await?;
    carla.pays(&sale, "pm_card_visa").await?;
    carla.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    anna.ships(&sale).await?;
    carla.receives(&sale).await?;
    carla.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;

    let expected = [
        "outcry.listing.published.v1",
        "outcry.bidding.auction.opened.v1",
        "outcry.bidding.bid.placed.v1",
        "outcry.bidding.bid.placed.v1",
        "outcry.bidding.auction.closed.v1",
        "outcry.settlement.started.v1",
        "outcry.settlement.escrowed.v1",
        "outcry.settlement.shipped.v1",
        "outcry.settlement.completed.v1",
    ];
    eventually("all is published", || async {
        let events = events_of(&world, &[&lot.id, &sale.id]).await?;
        let told: Vec<&str> = events.iter().map(|event| event.envelope.event_type.as_str()).collect();
        ensure!(told == expected, "{told:?}");
        let mut last = BTreeMap::new();
        for event in &events {
            let before = last.insert((event.service, event.key.clone()), event.envelope.sequence).unwrap_or_default();
            ensure!(event.envelope.sequence == before + 1, "{} follows {before}: {:?}", event.key, event.envelope);
            // What time alone brings about has no caller whose trace it could be.
            let by_time = event.envelope.event_type == "outcry.bidding.auction.closed.v1";
            ensure!(by_time || event.envelope.traceparent.is_some(), "no traceparent: {:?}", event.envelope);
        }
        Ok(())
    })
    .await
}
