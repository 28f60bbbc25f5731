//! The ways of a sale besides the good one: disputed, called off, listed again; and what is shown of
//! money and words on the way.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::{Person, anonymous},
    story::{Sale, Terms, text},
    target::WEBHOOK_SECRET,
    token::now_s,
    trials,
    wait::{CONVERGES_WITHIN, eventually},
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::detours":
        a_dispute_is_heard_and_decided_and_the_seller_is_paid_the_rest,
        a_sale_that_both_sides_call_off_is_off,
        an_unsold_lot_is_listed_again_by_its_seller_once,
        a_published_listing_is_revised_in_its_words_and_an_unchanged_one_is_not_sent_again,
        a_signed_notice_of_the_gateway_is_taken_in_and_an_unsigned_one_is_not,
    )
}

async fn sold(seller: &Person<'_>, buyer: &Person<'_>, terms: &Terms) -> Result<Sale> {
    let lot = seller.opens(terms).await?;
    buyer.bids(&lot, 4_000).await?;
    buyer.awaits_sale(&lot).await
}

async fn a_dispute_is_heard_and_decided_and_the_seller_is_paid_the_rest(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let sale = sold(&anna, &bert, &Terms::from(100).in_currency("BRL")).await?;
    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    anna.ships(&sale).await?;
    bert.acts(&sale, "dispute", &json!({"reason": "The glass is broken."})).await?.success()?;
    anna.acts(&sale, "evidence", &json!({"text": "It was whole when it was packed."})).await?.success()?;
    let heard = bert.acts(&sale, "evidence", &json!({"text": "It\nwas not when it came."})).await?.success()?;
    ensure!(heard["status"] == "disputed" && heard["dispute"]["evidence"].as_array().is_some_and(|all| all.len() == 2));

    let decision = json!({"decision": "part_refund", "amount": 30, "note": "A third of the glass."});
    anna.acts(&sale, "resolve", &decision).await?.is_problem(403, "forbidden")?;
    operator.acts(&sale, "resolve", &decision).await?.success()?;
    let done = anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;
    ensure!(done["refunded"] == 30, "{done}");

    let paid = anna.get(Service::Settlement, &format!("/v1/payouts/{}", text(&done, "payout_id")?)).await?.success()?;
    ensure!(paid["amount"] == done["payout"] && paid["items"][0]["settlement_id"] == sale.id, "{paid} of {done}");
    let statement = "/v1/ledger/statement?currency=BRL";
    let own = anna.get(Service::Settlement, statement).await?.success()?;
    let kinds: Vec<&Value> = own["items"].as_array().context("items")?.iter().map(|line| &line["kind"]).collect();
    ensure!(kinds == ["paid_out", "released"] && own["items"][0]["balance"] == 0, "{own}");
    let asked = operator.get(Service::Settlement, &format!("{statement}&seller={}", anna.sub)).await?.success()?;
    ensure!(asked == own, "the operator sees {asked}");
    bert.get(Service::Settlement, &format!("{statement}&seller={}", anna.sub)).await?.is_problem(403, "forbidden")
}

async fn a_sale_that_both_sides_call_off_is_off(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let sale = sold(&anna, &bert, &Terms::from(100)).await?;
    let wished = bert.acts(&sale, "cancel", &json!({})).await?.success()?;
    ensure!(wished["cancel_requested_by"] == "buyer" && wished["status"] == "awaiting_payment", "{wished}");
    let off = anna.acts(&sale, "cancel", &json!({})).await?.success()?;
    ensure!(off["status"] == "failed" && off["failure_reason"] == "agreed", "{off}");
    let bidder = bert.get(Service::Settlement, &format!("/v1/bidders/{}", bert.sub)).await?.success()?;
    ensure!(bidder["suspended"] == false && bidder["strikes"] == json!([]), "{bidder}");
    Ok(())
}

async fn an_unsold_lot_is_listed_again_by_its_seller_once(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100)).await?;
    anna.awaits_listing(&lot, "unsold").await?;
    let path = format!("/v1/listings/{}/relist", lot.id);
    bert.post(Service::Listing, &path, &json!({})).await?.is_problem(403, "forbidden")?;
    let again = anna.post(Service::Listing, &path, &json!({})).await?;
    ensure!(again.status == 201 && again.body["relisted_from"] == lot.id, "{}", again.text);
    let place = format!("/v1/listings/{}", text(&again.body, "id")?);
    ensure!(again.header("location") == Some(place.as_str()), "{:?}", again.headers);
    anna.post(Service::Listing, &path, &json!({})).await?.is_problem(409, "already-relisted")
}

async fn a_published_listing_is_revised_in_its_words_and_an_unchanged_one_is_not_sent_again(
    world: Arc<World>,
) -> Result<()> {
    let anna = world.seller("anna");
    let lot = anna.opens(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    let path = format!("/v1/listings/{}", lot.id);
    let ask = |method: Method| anna.request(method, Service::Listing, &path);
    let revised = eventually("the listing is revised", || async {
        let tag = anna.get(Service::Listing, &path).await?.header("etag").context("no ETag")?.to_owned();
        let request = ask(Method::PATCH).header("if-match", tag).json(&json!({"title": "In other words"}));
        let answer = anna.send(request).await?;
        ensure!(answer.status == 200 && answer.body["title"] == "In other words", "{}", answer.text);
        Ok(answer)
    })
    .await?;
    let tag = revised.header("etag").context("no ETag")?;
    let unchanged = anna.send(ask(Method::GET).header("if-none-match", tag)).await?;
    ensure!(unchanged.status == 304 && unchanged.text.is_empty(), "answered {}: {}", unchanged.status, unchanged.text);
    let terms = ask(Method::PATCH).header("if-match", tag).json(&json!({"currency": "EUR"}));
    anna.send(terms).await?.is_problem(409, "listing-state")
}

async fn a_signed_notice_of_the_gateway_is_taken_in_and_an_unsigned_one_is_not(world: Arc<World>) -> Result<()> {
    let notice =
        json!({"id": "evt_of_the_suite", "type": "customer.created", "data": {"object": {"id": "cus_1"}}}).to_string();
    let signed = |secret: &str| {
        let (key, at) = (hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), now_s());
        let tag = hmac::sign(&key, format!("{at}.{notice}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let address = world.person("gateway", &[]).address;
        anonymous(&world, Method::POST, Service::Settlement, "/v1/payments/webhook", address)
            .header("content-type", "application/json")
            .header("stripe-signature", format!("t={at},v1={hex}"))
            .body(notice.clone())
    };
    let taken = world.ask(signed(WEBHOOK_SECRET)).await?;
    ensure!(taken.status == 204, "answered {}: {}", taken.status, taken.text);
    world.ask(signed("somebody else's secret of 32 bytes")).await?.is_problem(400, "webhook-signature")
}
