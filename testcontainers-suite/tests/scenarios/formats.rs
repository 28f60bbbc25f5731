//! Every format from listing to result, by ACCEPTANCE's examples: who wins, who pays what, and what everybody is told.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Person,
    story::{Lot, Terms, time},
    trials,
    world::World,
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::formats":
        the_highest_sealed_bid_wins_and_pays_itself,
        of_equal_sealed_bids_the_earlier_wins,
        the_highest_vickrey_bid_wins_and_pays_the_second_highest,
        a_lone_vickrey_bidder_pays_the_larger_of_start_price_and_reserve,
        a_sealed_lot_whose_reserve_nobody_reaches_is_not_sold,
        the_first_to_accept_a_dutch_price_wins_at_the_price_of_that_moment,
        of_two_who_accept_a_dutch_price_at_once_one_wins,
        a_dutch_price_stops_at_its_floor,
        units_go_to_the_highest_bids_at_one_price,
        a_partial_lot_may_be_declined_and_a_whole_one_may_not,
        where_nothing_may_be_declined_a_partial_lot_is_taken,
    )
}

/// Longer than any of these tests.
const LONG: Duration = Duration::from_secs(300);

/// It is sold to `winner` at `price`: the auction, the listing and the settlement all say so, and bidders see no name.
async fn sold(lot: &Lot, seller: &Person<'_>, winner: &Person<'_>, price: i64) -> Result<()> {
    let won = winner.awaits_auction(lot, "closed").await?;
    ensure!(won["result"] == json!({"outcome": "sold", "price": price, "awards": []}), "at {price}: {won}");
    ensure!(won["you_lead"] == true, "somebody else won: {won}");
    let seen = seller.auction(lot).await?;
    ensure!(seen["leader"].is_string() && seen["leader"] == won["leader"] && seen["you_lead"] == false, "{seen}");
    ensure!(!seen.to_string().contains(&winner.sub), "the winner is named: {seen}");

    let listing = winner.awaits_listing(lot, "sold").await?;
    ensure!(listing["price"] == price && listing["seller"] == seller.sub.as_str(), "{listing}");
    let sale = winner.awaits_sale(lot).await?;
    let settlement = winner.sale(&sale).await?;
    ensure!(settlement["amount"] == price, "{settlement}");
    ensure!(settlement["seller"] == seller.sub.as_str() && settlement["buyer"] == winner.sub.as_str(), "{settlement}");
    Ok(())
}

/// A sealed bid is taken, and its bidder learns no more than that.
async fn sealed_bid(person: &Person<'_>, lot: &Lot, amount: i64) -> Result<()> {
    let placed = person.bids(lot, amount).await?;
    ensure!(placed["outcome"] == "sealed" && placed["auction"]["you_lead"] == false, "{placed}");
    Ok(())
}

async fn the_highest_sealed_bid_wins_and_pays_itself(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::sealed_first_price(1_000)).await?;
    sealed_bid(&bert, &lot, 5_000).await?;
    sealed_bid(&carla, &lot, 8_000).await?;
    sealed_bid(&bert, &lot, 6_000).await?;
    sold(&lot, &anna, &carla, 8_000).await
}

async fn of_equal_sealed_bids_the_earlier_wins(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::sealed_first_price(1_000)).await?;
    sealed_bid(&bert, &lot, 5_000).await?;
    sealed_bid(&carla, &lot, 5_000).await?;
    sold(&lot, &anna, &bert, 5_000).await
}

async fn the_highest_vickrey_bid_wins_and_pays_the_second_highest(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::vickrey(1_000)).await?;
    sealed_bid(&bert, &lot, 5_000).await?;
    sealed_bid(&carla, &lot, 8_000).await?;
    sealed_bid(&world.bidder("dora"), &lot, 6_000).await?;
    sold(&lot, &anna, &carla, 6_000).await
}

async fn a_lone_vickrey_bidder_pays_the_larger_of_start_price_and_reserve(world: Arc<World>) -> Result<()> {
    let lone = async |terms: Terms, price: i64| {
        let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
        let lot = anna.opens(&terms).await?;
        sealed_bid(&bert, &lot, 9_000).await?;
        // A second thought is no second bidder.
        sealed_bid(&bert, &lot, 9_500).await?;
        sold(&lot, &anna, &bert, price).await
    };
    try_join(lone(Terms::vickrey(1_000), 1_000), lone(Terms::vickrey(1_000).with_reserve(3_000), 3_000)).await?;
    Ok(())
}

async fn a_sealed_lot_whose_reserve_nobody_reaches_is_not_sold(world: Arc<World>) -> Result<()> {
    let unsold = async |terms: Terms| {
        let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
        let lot = anna.opens(&terms.with_reserve(3_000)).await?;
        sealed_bid(&bert, &lot, 2_999).await?;
        let closed = bert.awaits_auction(&lot, "closed").await?;
        ensure!(
            closed["result"] == json!({"outcome": "reserve_not_met", "price": null, "awards": []})
                && closed["leader"].is_null(),
            "{closed}"
        );
        anna.awaits_listing(&lot, "unsold").await
    };
    try_join(unsold(Terms::sealed_first_price(1_000)), unsold(Terms::vickrey(1_000))).await?;
    Ok(())
}

/// What the price has fallen to when the auction ended.
fn fallen(auction: &Value, start: i64, floor: i64, step: i64, every_s: i64) -> Result<i64> {
    let open_for = time(auction, "ends_at")? - time(auction, "starts_at")?;
    Ok(floor.max(start - step * (open_for.num_seconds() / every_s)))
}

async fn the_first_to_accept_a_dutch_price_wins_at_the_price_of_that_moment(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::dutch(500_000, 1_000, 250, 1).lasting(LONG)).await?;
    let falling = |auction: &Value| auction["price"].as_i64().is_some_and(|price| price < 500_000);
    bert.awaits_auction_that(&lot, "costs less than at the start", falling).await?;
    let low = carla.tries_to_bid(&lot, 999).await?;
    low.is_problem(422, "bid-too-low")?;
    ensure!(low.body["next_minimum"].as_i64().is_some_and(|asked| (1_000..500_000).contains(&asked)), "{}", low.text);

    let bought = bert.bids(&lot, 500_000).await?;
    let auction = &bought["auction"];
    let price = fallen(auction, 500_000, 1_000, 250, 1)?;
    ensure!(bought["outcome"] == "bought" && auction["status"] == "closed", "it goes on: {bought}");
    ensure!(auction["price"] == price && auction["bid_count"] == 1, "it should cost {price}: {bought}");
    carla.tries_to_bid(&lot, 500_000).await?.is_problem(409, "auction-not-open")?;
    sold(&lot, &anna, &bert, price).await
}

async fn of_two_who_accept_a_dutch_price_at_once_one_wins(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let lot = anna.opens(&Terms::dutch(5_000, 1_000, 250, 1).lasting(LONG)).await?;
    let (one, other) = try_join(bert.tries_to_bid(&lot, 5_000), carla.tries_to_bid(&lot, 5_000)).await?;
    let (taken, refused) = if one.status == 201 { (one, other) } else { (other, one) };
    ensure!(taken.status == 201, "nobody won: {} {}", taken.text, refused.text);
    refused.is_problem(409, "auction-not-open")?;
    let auction = anna.auction(&lot).await?;
    ensure!(auction["bid_count"] == 1 && auction["leader"] == taken.body["auction"]["leader"], "{auction}");
    Ok(())
}

async fn a_dutch_price_stops_at_its_floor(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::dutch(300, 150, 100, 1).lasting(LONG)).await?;
    let floor = |auction: &Value| auction["price"] == 150;
    bert.awaits_auction_that(&lot, "has fallen to its floor", floor).await?;
    bert.awaits_auction_that(&lot, "could have fallen further", |auction| {
        let open = time(auction, "server_time").ok().zip(time(auction, "starts_at").ok());
        open.is_some_and(|(now, start)| (now - start).num_seconds() > 4)
    })
    .await?;
    bert.tries_to_bid(&lot, 149).await?.is_problem(422, "bid-too-low")?;
    bert.bids(&lot, 150).await?;
    sold(&lot, &anna, &bert, 150).await
}

/// Five units, A 2 at 20, B 4 at 21: ACCEPTANCE's example. A is the first of the answer, B the second.
async fn five_units(world: &World, terms: Terms) -> Result<(Lot, Person<'_>, Person<'_>)> {
    let (anna, a, b) = (world.seller("anna"), world.bidder("a"), world.bidder("b"));
    let lot = anna.opens(&terms.by_steps_of(100)).await?;
    let first = a.bids_for(&lot, 2, 2_000).await?;
    ensure!(first["auction"]["price"] == 1_000, "there is enough for everybody: {first}");
    let second = b.bids_for(&lot, 4, 2_100).await?;
    ensure!(second["auction"]["price"] == 2_000 && second["auction"]["next_minimum"] == 2_100, "{second}");
    world.bidder("c").tries_to_bid_for(&lot, 1, 2_050).await?.is_problem(422, "bid-too-low")?;
    world.bidder("d").tries_to_bid_for(&lot, 6, 3_000).await?.is_problem(422, "validation")?;
    Ok((lot, a, b))
}

/// What each of two winners has: units won, wanted, and whether they were declined.
fn awards(auction: &Value) -> Result<Vec<Value>> {
    let awards = auction["result"]["awards"].as_array().with_context(|| format!("no awards: {auction}"))?;
    Ok(awards.iter().map(|award| json!([award["quantity"], award["wanted"], award["declined"]])).collect())
}

async fn units_go_to_the_highest_bids_at_one_price(world: Arc<World>) -> Result<()> {
    let (lot, a, b) = five_units(&world, Terms::units(1_000, 5).declinable_within(600)).await?;
    let closed = b.awaits_auction(&lot, "closed").await?;
    ensure!(closed["result"]["outcome"] == "sold" && closed["result"]["price"] == 2_000, "{closed}");
    ensure!(awards(&closed)? == [json!([4, 4, false]), json!([1, 2, false])], "{closed}");
    let yours = |auction: &Value| [0, 1].map(|place| auction["result"]["awards"][place]["yours"] == true);
    ensure!(yours(&closed) == [true, false] && yours(&a.auction(&lot).await?) == [false, true], "{closed}");
    for person in [&a, &b] {
        ensure!(!closed.to_string().contains(&person.sub), "a winner is named: {closed}");
    }
    let listing = a.awaits_listing(&lot, "sold").await?;
    ensure!(listing["price"] == 2_000 && listing["bid_count"] == 2, "{listing}");
    Ok(())
}

async fn a_partial_lot_may_be_declined_and_a_whole_one_may_not(world: Arc<World>) -> Result<()> {
    let (lot, a, b) = five_units(&world, Terms::units(1_000, 5).declinable_within(600)).await?;
    let early = a.declines(&lot).await?;
    early.is_refusal()?;
    ensure!(early.status == 409, "before the close: {}", early.text);
    b.awaits_auction(&lot, "closed").await?;
    b.declines(&lot).await?.is_problem(409, "nothing-to-decline")?;
    world.bidder("c").declines(&lot).await?.is_problem(409, "nothing-to-decline")?;

    let declined = a.declines(&lot).await?.success()?;
    ensure!(awards(&declined)? == [json!([4, 4, false]), json!([1, 2, true])], "{declined}");
    a.declines(&lot).await?.is_problem(409, "nothing-to-decline")?;
    let last = b.sees_to_the_end(&lot).await?.pop().context("no events")?;
    ensure!(last.name == "award.declined" && last.data["quantity"] == 1, "the last event is {last:?}");
    Ok(())
}

async fn where_nothing_may_be_declined_a_partial_lot_is_taken(world: Arc<World>) -> Result<()> {
    let (lot, a, _) = five_units(&world, Terms::units(1_000, 5)).await?;
    a.awaits_auction(&lot, "closed").await?;
    a.declines(&lot).await?.is_problem(409, "nothing-to-decline")?;
    ensure!(awards(&a.auction(&lot).await?)? == [json!([4, 4, false]), json!([1, 2, false])]);
    Ok(())
}
