//! Standings of many listings at once: what a run of events reads and writes. Only columns that follow
//! bidding and settlement are touched, so that no text is searched anew for a bid.

use listing_domain::{
    ids::ListingId,
    standing::{Standing, State},
};
use listing_ports::{error::StoreError, store::LockedStanding};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    row::{Stored, cancelled_by, count, number, sale_status},
    session::Work,
};

pub(crate) async fn lock(tx: &mut Work, ids: &[ListingId]) -> Result<Vec<LockedStanding>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // Locked in the order of ids, so that two runs never wait for each other; the clock is read after the wait.
    let rows = sqlx::query!(
        r#"WITH locked AS MATERIALIZED (
               SELECT id, version, status, format ->> 'kind' AS kind, published_at, opens_at, closes_at, price, bid_count,
                      cancellation_requested_at, paused_at, cancelled_by, cancellation_reason, sale_status, sale_status_at,
                      second_chance_until, created_at, updated_at
               FROM listing WHERE id = ANY($1) ORDER BY id FOR UPDATE)
           SELECT locked.*, clock_timestamp() AS "now!" FROM locked"#,
        &ids
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            let sealed = matches!(row.kind.as_deref(), Some("sealed_first_price" | "vickrey"));
            let stored = Stored {
                id: row.id,
                status: row.status,
                published_at: row.published_at,
                opens_at: row.opens_at,
                closes_at: row.closes_at,
                price: row.price,
                bid_count: row.bid_count,
                cancellation_requested_at: row.cancellation_requested_at,
                paused_at: row.paused_at,
                cancelled_by: row.cancelled_by,
                cancellation_reason: row.cancellation_reason,
            };
            let standing = Standing {
                id: ListingId(row.id),
                version: count(row.version)?,
                sealed,
                state: stored.state()?,
                sale_status: sale_status(row.sale_status, row.sale_status_at, row.second_chance_until, row.created_at),
                updated_at: row.updated_at,
            };
            Ok(LockedStanding { standing, now: row.now })
        })
        .collect()
}

pub(crate) async fn save(tx: &mut Work, standings: &[Standing]) -> Result<(), StoreError> {
    if standings.is_empty() {
        return Ok(());
    }
    let sale = |standing: &Standing| standing.state.on_sale().cloned();
    let told = |standing: &Standing| standing.sale_status.clone();
    let reason = |state: &State| state.cancellation().and_then(|cancellation| cancellation.reason.clone());
    let versions = standings.iter().map(|standing| number(standing.version)).collect::<Result<Vec<_>, _>>()?;
    let counts = standings.iter().map(|standing| number(sale(standing).map_or(0, |sale| sale.bid_count)));
    let saved = sqlx::query_scalar!(
        r#"WITH next AS (
               SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[],
                                    $7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[], $11::text[],
                                    $12::timestamptz[], $13::timestamptz[], $14::timestamptz[])
                   AS n (id, version, status, closes_at, price, bid_count, cancellation_requested_at, paused_at,
                         cancelled_by, cancellation_reason, sale_status, updated_at, sale_status_at,
                         second_chance_until)),
           saved AS (
               UPDATE listing SET version = next.version, status = next.status, closes_at = next.closes_at,
                   price = next.price, bid_count = next.bid_count,
                   cancellation_requested_at = next.cancellation_requested_at, paused_at = next.paused_at,
                   cancelled_by = next.cancelled_by, cancellation_reason = next.cancellation_reason,
                   sale_status = next.sale_status, updated_at = next.updated_at,
                   sale_status_at = next.sale_status_at, second_chance_until = next.second_chance_until
               FROM next WHERE listing.id = next.id
               RETURNING listing.id, coalesce(listing.price, (listing.format ->> 'start_price')::bigint) AS sort_price),
           priced AS (
               UPDATE listing_by_price AS by_price SET sort_price = saved.sort_price
               FROM saved WHERE by_price.listing_id = saved.id AND by_price.sort_price <> saved.sort_price)
           SELECT count(*) AS "saved!" FROM saved"#,
        &column(standings, |standing| standing.id.0),
        &versions,
        &column(standings, |standing| standing.state.name().to_owned()),
        &column(standings, |standing| sale(standing).map(|sale| sale.ends_at)) as &[Option<_>],
        &column(standings, |standing| sale(standing).and_then(|sale| sale.price)) as &[Option<_>],
        &counts.collect::<Result<Vec<_>, _>>()?,
        &column(standings, |standing| sale(standing).and_then(|sale| sale.cancellation_requested_at)) as &[Option<_>],
        &column(standings, |standing| sale(standing).and_then(|sale| sale.paused_at)) as &[Option<_>],
        &column(standings, |standing| cancelled_by(&standing.state)) as &[Option<_>],
        &column(standings, |standing| reason(&standing.state)) as &[Option<_>],
        &column(standings, |standing| told(standing).map(|told| told.name)) as &[Option<_>],
        &column(standings, |standing| standing.updated_at),
        &column(standings, |standing| told(standing).map(|told| told.at)) as &[Option<_>],
        &column(standings, |standing| told(standing).and_then(|told| told.offered_until)) as &[Option<_>]
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(store_error)?;
    if usize::try_from(saved).is_ok_and(|saved| saved == standings.len()) {
        Ok(())
    } else {
        Err(corrupt(format!("{} listings were saved and {saved} are there", standings.len())))
    }
}

fn column<T>(standings: &[Standing], of: impl Fn(&Standing) -> T) -> Vec<T> {
    standings.iter().map(of).collect()
}
