//! What becomes of a lot that its winner does not pay, and of the winner: a second chance for the next bidder, the lot
//! listed again, strikes and suspension. The three services agree on it by events alone.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Person,
    story::{Lot, Sale, Terms, balance_of, text},
    trials,
    wait::{CONVERGES_WITHIN, eventually},
    world::{Service, World},
};

/// Longer than any deadline of the suite's settings, an offer's days included.
const BEYOND_A_DEADLINE: Duration = Duration::from_secs(60);

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::unpaid":
        an_unpaid_lot_is_offered_to_the_next_bidder_at_the_own_highest_bid,
        an_offer_that_nobody_takes_lapses_without_a_strike_and_the_lot_is_listed_again,
        an_offer_may_be_declined_and_goes_to_nobody_twice,
        a_lot_without_second_chances_is_listed_again_on_the_same_terms,
        two_unpaid_lots_suspend_a_bidder_until_the_operator_decides_otherwise,
    )
}

/// A lot that `winner` wins before `next`, and does not pay.
async fn is_not_paid(seller: &Person<'_>, next: &Person<'_>, winner: &Person<'_>, terms: &Terms) -> Result<Lot> {
    let lot = seller.opens(terms).await?;
    next.bids(&lot, 4_000).await?;
    winner.bids(&lot, 6_000).await?;
    let sale = winner.awaits_sale(&lot).await?;
    let failed = winner.awaits_sale_status(&sale, "failed", BEYOND_A_DEADLINE).await?;
    ensure!(failed["failure_reason"] == "unpaid", "{failed}");
    Ok(lot)
}

async fn awaits_offer(bidder: &Person<'_>, lot: &Lot) -> Result<(Sale, Value)> {
    eventually("the lot is offered", || async {
        let offers = bidder.sales_of(lot).await?;
        let offer = offers.into_iter().find(|sale| sale["kind"] == "second_chance").context("there is no offer")?;
        Ok((Sale { id: text(&offer, "id")? }, offer))
    })
    .await
}

async fn awaits_relisting(seller: &Person<'_>, lot: &Lot) -> Result<Lot> {
    let listing = seller.awaits_listing_that(lot, "is listed again", |listing| listing["relisted_as"].is_string());
    Ok(Lot { id: text(&listing.await?, "relisted_as")? })
}

async fn strikes_of(person: &Person<'_>) -> Result<usize> {
    let standing = person.get(Service::Settlement, &format!("/v1/bidders/{}", person.sub)).await?.success()?;
    Ok(standing["strikes"].as_array().with_context(|| format!("no strikes in {standing}"))?.len())
}

async fn an_unpaid_lot_is_offered_to_the_next_bidder_at_the_own_highest_bid(world: Arc<World>) -> Result<()> {
    let (anna, bert, idle) = (world.seller("anna"), world.bidder("bert"), world.bidder("idle"));
    let terms = Terms::from(1_000).in_currency("UAH").with_second_chance();
    let lot = is_not_paid(&anna, &bert, &idle, &terms).await?;

    let (offer, seen) = awaits_offer(&bert, &lot).await?;
    ensure!(seen["amount"] == 4_000 && seen["status"] == "awaiting_payment", "{seen}");
    idle.acts(&offer, "pay", &json!({"payment_method": "pm_card_visa"})).await?.is_problem(404, "not-found")?;
    bert.pays(&offer, "pm_card_visa").await?;
    bert.awaits_sale_status(&offer, "escrowed", CONVERGES_WITHIN).await?;
    anna.ships(&offer).await?;
    bert.receives(&offer).await?;
    bert.awaits_sale_status(&offer, "completed", CONVERGES_WITHIN).await?;

    anna.awaits_listing_that(&lot, "is settled", |listing| listing["sale_status"] == "completed").await?;
    ensure!(strikes_of(&idle).await? == 1 && strikes_of(&bert).await? == 0, "the strike is the winner's");
    let ledger = world.operator().trial_balance().await?;
    ensure!(balance_of(&ledger, "platform_revenue", "UAH").abs() == 400, "{ledger}");
    ensure!(balance_of(&ledger, "escrow", "UAH") == 0, "{ledger}");
    Ok(())
}

async fn an_offer_that_nobody_takes_lapses_without_a_strike_and_the_lot_is_listed_again(
    world: Arc<World>,
) -> Result<()> {
    let (anna, bert, idle) = (world.seller("anna"), world.bidder("bert"), world.bidder("idle"));
    let lot = is_not_paid(&anna, &bert, &idle, &Terms::from(1_000).with_second_chance()).await?;
    let (offer, _) = awaits_offer(&bert, &lot).await?;

    let lapsed = bert.awaits_sale_status(&offer, "failed", BEYOND_A_DEADLINE).await?;
    ensure!(lapsed["failure_reason"] == "offer_lapsed", "{lapsed}");
    ensure!(strikes_of(&bert).await? == 0, "who does not take an offer gets no strike");
    let again = awaits_relisting(&anna, &lot).await?;
    ensure!(anna.listing(&again).await?["relisted_from"] == lot.id.as_str());
    Ok(())
}

async fn an_offer_may_be_declined_and_goes_to_nobody_twice(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla, idle) =
        (world.seller("anna"), world.bidder("bert"), world.bidder("carla"), world.bidder("idle"));
    let lot = anna.opens(&Terms::from(1_000).with_second_chance()).await?;
    carla.bids(&lot, 2_000).await?;
    bert.bids(&lot, 4_000).await?;
    idle.bids(&lot, 6_000).await?;
    let sale = idle.awaits_sale(&lot).await?;
    idle.awaits_sale_status(&sale, "failed", BEYOND_A_DEADLINE).await?;

    let (first, _) = awaits_offer(&bert, &lot).await?;
    bert.acts(&first, "decline", &json!({})).await?.success()?;
    let (second, seen) = awaits_offer(&carla, &lot).await?;
    ensure!(seen["amount"] == 2_000, "{seen}");
    carla.acts(&second, "decline", &json!({})).await?.success()?;

    awaits_relisting(&anna, &lot).await?;
    for (person, offer) in [(&bert, &first), (&carla, &second)] {
        let offers = person.sales_of(&lot).await?;
        ensure!(offers.len() == 1 && offers[0]["id"] == offer.id.as_str(), "{offers:?}");
    }
    Ok(())
}

async fn a_lot_without_second_chances_is_listed_again_on_the_same_terms(world: Arc<World>) -> Result<()> {
    let (anna, bert, idle) = (world.seller("anna"), world.bidder("bert"), world.bidder("idle"));
    let lot = is_not_paid(&anna, &bert, &idle, &Terms::from(1_000).in_currency("PEN")).await?;

    let again = awaits_relisting(&anna, &lot).await?;
    let (first, second) = (anna.listing(&lot).await?, anna.listing(&again).await?);
    for term in ["title", "category", "currency", "format", "second_chance"] {
        ensure!(first[term] == second[term], "{term}: {first} and {second}");
    }
    anna.awaits_auction(&again, "open").await?;
    bert.bids(&again, 1_500).await?;
    let sale = bert.awaits_sale(&again).await?;
    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    ensure!(bert.sales_of(&lot).await?.is_empty(), "nobody is offered the first auction's lot");
    Ok(())
}

async fn two_unpaid_lots_suspend_a_bidder_until_the_operator_decides_otherwise(world: Arc<World>) -> Result<()> {
    let (anna, idle, operator) = (world.seller("anna"), world.bidder("idle"), world.operator());
    let (first, second) = (anna.opens(&Terms::from(1_000)).await?, anna.opens(&Terms::from(1_000)).await?);
    for lot in [&first, &second] {
        idle.bids(lot, 1_000).await?;
    }
    for lot in [&first, &second] {
        let sale = idle.awaits_sale(lot).await?;
        idle.awaits_sale_status(&sale, "failed", BEYOND_A_DEADLINE).await?;
    }

    let lot = anna.opens(&Terms::from(1_000).lasting(Duration::from_secs(60))).await?;
    eventually("bidding hears of the suspension", || async {
        idle.tries_to_bid(&lot, 1_000).await?.is_problem(403, "bidder-suspended")
    })
    .await?;
    let reinstate = format!("/v1/bidders/{}/reinstate", idle.sub);
    idle.post(Service::Settlement, &reinstate, &json!({})).await?.is_refusal()?;
    operator.post(Service::Settlement, &reinstate, &json!({})).await?.success()?;
    eventually("bidding hears of the reinstatement", || async { idle.bids(&lot, 1_000).await.map(|_| ()) }).await
}
