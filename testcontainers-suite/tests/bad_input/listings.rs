//! Drafting a listing.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Person,
    story::{Lot, Terms, text},
    trials,
    world::{Service, World},
};

use super::{no_amounts, refused, spoilt, with, with_raw};

const PATH: &str = "/v1/listings";

pub fn trials() -> Vec<Trial> {
    trials!("bad_input::listings":
        what_is_no_listing_is_refused,
        wrong_amounts_are_refused,
        wrong_texts_are_refused,
        wrong_times_are_refused,
        an_auction_that_is_too_short_too_long_or_too_far_ahead_is_never_published,
        wrong_currencies_are_refused,
        amounts_that_nobody_can_pay_are_refused,
        unknown_formats_and_rules_are_refused,
        wrong_terms_of_every_other_format_are_refused,
        every_fault_is_told_at_once,
        a_bad_revision_changes_nothing,
        a_strangers_listing_cannot_be_touched,
    )
}

async fn nothing_was_drafted(person: &Person<'_>) -> Result<()> {
    let page = person.get(Service::Listing, &format!("{PATH}?limit=100&seller={}", person.sub)).await?.success()?;
    ensure!(page["items"].as_array().is_some_and(Vec::is_empty), "something was drafted: {page}");
    Ok(())
}

async fn what_is_no_listing_is_refused(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    for (what, content) in spoilt(&Terms::from(100).body()) {
        refused(&anna, Service::Listing, PATH, what, content).await?;
    }
    for member in ["title", "category", "currency", "format", "ends_at"] {
        let mut body = Terms::from(100).body();
        body.as_object_mut().context("an object")?.remove(member);
        refused(&anna, Service::Listing, PATH, &format!("no {member}"), body.to_string().into_bytes()).await?;
        for value in [Value::Null, json!(7), json!([]), json!({}), json!(true)] {
            let what = format!("{member} {value}");
            let content = with(&Terms::from(100).body(), &format!("/{member}"), value)?;
            refused(&anna, Service::Listing, PATH, &what, content).await?;
        }
    }
    nothing_was_drafted(&anna).await
}

async fn wrong_amounts_are_refused(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let body = Terms::from(100).body();
    for member in ["start_price", "reserve_price", "buy_now_price"] {
        for raw in no_amounts().into_iter().filter(|raw| member == "start_price" || *raw != "null") {
            let content = with_raw(&body, &format!("/format/{member}"), raw)?;
            refused(&anna, Service::Listing, PATH, &format!("{member} {raw}"), content).await?;
        }
    }
    for (what, pointer, value) in [
        ("a reserve below the start price", "/format/reserve_price", json!(99)),
        ("buy now at less than 130 % of the start price", "/format/buy_now_price", json!(129)),
        ("days of a second chance that is not offered", "/second_chance_days", json!(3)),
        ("days that nobody may choose", "/second_chance_days", json!(2)),
        ("days in words", "/second_chance_days", json!("three")),
        ("a second chance in words", "/second_chance", json!("yes")),
    ] {
        refused(&anna, Service::Listing, PATH, what, with(&body, pointer, value)?).await?;
    }
    nothing_was_drafted(&anna).await
}

async fn wrong_texts_are_refused(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let body = Terms::from(100).body();
    for (member, text) in [
        ("title", String::new()),
        ("title", "   ".to_owned()),
        ("title", "\u{3000}\u{2003}".to_owned()),
        ("title", "x".repeat(201)),
        ("title", "x".repeat(10_000)),
        ("title", "é".repeat(10_000)),
        ("title", "a\u{0}b".to_owned()),
        ("title", "a\nb".to_owned()),
        ("title", "a\u{1b}[31mb".to_owned()),
        ("title", "a\u{7f}b".to_owned()),
        ("title", "a\u{85}b".to_owned()),
        ("description", "x".repeat(10_001)),
        ("description", "a\u{0}b".to_owned()),
        ("category", String::new()),
        ("category", "Watches".to_owned()),
        ("category", "wrist watches".to_owned()),
        ("category", "../watches".to_owned()),
        ("category", "x".repeat(65)),
        ("category", "x".repeat(10_000)),
        ("category", "uhren\u{0}".to_owned()),
        ("category", "ühren".to_owned()),
    ] {
        let what = format!("{member} {text:.20?}");
        refused(&anna, Service::Listing, PATH, &what, with(&body, &format!("/{member}"), json!(text))?).await?;
    }
    for (what, raw) in [
        ("a lone high surrogate", "\"\\ud800\""),
        ("a lone low surrogate", "\"\\udc00\""),
        ("a pair in the wrong order", "\"\\udc00\\ud800\""),
        ("an unknown escape", "\"\\x41\""),
        ("a raw line break", "\"a\nb\""),
        ("single quotes", "'text'"),
    ] {
        for member in ["/title", "/description", "/category"] {
            refused(&anna, Service::Listing, PATH, &format!("{member}: {what}"), with_raw(&body, member, raw)?).await?;
        }
    }
    let mut no_utf8 = with_raw(&body, "/title", "\"?\"")?;
    let place = no_utf8.iter().position(|byte| *byte == b'?').context("the mark")?;
    no_utf8[place] = 0xff;
    refused(&anna, Service::Listing, PATH, "bytes that are no UTF-8", no_utf8).await?;
    nothing_was_drafted(&anna).await
}

async fn wrong_times_are_refused(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let body = Terms::from(100).body();
    for (member, value) in [
        ("ends_at", json!("1970-01-01T00:00:00Z")),
        ("ends_at", json!("2020-01-01T00:00:00Z")),
        ("ends_at", json!("+999999-01-01T00:00:00Z")),
        ("ends_at", json!("-0001-01-01T00:00:00Z")),
        ("ends_at", json!("2030-02-30T00:00:00Z")),
        ("ends_at", json!("2030-01-01T25:00:00Z")),
        ("ends_at", json!("2030-01-01T00:00:00")),
        ("ends_at", json!("2030-01-01")),
        ("ends_at", json!("tomorrow")),
        ("ends_at", json!("")),
        ("ends_at", json!(1_900_000_000)),
        ("ends_at", json!("x".repeat(10_000))),
        ("starts_at", json!("2020-01-01T00:00:00Z")),
        ("starts_at", json!("soon")),
        ("starts_at", json!("")),
        ("starts_at", json!(0)),
    ] {
        let what = format!("{member} {value:.40}");
        refused(&anna, Service::Listing, PATH, &what, with(&body, &format!("/{member}"), value)?).await?;
    }
    let before_start = with(&body, "/starts_at", json!("2029-12-31T00:00:00Z"))?;
    refused(&anna, Service::Listing, PATH, "an end before the start", before_start).await?;
    nothing_was_drafted(&anna).await
}

/// A draft may wait: how long an auction lasts is known at its publication, if not before.
async fn an_auction_that_is_too_short_too_long_or_too_far_ahead_is_never_published(world: Arc<World>) -> Result<()> {
    const DAY: Duration = Duration::from_secs(86_400);
    let anna = world.seller("anna");
    let terms = || Terms::from(100);
    let mut bodies = vec![
        ("two seconds", terms().lasting(Duration::from_secs(2)).body()),
        ("31 days", terms().lasting(DAY * 31).body()),
        ("in 400 days", terms().starting_in(DAY * 400).body()),
    ];
    for ends_at in ["3000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "+262142-12-31T23:59:59Z"] {
        for starts_at in [Value::Null, json!("9999-12-31T23:59:58Z")] {
            let mut body = terms().body();
            (body["ends_at"], body["starts_at"]) = (json!(ends_at), starts_at);
            bodies.push((ends_at, body));
        }
    }
    for (what, body) in bodies {
        let draft = anna.post(Service::Listing, PATH, &body).await?;
        if draft.status != 201 {
            draft.is_problem(422, "validation").context(what)?;
            continue;
        }
        let lot = Lot { id: text(&draft.body, "id")? };
        anna.publishes(&lot).await?.is_problem(422, "validation").context(what)?;
        ensure!(anna.listing(&lot).await?["status"] == "draft", "{what}: it was published");
    }
    Ok(())
}

async fn wrong_currencies_are_refused(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let body = Terms::from(100).body();
    let long = "USD".repeat(3_333);
    let no_codes = ["", "US", "USDX", "usd", "Usd", " USD", "USD ", "ZZZ", "840", "$", "US\u{0}", &long];
    let no_money = ["XAU", "XXX", "XTS", "XAD", "BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "UYI", "UYW"];
    let withdrawn = ["ANG", "BGN", "CUC", "DEM", "HRK", "SLL", "ZWL"];
    for currency in no_codes.into_iter().chain(no_money).chain(withdrawn) {
        let content = with(&body, "/currency", json!(currency))?;
        refused(&anna, Service::Listing, PATH, &format!("currency {currency:.20?}"), content).await?;
    }
    // A yen has no hundredths, and nobody can pay those of an ariary; the preset's smallest increment is five of them.
    for currency in ["JPY", "MGA"] {
        let content = with(&body, "/currency", json!(currency))?;
        refused(&anna, Service::Listing, PATH, &format!("a preset in {currency}"), content).await?;
    }
    nothing_was_drafted(&anna).await
}

/// Of dinars only tens of the minor unit can be paid, of ariary only hundreds.
async fn amounts_that_nobody_can_pay_are_refused(world: Arc<World>) -> Result<()> {
    for (currency, unit) in [("BHD", 10), ("JOD", 10), ("KWD", 10), ("OMR", 10), ("TND", 10), ("MGA", 100)] {
        let anna = world.seller("anna");
        let english = Terms::from(10 * unit).with_reserve(20 * unit).with_buy_now(30 * unit).by_steps_of(unit);
        let dutch = Terms::dutch(50 * unit, 10 * unit, unit, 30);
        let body = |terms: Terms| terms.in_currency(currency).lasting(Duration::from_secs(600)).body();
        let (english, dutch) = (body(english), body(dutch));
        let told = format!("amounts in {currency} are multiples of {unit} minor units");
        for (sound, member) in [
            (&english, "start_price"),
            (&english, "reserve_price"),
            (&english, "buy_now_price"),
            (&english, "increments/0/increment"),
            (&dutch, "start_price"),
            (&dutch, "floor_price"),
            (&dutch, "step"),
        ] {
            let pointer = format!("/format/{member}");
            let mut odd = sound.clone();
            let amount = odd.pointer_mut(&pointer).context("an amount")?;
            *amount = json!(amount.as_i64().context("an amount")? + 1);
            let answer = anna.post(Service::Listing, PATH, &odd).await?;
            answer.is_problem(422, "validation").with_context(|| format!("{currency} {member}"))?;
            let faults = json!([{"pointer": pointer, "detail": told}]);
            ensure!(answer.body["errors"] == faults, "{currency} {member}: {}", answer.text);
        }
        nothing_was_drafted(&anna).await?;
        // As they are, they are sound; a revision has to be, too.
        let lot = Lot { id: text(&anna.post(Service::Listing, PATH, &english).await?.success()?, "id")? };
        let mut odd = json!({"format": english["format"]});
        odd["format"]["start_price"] = json!(10 * unit - 1);
        let revised = patch(&anna, &lot, "\"1\"", odd.to_string().into_bytes()).await?;
        revised.is_problem(422, "validation").context(currency)?;
        anna.post(Service::Listing, PATH, &dutch).await?.success().context(currency)?;
    }
    Ok(())
}

async fn unknown_formats_and_rules_are_refused(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let body = Terms::from(100).body();
    let tier = |from: i64, increment: i64| json!({"from": from, "increment": increment});
    let many: Vec<Value> = (0..51).map(|number| tier(number * 100, 10)).collect();
    for (pointer, value) in [
        ("/format/kind", json!("silent")),
        ("/format/kind", json!("ENGLISH")),
        ("/format/kind", json!("x".repeat(10_000))),
        ("/format/kind", json!("english\u{0}")),
        ("/format/kind", Value::Null),
        ("/format/surprise", json!(1)),
        ("/format/increments", json!("ebay-fr")),
        ("/format/increments", json!("")),
        ("/format/increments", json!(50)),
        ("/format/increments", json!([])),
        ("/format/increments", json!([tier(100, 10)])),
        ("/format/increments", json!([tier(0, 0)])),
        ("/format/increments", json!([tier(0, -1)])),
        ("/format/increments", json!([tier(0, 10), tier(0, 20)])),
        ("/format/increments", json!([tier(0, 10), tier(500, 20), tier(400, 30)])),
        ("/format/increments", json!([tier(0, i64::MAX)])),
        ("/format/increments", json!([{"from": 0, "increment": 10, "surprise": 1}])),
        ("/format/increments", json!([{"from": "0", "increment": 10}])),
        ("/format/increments", json!([{"from": 0}])),
        ("/format/increments", json!(many)),
        ("/format/soft_close", Value::Null),
        ("/format/soft_close", json!("off")),
        ("/format/soft_close", json!({"mode": "forever"})),
        ("/format/soft_close", json!({"mode": "reset"})),
        ("/format/soft_close", json!({"mode": "reset", "window_s": 0, "hard_stop_s": 60})),
        ("/format/soft_close", json!({"mode": "reset", "window_s": -1, "hard_stop_s": 60})),
        ("/format/soft_close", json!({"mode": "reset", "window_s": 60, "hard_stop_s": 0})),
        ("/format/soft_close", json!({"mode": "reset", "window_s": 86_401, "hard_stop_s": 60})),
        ("/format/soft_close", json!({"mode": "reset", "window_s": 4_294_967_296_u64, "hard_stop_s": 60})),
        ("/format/soft_close", json!({"mode": "off", "window_s": 60})),
        ("/format/soft_close", json!({"mode": "add", "window_s": 60, "hard_stop_s": 60})),
        ("/format/soft_close", json!({"mode": "add", "window_s": 60, "extension_s": 0, "hard_stop_s": 60})),
        ("/format/soft_close", json!({"mode": "add", "window_s": 60, "extension_s": 86_401, "hard_stop_s": 60})),
        ("/format/soft_close", json!({"mode": "reset", "window_s": 60, "extension_s": 60, "hard_stop_s": 60})),
    ] {
        let what = format!("{pointer} {value:.60}");
        refused(&anna, Service::Listing, PATH, &what, with(&body, pointer, value)?).await?;
    }
    nothing_was_drafted(&anna).await
}

async fn wrong_terms_of_every_other_format_are_refused(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let sealed = [Terms::sealed_first_price(100).body(), Terms::vickrey(100).body()];
    let (dutch, units) = (Terms::dutch(5_000, 1_000, 250, 30).body(), Terms::units(100, 5).body());
    let of_sealed = [
        ("start_price", json!(0)),
        ("reserve_price", json!(99)),
        ("increments", json!("ebay-us")),
        ("soft_close", json!({"mode": "off"})),
        ("buy_now_price", json!(500)),
        ("quantity", json!(5)),
    ];
    let of_dutch = [
        ("floor_price", json!(0)),
        ("floor_price", json!(-1)),
        ("floor_price", json!(5_000)),
        ("floor_price", json!(9_007_199_254_740_992_i64)),
        ("floor_price", Value::Null),
        ("step", json!(0)),
        ("step", json!(0.5)),
        ("step_every_s", json!(0)),
        ("step_every_s", json!(-1)),
        ("step_every_s", json!(4_294_967_296_u64)),
        ("reserve_price", json!(2_000)),
        ("quantity", json!(1)),
    ];
    let of_units = [
        ("quantity", json!(0)),
        ("quantity", json!(1)),
        ("quantity", json!(101)),
        ("quantity", json!(2.5)),
        ("quantity", Value::Null),
        ("decline_within_s", json!(-1)),
        ("decline_within_s", json!(604_801)),
        ("decline_within_s", Value::Null),
        ("increments", json!([])),
        ("soft_close", json!({"mode": "add"})),
        ("reserve_price", json!(200)),
        ("buy_now_price", json!(500)),
    ];
    let of_both = sealed.iter().flat_map(|body| of_sealed.iter().map(move |fault| (body, fault)));
    let faults = of_both.chain(of_dutch.iter().map(|fault| (&dutch, fault)));
    for (body, (member, value)) in faults.chain(of_units.iter().map(|fault| (&units, fault))) {
        let what = format!("{} {member} {value}", body["format"]["kind"]);
        let content = with(body, &format!("/format/{member}"), value.clone())?;
        refused(&anna, Service::Listing, PATH, &what, content).await?;
    }
    // As they are, they are sound.
    nothing_was_drafted(&anna).await?;
    for body in sealed.iter().chain([&dutch, &units]) {
        anna.post(Service::Listing, PATH, body).await?.success().with_context(|| body["format"].to_string())?;
    }
    Ok(())
}

async fn every_fault_is_told_at_once(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let mut body = Terms::from(100).body();
    body["title"] = json!("");
    body["category"] = json!("Not A Slug");
    body["format"]["start_price"] = json!(0);
    body["ends_at"] = json!("2020-01-01T00:00:00Z");
    let answer = anna.post(Service::Listing, PATH, &body).await?;
    answer.is_problem(422, "validation")?;
    let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
    for pointer in ["/title", "/category", "/format/start_price", "/ends_at"] {
        ensure!(errors.iter().any(|error| error["pointer"] == pointer), "{pointer} is not told: {}", answer.text);
    }
    Ok(())
}

async fn patch(
    person: &Person<'_>,
    lot: &Lot,
    version: &str,
    content: Vec<u8>,
) -> Result<testcontainers_suite::client::Answer> {
    let request = person.request(Method::PATCH, Service::Listing, &format!("{PATH}/{}", lot.id));
    let request = request.header("if-match", version).header("content-type", "application/json").body(content);
    person.send(request).await
}

async fn a_bad_revision_changes_nothing(world: Arc<World>) -> Result<()> {
    let anna = world.seller("anna");
    let lot = anna.drafts(&Terms::from(100)).await?;
    let before = anna.listing(&lot).await?;
    for (what, content) in spoilt(&json!({"title": "Another"})) {
        // An empty object is a revision of nothing; everything here is no object or no JSON.
        patch(&anna, &lot, "\"1\"", content).await?.is_refusal().context(what)?;
    }
    for content in [
        r#"{"title":null}"#,
        r#"{"title":""}"#,
        r#"{"id":"x"}"#,
        r#"{"status":"live"}"#,
        r#"{"seller":"dora"}"#,
        r#"{"version":7}"#,
        r#"{"format":{}}"#,
        r#"{"ends_at":"2020-01-01T00:00:00Z"}"#,
        r#"{"currency":"ZZZ"}"#,
        r#"{"currency":"CLF"}"#,
        r#"{"currency":"MGA"}"#,
        r#"{"price":1}"#,
        r#"{"second_chance_days":3}"#,
        r#"{"second_chance":true,"second_chance_days":4}"#,
    ] {
        patch(&anna, &lot, "\"1\"", content.into()).await?.is_refusal().context(content)?;
    }
    let sound = || br#"{"title":"Another"}"#.to_vec();
    for version in ["\"2\"", "\"0\"", "1", "W/\"1\"", "\"99999999999999999999\"", "\"x\"", "\"\"", "\"1\", \"2\""] {
        let answer = patch(&anna, &lot, version, sound()).await?;
        answer.is_refusal().with_context(|| format!("If-Match: {version}"))?;
        ensure!([400, 412].contains(&answer.status), "If-Match: {version}: {}", answer.text);
    }
    let request = anna.request(Method::PATCH, Service::Listing, &format!("{PATH}/{}", lot.id));
    anna.send(request.json(&json!({"title": "Another"}))).await?.is_problem(428, "precondition-required")?;
    ensure!(anna.listing(&lot).await? == before, "it changed: {}", anna.listing(&lot).await?);
    patch(&anna, &lot, "\"1\"", sound()).await?.success()?;
    patch(&anna, &lot, "\"1\"", sound()).await?.is_problem(412, "precondition-failed")
}

async fn a_strangers_listing_cannot_be_touched(world: Arc<World>) -> Result<()> {
    let (anna, dora) = (world.seller("anna"), world.seller("dora"));
    let lot = anna.drafts(&Terms::from(100).lasting(Duration::from_secs(300))).await?;
    let change = || br#"{"title":"Mine now"}"#.to_vec();
    patch(&dora, &lot, "*", change()).await?.is_problem(404, "not-found")?;
    anna.publishes(&lot).await?.success()?;
    let before = anna.listing(&lot).await?;
    patch(&dora, &lot, "*", change()).await?.is_problem(403, "forbidden")?;
    dora.cancels(&lot).await?.is_problem(403, "forbidden")?;
    dora.publishes(&lot).await?.is_problem(403, "forbidden")?;
    let after = anna.listing(&lot).await?;
    ensure!(after["title"] == before["title"] && after["seller"] == anna.sub.as_str(), "{after}");
    Ok(())
}
