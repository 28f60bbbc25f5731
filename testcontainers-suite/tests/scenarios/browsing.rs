//! People look for what is for sale.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::Value;
use testcontainers_suite::{
    client::{Person, fresh_key},
    story::{Lot, text},
    terms::Terms,
    trials,
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials!("scenarios::browsing":
        people_find_what_they_look_for,
        every_page_goes_on_where_the_last_one_ended,
    )
}

/// A lot as the seller describes it.
async fn lists(anna: &Person<'_>, title: &str, category: &str, price: i64, lasts_s: u64) -> Result<Lot> {
    let mut draft = Terms::from(price).lasting(Duration::from_secs(lasts_s)).body();
    (draft["title"], draft["category"]) = (title.into(), category.into());
    let listing = anna.post(Service::Listing, "/v1/listings", &draft).await?.success()?;
    let lot = Lot { id: text(&listing, "id")? };
    anna.publishes(&lot).await?.success()?;
    anna.awaits_listing(&lot, "live").await?;
    Ok(lot)
}

/// The ids that a query finds, in order, and where the next page begins.
async fn finds(person: &Person<'_>, query: &str) -> Result<(Vec<String>, Option<String>)> {
    let page = person.get(Service::Listing, &format!("/v1/listings?{query}")).await?.success()?;
    let items = page["items"].as_array().with_context(|| format!("{query}: no items: {page}"))?;
    let ids = items.iter().map(|item| text(item, "id")).collect::<Result<_>>()?;
    Ok((ids, page["next_cursor"].as_str().map(ToOwned::to_owned)))
}

async fn people_find_what_they_look_for(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    // A word that nobody else has.
    let rare = format!("w{}", fresh_key().replace('-', ""));
    let clock = lists(&anna, &format!("An old {rare} clock"), "clocks", 300, 400).await?;
    let lamp = lists(&anna, &format!("A {rare} lamp"), "lamps", 100, 500).await?;
    let other = lists(&anna, "A clock of today", "clocks", 200, 300).await?;
    let draft = anna.drafts(&Terms::from(100)).await?;

    let seller = format!("seller={}", anna.sub);
    for (query, expected) in [
        (format!("q={rare}&sort=price"), vec![&lamp, &clock]),
        (format!("q={rare}+clock"), vec![&clock]),
        (format!("q={rare}+-clock"), vec![&lamp]),
        (format!("q={rare}+-{rare}"), vec![]),
        (format!("{seller}&category=clocks&sort=price"), vec![&other, &clock]),
        (format!("{seller}&status=live&sort=-price"), vec![&clock, &other, &lamp]),
        (format!("{seller}&status=live&sort=ends_at"), vec![&other, &clock, &lamp]),
        (format!("{seller}&sort=-created_at"), vec![&other, &lamp, &clock]),
        (format!("{seller}&status=sold"), vec![]),
        (format!("{seller}&status=draft"), vec![]),
    ] {
        let (found, more) = finds(&bert, &query).await?;
        let expected: Vec<&str> = expected.into_iter().map(|lot| lot.id.as_str()).collect();
        ensure!(found == expected, "{query} finds {found:?}, and not {expected:?}");
        ensure!(more.is_none(), "{query} has another page");
    }
    let (own, _) = finds(&anna, &format!("{seller}&status=draft")).await?;
    ensure!(own == [draft.id.as_str()], "her own drafts are {own:?}");
    Ok(())
}

async fn every_page_goes_on_where_the_last_one_ended(world: Arc<World>) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let mut lots = Vec::new();
    // Two of one price: the order has to be one all the same.
    for (price, lasts_s) in [(300, 500), (100, 400), (300, 300)] {
        lots.push(lists(&anna, "One of three", "tests", price, lasts_s).await?.id);
    }
    lots.sort_unstable();
    for sort in ["-created_at", "ends_at", "price", "-price"] {
        let query = format!("seller={}&sort={sort}", anna.sub);
        let (whole, _) = finds(&bert, &query).await?;
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        for _ in &lots {
            let (page, next) = finds(&bert, &format!("{query}&limit=1{cursor}")).await?;
            ensure!(page.len() == 1, "{query}: a page of {}", page.len());
            pages.extend(page);
            let Some(next) = next else { break };
            cursor = format!("&cursor={next}");
        }
        ensure!(pages == whole, "{query}: page by page {pages:?}, at once {whole:?}");
        pages.sort_unstable();
        ensure!(pages == lots, "{query}: {pages:?}, and not {lots:?}");
    }
    let (first, cursor) = finds(&bert, &format!("seller={}&sort=price&limit=1", anna.sub)).await?;
    let elsewhere = format!("/v1/listings?seller={}&sort=ends_at&cursor={}", anna.sub, cursor.unwrap_or_default());
    let answer = bert.get(Service::Listing, &elsewhere).await?;
    ensure!(first.len() == 1 && answer.status == 422, "a cursor of another order was answered {}", answer.status);
    let errors: &Value = &answer.body["errors"];
    ensure!(errors[0]["pointer"] == "?cursor", "{errors}");
    Ok(())
}
