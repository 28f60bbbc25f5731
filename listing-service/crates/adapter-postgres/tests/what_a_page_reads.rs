//! What a page reads of all the lots that there are, on a real PostgreSQL. Needs `OUTCRY_TEST_DATABASE_URL`: a server on
//! which it may create databases; `make test` starts one.

mod lots;
mod support;

use std::collections::BTreeSet;

use anyhow::Result;
use listing_adapter_postgres::{session::Sessions, store::PgListings};
use listing_domain::ids::UserId;
use listing_ports::store::{Browse, ListingStore, Sort};
use lots::{draft, publish};

/// Items of a page.
const PAGE: u32 = 20;
const ORDERS: [Sort; 4] = [Sort::Newest, Sort::EndsSoonest, Sort::PriceAscending, Sort::PriceDescending];

/// A migrated database of its own, and its store with one session: what is counted is that session's own.
async fn one_session() -> Result<(Sessions, PgListings)> {
    lots::open(&support::migrated().await?, 1)
}

/// How many rows of `listing` were read so far, as this session knows it.
async fn rows_read(session: &Sessions) -> Result<i64> {
    sqlx::raw_sql("SELECT pg_stat_force_next_flush()").execute(session).await?;
    let read =
        sqlx::query_scalar("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'listing'");
    Ok(read.fetch_one(session).await?)
}

/// The columns of `listing` that a copy of a row takes over: all but those named, and what follows from others.
async fn copied(pool: &Sessions, but: &str) -> Result<String> {
    let columns = format!(
        "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
         WHERE table_name = 'listing' AND is_generated = 'NEVER' AND column_name NOT IN ({but})"
    );
    Ok(sqlx::query_scalar(&columns).fetch_one(pool).await?)
}

/// What `bert` asks for, who sells nothing.
fn browse(sort: Sort) -> Browse {
    Browse {
        viewer: UserId("bert".into()),
        text: None,
        category: None,
        status: None,
        seller: None,
        sort,
        after: None,
        limit: PAGE,
    }
}

#[tokio::test]
async fn what_ends_next_is_found_without_reading_what_has_ended() -> Result<()> {
    // So many live ones that it is dear to sort them all, and so few that their own order is dear to find among all that
    // ended.
    const ENDED: i64 = 5_000;
    const LIVE: i64 = 200;
    let (pool, store) = one_session().await?;
    let next = publish(&store, &draft(&store).await?).await?.id;
    let columns = copied(&pool, "'id', 'status', 'closes_at'").await?;
    sqlx::raw_sql(&format!(
        "UPDATE listing SET status = 'live';
         INSERT INTO listing (id, status, closes_at, {columns})
             SELECT gen_random_uuid(), CASE WHEN number < 0 THEN 'sold' ELSE 'live' END,
                    closes_at + number * interval '1 minute', {columns}
             FROM listing, generate_series(-{ENDED}, {LIVE}) AS number WHERE number <> 0;
         ANALYZE listing"
    ))
    .execute(&pool)
    .await?;
    let before = rows_read(&pool).await?;
    let page = store.browse(&Browse { status: Some("live".into()), ..browse(Sort::EndsSoonest) }).await?;
    let read = rows_read(&pool).await? - before;
    assert_eq!(page.listings.first().map(|listing| listing.id), Some(next));
    assert_eq!(page.listings.len(), PAGE as usize);
    assert!(page.listings.iter().all(|listing| listing.status() == "live"));
    assert!(read <= 2 * i64::from(PAGE), "{read} rows were read for a page of {PAGE}");
    Ok(())
}

#[tokio::test]
async fn a_page_does_not_cost_the_drafts_of_others_in_any_order() -> Result<()> {
    const DRAFTS: i64 = 10_000;
    const PUBLIC: i64 = 60;
    let (pool, store) = one_session().await?;
    publish(&store, &draft(&store).await?).await?;
    let public = copied(&pool, "'id', 'status', 'created_at', 'closes_at'").await?;
    let drafts = copied(&pool, "'id', 'seller', 'status', 'sequence', 'created_at', 'ends_at', 'closes_at'").await?;
    // They were drafted later and would end sooner: in an order of times they come before what is for sale.
    sqlx::raw_sql(&format!(
        "CREATE TEMPORARY TABLE lot AS SELECT * FROM listing;
         INSERT INTO listing (id, status, created_at, closes_at, {public})
             SELECT gen_random_uuid(), CASE WHEN number % 2 = 0 THEN 'live' ELSE 'cancelled' END,
                    created_at + number * interval '1 second',
                    CASE WHEN number % 2 = 0 THEN closes_at + number * interval '1 second' END, {public}
             FROM lot, generate_series(1, {PUBLIC}) AS number;
         INSERT INTO listing (id, seller, status, sequence, created_at, ends_at, {drafts})
             SELECT gen_random_uuid(), 'carl', CASE WHEN number % 2 = 0 THEN 'draft' ELSE 'cancelled' END, 0,
                    created_at + number * interval '1 hour', ends_at - number * interval '1 minute', {drafts}
             FROM lot, generate_series(1, {DRAFTS}) AS number;
         ANALYZE listing, listing_by_price"
    ))
    .execute(&pool)
    .await?;
    for sort in ORDERS {
        for (query, found) in [
            (browse(sort), PAGE),
            (Browse { category: Some("watches".into()), ..browse(sort) }, PAGE),
            (Browse { seller: Some(UserId("anna".into())), ..browse(sort) }, PAGE),
            (Browse { status: Some("live".into()), ..browse(sort) }, PAGE),
            (Browse { status: Some("cancelled".into()), ..browse(sort) }, PAGE),
            (Browse { seller: Some(UserId("carl".into())), ..browse(sort) }, 0),
            (Browse { status: Some("draft".into()), ..browse(sort) }, 0),
        ] {
            let before = rows_read(&pool).await?;
            let page = store.browse(&query).await?;
            let next = store.browse(&Browse { after: page.next, ..query.clone() }).await?;
            let read = rows_read(&pool).await? - before;
            assert_eq!(page.listings.len(), found as usize, "{query:?}");
            let listings: Vec<_> = page.listings.iter().chain(&next.listings).collect();
            assert!(listings.iter().all(|listing| listing.is_public()), "{query:?}");
            let ids: BTreeSet<_> = listings.iter().map(|listing| listing.id).collect();
            assert_eq!(ids.len(), listings.len(), "a listing is there twice: {query:?}");
            assert!(read <= 4 * PUBLIC, "{read} rows were read for two pages of {query:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn words_that_exclude_each_other_are_not_looked_for_in_everything() -> Result<()> {
    const LOTS: i64 = 5_000;
    let (pool, store) = one_session().await?;
    publish(&store, &draft(&store).await?).await?;
    let columns = copied(&pool, "'id', 'title'").await?;
    sqlx::raw_sql(&format!(
        "INSERT INTO listing (id, title, {columns})
             SELECT gen_random_uuid(), CASE WHEN number % 2 = 0 THEN 'A gold clock' ELSE 'A gold lamp' END, {columns}
             FROM listing, generate_series(1, {LOTS}) AS number"
    ))
    .execute(&pool)
    .await?;
    sqlx::raw_sql("VACUUM ANALYZE listing, listing_by_price").execute(&pool).await?;
    for sort in ORDERS {
        let words = |text: &str| Browse { text: Some(text.into()), ..browse(sort) };
        for nothing in ["clock -clock", "clock lamp", "the -clock"] {
            let before = rows_read(&pool).await?;
            let page = store.browse(&words(nothing)).await?;
            let read = rows_read(&pool).await? - before;
            assert!(page.listings.is_empty(), "{nothing}");
            assert!(read <= i64::from(PAGE), "{read} rows were read for {nothing} in the order {sort:?}");
        }
        let page = store.browse(&words("gold -lamp")).await?;
        let next = store.browse(&Browse { after: page.next, ..words("gold -lamp") }).await?;
        let found: BTreeSet<_> = page.listings.iter().chain(&next.listings).map(|listing| listing.id).collect();
        assert_eq!(found.len(), 2 * PAGE as usize, "two pages in the order {sort:?}");
    }
    Ok(())
}
