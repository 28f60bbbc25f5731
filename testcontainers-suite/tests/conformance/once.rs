//! A hundred requests at once with one key have one effect: on each POST that creates something or moves money.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    broker::events_of,
    client::{Answer, Person, fresh_key},
    story::{Lot, Sale, Terms, balance_of, text},
    trials,
    wait::{CONVERGES_WITHIN, eventually},
    world::{Service, World},
};

const AT_ONCE: usize = 100;
/// The limits of the suite's settings let a principal come again after a while.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any deadline of the suite's settings.
const BEYOND_A_DEADLINE: Duration = Duration::from_secs(90);

pub fn trials() -> Vec<Trial> {
    trials!("conformance::a_hundred_at_once_have_one_effect":
        every_write_with_a_key_is_tried_here,
        drafting_a_lot,
        listing_a_lot_again,
        bidding,
        buying_now,
        paying,
        shipping,
        receiving,
        disputing_adding_evidence_and_resolving,
        calling_a_sale_off,
        declining_a_second_chance,
        reinstating_a_bidder,
        what_takes_no_key,
    )
}

/// The operations that the tests below send a hundred times.
const TRIED: [&str; 13] = [
    "createListing",
    "relistListing",
    "placeBid",
    "buyNow",
    "paySettlement",
    "shipSettlement",
    "receiveSettlement",
    "disputeSettlement",
    "addEvidence",
    "resolveSettlement",
    "cancelSettlement",
    "declineSettlement",
    "reinstateBidder",
];

async fn every_write_with_a_key_is_tried_here(world: Arc<World>) -> Result<()> {
    let mut documented = BTreeSet::new();
    for service in Service::ALL {
        let document = world.seller("reader").get(service, "/openapi.json").await?.success()?;
        for operation in document["paths"].as_object().into_iter().flatten().filter_map(|(_, item)| item.get("post")) {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            if parameters.filter_map(|parameter| parameter["name"].as_str()).any(|name| name == "Idempotency-Key") {
                documented.insert(text(operation, "operationId")?);
            }
        }
    }
    let tried: BTreeSet<_> = TRIED.iter().map(ToString::to_string).collect();
    ensure!(documented == tried, "the documents name {documented:?}");
    Ok(())
}

/// Sends one write a hundred times at once. One answer is the first and the others repeat it; that one is returned.
async fn a_hundred(person: &Person<'_>, service: Service, path: &str, body: &Value) -> Result<Value> {
    let (person, key) = (person.clone().patient(PATIENCE), fresh_key());
    let sent = (0..AT_ONCE).map(|_| person.post_with_key(service, path, &key, body));
    let answers: Vec<Answer> = join_all(sent).await.into_iter().collect::<Result<_>>()?;
    let (again, first): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.header("idempotency-replayed") == Some("true"));
    ensure!(first.len() == 1, "{} of {AT_ONCE} answers say that they are the first", first.len());
    let first = &first[0];
    for answer in &again {
        let same = answer.status == first.status && answer.body == first.body;
        ensure!(same, "answered {} {} and {} {}", first.status, first.text, answer.status, answer.text);
    }
    first.clone().success()
}

async fn acts(person: &Person<'_>, sale: &Sale, action: &str, body: &Value) -> Result<Value> {
    let path = format!("/v1/settlements/{}/{action}", sale.id);
    a_hundred(person, Service::Settlement, &path, body).await.with_context(|| action.to_owned())
}

/// A lot that was sold to `bert` for 5,000 in a currency of its own.
async fn sold(anna: &Person<'_>, bert: &Person<'_>, currency: &'static str) -> Result<Sale> {
    let lot = anna.opens(&Terms::from(5_000).in_currency(currency)).await?;
    bert.bids(&lot, 5_000).await?;
    bert.awaits_sale(&lot).await
}

async fn paid(anna: &Person<'_>, bert: &Person<'_>, currency: &'static str) -> Result<Sale> {
    let sale = sold(anna, bert, currency).await?;
    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    Ok(sale)
}

async fn shipped(anna: &Person<'_>, bert: &Person<'_>, currency: &'static str) -> Result<Sale> {
    let sale = paid(anna, bert, currency).await?;
    anna.ships(&sale).await?;
    bert.awaits_sale_status(&sale, "shipped", CONVERGES_WITHIN).await?;
    Ok(sale)
}

/// So much is on each of the accounts in the currency, as a magnitude.
async fn holds(world: &World, currency: &str, accounts: &[(&str, i64)]) -> Result<()> {
    let ledger = world.operator().trial_balance().await?;
    for (account, amount) in accounts {
        ensure!(balance_of(&ledger, account, currency).abs() == *amount, "{account} should hold {amount}: {ledger}");
    }
    Ok(())
}

async fn listings_of(seller: &Person<'_>) -> Result<Vec<Value>> {
    let path = format!("/v1/listings?limit=100&seller={}", seller.sub);
    let page = seller.get(Service::Listing, &path).await?.success()?;
    page["items"].as_array().cloned().with_context(|| format!("a page has items: {page}"))
}

async fn drafting_a_lot(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    a_hundred(&anna, Service::Listing, "/v1/listings", &Terms::from(100).body()).await?;
    let drafted = listings_of(&anna).await?.len();
    ensure!(drafted == 1, "{drafted} lots were drafted");
    Ok(())
}

async fn listing_a_lot_again(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let lot = anna.opens(&Terms::from(100)).await?;
    anna.awaits_listing(&lot, "unsold").await?;
    let path = format!("/v1/listings/{}/relist", lot.id);
    let listed = a_hundred(&anna, Service::Listing, &path, &json!({})).await?;
    let listings = listings_of(&anna).await?;
    let again: Vec<_> = listings.iter().filter(|listing| listing["relisted_from"] == lot.id.as_str()).collect();
    ensure!(again.len() == 1 && again[0]["id"] == listed["id"], "{again:?}");
    Ok(())
}

async fn bidding(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).lasting(PATIENCE * 2)).await?;
    let path = format!("/v1/auctions/{}/bids", lot.id);
    let bid = a_hundred(&bert, Service::Bidding, &path, &json!({"max_amount": 500})).await?;
    let history = bert.history(&lot).await?;
    ensure!(history.len() == 1 && history[0]["bid_id"] == bid["bid_id"], "{history:?}");
    Ok(())
}

async fn buying_now(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(1_000).with_buy_now(3_000).lasting(PATIENCE * 2)).await?;
    a_hundred(&bert, Service::Bidding, &format!("/v1/auctions/{}/buy-now", lot.id), &json!({})).await?;
    ensure!(bert.auction(&lot).await?["bid_count"] == 1, "{}", bert.auction(&lot).await?);
    bert.awaits_sale(&lot).await?;
    let sales = bert.sales_of(&lot).await?;
    ensure!(sales.len() == 1, "{sales:?}");
    Ok(())
}

async fn paying(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = sold(&anna, &bert, "SGD").await?;
    acts(&bert, &sale, "pay", &json!({"payment_method": "pm_card_visa"})).await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    holds(&world, "SGD", &[("escrow", 5_000), ("gateway_clearing", 5_000)]).await
}

async fn shipping(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = paid(&anna, &bert, "TWD").await?;
    let before = anna.sale(&sale).await?["sequence"].as_u64().context("a sequence")?;
    let parcel = json!({"carrier": "UPS", "tracking_number": "1Z999AA10123456784"});
    let shipped = acts(&anna, &sale, "ship", &parcel).await?;
    ensure!(shipped["status"] == "shipped" && shipped["sequence"] == before + 1, "{shipped}");
    Ok(())
}

async fn receiving(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = shipped(&anna, &bert, "HKD").await?;
    acts(&bert, &sale, "receive", &json!({})).await?;
    anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    // Paid out once: ten per cent are left.
    holds(&world, "HKD", &[("escrow", 0), ("seller_payable", 0), ("gateway_clearing", 500)]).await
}

async fn disputing_adding_evidence_and_resolving(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let sale = shipped(&anna, &bert, "ZAR").await?;
    acts(&bert, &sale, "dispute", &json!({"reason": "It is broken."})).await?;
    acts(&anna, &sale, "evidence", &json!({"text": "It was whole."})).await?;
    let disputed = operator.sale(&sale).await?;
    let evidence = disputed["dispute"]["evidence"].as_array().context("evidence")?;
    ensure!(evidence.len() == 1, "{disputed}");

    let decision = json!({"decision": "part_refund", "amount": 2_000, "note": "The glass is broken."});
    acts(&operator, &sale, "resolve", &decision).await?;
    let settled = operator.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    let decisions = settled["decisions"].as_array().map(Vec::len);
    ensure!(settled["refunded"] == 2_000 && decisions == Some(1), "{settled}");
    // What came in, less what went back, less what the seller was paid, is the platform's share.
    let share = settled["payout"].as_i64().map(|payout| 3_000 - payout).context("a payout")?;
    holds(&world, "ZAR", &[("escrow", 0), ("seller_payable", 0), ("gateway_clearing", share)]).await
}

async fn calling_a_sale_off(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = sold(&anna, &bert, "ILS").await?;
    acts(&anna, &sale, "cancel", &json!({})).await?;
    // Who wishes it a hundred times is still one of two.
    let wished = bert.sale(&sale).await?;
    ensure!(wished["status"] == "awaiting_payment", "{wished}");
    acts(&bert, &sale, "cancel", &json!({})).await?;
    bert.awaits_sale_status(&sale, "failed", CONVERGES_WITHIN).await?;
    holds(&world, "ILS", &[("escrow", 0), ("gateway_clearing", 0)]).await
}

/// Two bid, the winner does not pay, and the other one is offered the lot.
async fn declining_a_second_chance(world: Arc<World>) -> Result<()> {
    let (anna, bert, carla) = (world.seller("anna"), world.bidder("bert"), world.bidder("carla"));
    let mut body = Terms::from(5_000).in_currency("MXN").body();
    body["second_chance"] = json!(true);
    let drafted = anna.post(Service::Listing, "/v1/listings", &body).await?.success()?;
    let lot = Lot { id: text(&drafted, "id")? };
    anna.publishes(&lot).await?.success()?;
    eventually("bidding is open", || async {
        ensure!(anna.auction(&lot).await?["status"] == "open");
        Ok(())
    })
    .await?;
    carla.bids(&lot, 6_000).await?;
    bert.bids(&lot, 9_000).await?;
    let offer = testcontainers_suite::wait::within(BEYOND_A_DEADLINE, "carla is offered the lot", || async {
        let sales = carla.sales_of(&lot).await?;
        Ok(Sale { id: text(sales.first().context("nothing is offered")?, "id")? })
    })
    .await?;
    acts(&carla, &offer, "decline", &json!({})).await?;
    carla.awaits_sale_status(&offer, "failed", CONVERGES_WITHIN).await?;
    let sales = carla.sales_of(&lot).await?;
    ensure!(sales.len() == 1, "she is offered it again: {sales:?}");
    Ok(())
}

/// Who leaves two lots unpaid is suspended, until the operator says otherwise.
async fn reinstating_a_bidder(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    for sale in [sold(&anna, &bert, "THB"), sold(&anna, &bert, "THB")] {
        sale.await?;
    }
    let path = format!("/v1/bidders/{}", bert.sub);
    let standing = testcontainers_suite::wait::within(BEYOND_A_DEADLINE, "bert is suspended", || async {
        let standing = operator.get(Service::Settlement, &path).await?.success()?;
        ensure!(standing["suspended"] == true, "{standing}");
        Ok(standing)
    })
    .await?;
    let reinstate = format!("{path}/reinstate");
    a_hundred(&operator, Service::Settlement, &reinstate, &json!({"note": "He was ill."})).await?;
    let now = operator.get(Service::Settlement, &path).await?.success()?;
    ensure!(now["suspended"] == false && now["strikes"] == standing["strikes"], "{now}");
    Ok(())
}

/// The same request a hundred times at once, where the state tells that it was done: some are answered with success, the others
/// are refused, and one event comes of it.
async fn one_event<F>(world: &World, lot: &Lot, event: &str, ask: impl Fn() -> F) -> Result<()>
where
    F: Future<Output = Result<Answer>>,
{
    let answers: Vec<Answer> = join_all((0..AT_ONCE).map(|_| ask())).await.into_iter().collect::<Result<_>>()?;
    ensure!(answers.iter().any(|answer| answer.status < 300), "nobody was answered with success");
    let fault = answers.iter().find(|answer| answer.status >= 300 && answer.status != 409);
    ensure!(fault.is_none(), "{fault:?}");
    let count = || async {
        let events = events_of(world, &[&lot.id]).await?;
        anyhow::Ok(events.iter().filter(|published| published.envelope.event_type == event).count())
    };
    eventually(event, || async {
        ensure!(count().await? > 0, "it is not published");
        Ok(())
    })
    .await?;
    let published = count().await?;
    ensure!(published == 1, "it is published {published} times");
    Ok(())
}

async fn what_takes_no_key(world: Arc<World>) -> Result<()> {
    let (anna, operator) = (world.seller("anna").patient(PATIENCE), world.operator().patient(PATIENCE));
    let lot = anna.drafts(&Terms::from(100).lasting(PATIENCE * 3)).await?;
    one_event(&world, &lot, "outcry.listing.published.v1", || anna.publishes(&lot)).await.context("publish")?;
    anna.awaits_auction(&lot, "open").await?;
    let reason = json!({"reason": "a hundred at once"});
    for (action, event, body) in
        [("pause", "paused", &reason), ("resume", "resumed", &json!({})), ("cancel", "cancelled", &reason)]
    {
        let event = format!("outcry.bidding.auction.{event}.v1");
        one_event(&world, &lot, &event, || operator.does(&lot, action, body)).await.context(action)?;
    }
    Ok(())
}
