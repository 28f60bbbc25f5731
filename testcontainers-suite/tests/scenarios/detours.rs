//! What happens beside a sale: an unsold lot is listed again, a listing gets other words, the gateway tells something that
//! nobody waits for; and what a seller is shown of the money.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use aws_lc_rs::hmac;
use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::anonymous,
    story::{Terms, text},
    target::WEBHOOK_SECRET,
    token::now_s,
    trials,
    wait::CONVERGES_WITHIN,
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::detours":
        what_a_seller_was_paid_is_shown_to_the_seller_and_the_operator_alone,
        an_unsold_lot_is_listed_again_by_its_seller_once,
        a_published_listing_is_revised_in_its_words_and_an_unchanged_one_is_not_sent_again,
        a_notice_that_the_gateway_signed_is_taken_in_and_another_one_is_not,
    )
}

async fn what_a_seller_was_paid_is_shown_to_the_seller_and_the_operator_alone(world: Arc<World>) -> Result<()> {
    let (anna, bert, operator) = (world.seller("anna"), world.bidder("bert"), world.operator());
    let lot = anna.opens(&Terms::from(4_000).in_currency("BRL")).await?;
    bert.bids(&lot, 4_000).await?;
    let sale = bert.awaits_sale(&lot).await?;
    bert.pays(&sale, "pm_card_visa").await?;
    bert.awaits_sale_status(&sale, "escrowed", CONVERGES_WITHIN).await?;
    anna.ships(&sale).await?;
    bert.receives(&sale).await?;
    let done = anna.awaits_sale_status(&sale, "completed", CONVERGES_WITHIN).await?;

    let payout = format!("/v1/payouts/{}", text(&done, "payout_id")?);
    let paid = anna.get(Service::Settlement, &payout).await?.success()?;
    ensure!(paid["amount"] == 3_600 && paid["items"][0]["settlement_id"] == sale.id, "{paid} of {done}");
    bert.get(Service::Settlement, &payout).await?.is_problem(404, "not-found")?;

    let statement = "/v1/ledger/statement?currency=BRL";
    let own = anna.get(Service::Settlement, statement).await?.success()?;
    let kinds: Vec<&Value> = own["items"].as_array().context("items")?.iter().map(|line| &line["kind"]).collect();
    ensure!(kinds == ["paid_out", "released"] && own["items"][0]["balance"] == 0, "{own}");
    let of_anna = format!("{statement}&seller={}", anna.sub);
    let asked = operator.get(Service::Settlement, &of_anna).await?.success()?;
    ensure!(asked == own, "the operator sees {asked}");
    bert.get(Service::Settlement, &of_anna).await?.is_problem(403, "forbidden")
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
    // Nothing that bidding tells changes its version from here on.
    anna.awaits_listing(&lot, "live").await?;
    let path = format!("/v1/listings/{}", lot.id);
    let ask = |method: Method| anna.request(method, Service::Listing, &path);
    let found = anna.get(Service::Listing, &path).await?;
    let tag = found.header("etag").context("no ETag")?;
    let revision = ask(Method::PATCH).header("if-match", tag).json(&json!({"title": "In other words"}));
    let revised = anna.send(revision).await?;
    ensure!(revised.status == 200 && revised.body["title"] == "In other words", "{}", revised.text);
    let tag = revised.header("etag").context("no ETag")?;
    let unchanged = anna.send(ask(Method::GET).header("if-none-match", tag)).await?;
    ensure!(unchanged.status == 304 && unchanged.text.is_empty(), "answered {}: {}", unchanged.status, unchanged.text);
    let terms = ask(Method::PATCH).header("if-match", tag).json(&json!({"currency": "EUR"}));
    anna.send(terms).await?.is_problem(409, "listing-state")
}

async fn a_notice_that_the_gateway_signed_is_taken_in_and_another_one_is_not(world: Arc<World>) -> Result<()> {
    let notice =
        json!({"id": "evt_of_the_suite", "type": "customer.created", "data": {"object": {"id": "cus_1"}}}).to_string();
    let signed = |secret: &str| {
        let (key, at) = (hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), now_s());
        let tag = hmac::sign(&key, format!("{at}.{notice}").as_bytes());
        let hex = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
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
