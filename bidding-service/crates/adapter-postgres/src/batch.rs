//! The two statements of a batch of bids: everything is read by one, and written by one.

use std::{collections::BTreeSet, sync::Arc};

use bidding_domain::{auction::Auction, ids::AuctionId};
use bidding_ports::{
    error::StoreError,
    idempotency::Claim,
    store::{Caused, Changes, Floor, Known, Request, Wait},
};
use chrono::{DateTime, TimeDelta, Utc};
use opentelemetry::trace::TraceContextExt;
use sqlx::types::Uuid;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    error::{corrupt, store_error},
    house::Halts,
    row::{auction_of, number},
    session::Work,
};

/// Locks the auctions in the order of their ids, and reads them with what is known of the requests.
///
/// The clock is read with each locked row, so the last reading comes after the last lock: that one counts.
/// Should another instance answer one of the keys while this waits for a lock, the answer is not seen here,
/// and writing a second one conflicts.
pub(crate) async fn enter(
    tx: &mut Work,
    halts: &Halts,
    requests: &[Request],
    wait: Wait,
) -> Result<(Floor, i64), StoreError> {
    let mut ids: Vec<Uuid> =
        requests.iter().map(|request| request.auction.0).collect::<BTreeSet<_>>().into_iter().collect();
    let held = match wait {
        Wait::ForAll => Vec::new(),
        Wait::ForNone => {
            let (free, held) = without_waiting(tx, &ids).await?;
            ids = free;
            held
        }
    };
    let principals: Vec<&str> = requests.iter().map(|request| request.key.principal.0.as_str()).collect();
    let keys: Vec<&str> = requests.iter().map(|request| request.key.key.as_str()).collect();
    let rows = sqlx::query!(
        r#"WITH locked AS MATERIALIZED (
               SELECT id, terms, snapshot FROM auction WHERE id = ANY($1) ORDER BY id FOR UPDATE)
           SELECT id, terms::text, snapshot::text, clock_timestamp() AS "now!", NULL::bigint AS place,
                  NULL::bytea AS fingerprint, NULL::text AS answer, NULL::boolean AS suspended, NULL::bigint AS halts,
                  NULL::timestamptz AS beat_at
           FROM locked
           UNION ALL
           SELECT NULL, NULL, NULL, clock_timestamp(), asked.place, kept.fingerprint, kept.answer::text,
                  suspended.bidder IS NOT NULL, NULL, NULL
           FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS asked (principal, key, place)
           LEFT JOIN idempotency AS kept ON kept.principal = asked.principal AND kept.key = asked.key
           LEFT JOIN suspended_bidder AS suspended ON suspended.bidder = asked.principal
           WHERE kept.key IS NOT NULL OR suspended.bidder IS NOT NULL
           UNION ALL
           SELECT NULL, NULL, NULL, clock_timestamp(), NULL, NULL, NULL, NULL, halts, beat_at FROM house"#,
        &ids,
        &principals as &[&str],
        &keys as &[&str]
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(store_error)?;

    let now = rows.iter().map(|row| row.now).max().ok_or_else(|| corrupt("the house has no row"))?;
    let mut floor = Floor {
        auctions: std::collections::BTreeMap::new(),
        known: requests.iter().map(|_| Known { claim: Claim::New, suspended: false }).collect(),
        halts: Arc::new([]),
        now,
        silence: TimeDelta::zero(),
    };
    floor.auctions.extend(held.into_iter().map(|id| (AuctionId(id), Err(StoreError::Locked))));
    let mut revision = 0;
    for row in rows {
        if let (Some(id), Some(terms), Some(snapshot)) = (row.id, row.terms, row.snapshot) {
            floor.auctions.insert(AuctionId(id), auction_of(id, &terms, &snapshot));
        } else if let Some(known) = row.place.and_then(|place| place_in(&mut floor.known, place)) {
            let request = row.place.and_then(|place| requests.get(usize::try_from(place - 1).ok()?));
            known.suspended = row.suspended.unwrap_or_default();
            if let (Some(request), Some(fingerprint), Some(answer)) = (request, row.fingerprint, row.answer) {
                known.claim =
                    if fingerprint == request.key.fingerprint { Claim::Replay(answer) } else { Claim::Mismatch };
            }
        } else if let (Some(halts), Some(beat_at)) = (row.halts, row.beat_at) {
            (revision, floor.silence) = (halts, now - beat_at);
        }
    }
    floor.halts = halts.as_of(revision, &mut *tx).await?;
    Ok((floor, revision))
}

/// Of `ids`, the auctions that are now locked, and those that another unit of work has.
async fn without_waiting(tx: &mut Work, ids: &[Uuid]) -> Result<(Vec<Uuid>, Vec<Uuid>), StoreError> {
    let free = sqlx::query_scalar!("SELECT id FROM auction WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED", ids);
    let free = free.fetch_all(&mut *tx).await.map_err(store_error)?;
    let others: Vec<Uuid> = ids.iter().filter(|id| !free.contains(id)).copied().collect();
    let held = sqlx::query_scalar!("SELECT id FROM auction WHERE id = ANY($1)", &others);
    Ok((free, held.fetch_all(&mut *tx).await.map_err(store_error)?))
}

/// `place` counts from 1.
fn place_in(known: &mut [Known], place: i64) -> Option<&mut Known> {
    known.get_mut(usize::try_from(place - 1).ok()?)
}

/// Writes everything that a unit of work changes.
///
/// `revision` is the house's when the auctions were read: a halt that began or ended meanwhile has not been
/// followed by what is to be written.
pub(crate) async fn save(tx: &mut Work, changes: &Changes, revision: Option<i64>) -> Result<(), StoreError> {
    let auctions = AuctionColumns::of(&changes.auctions)?;
    let log = LogColumns::of(&changes.entries)?;
    let outbox = OutboxColumns::of(&changes.entries)?;
    let answers = AnswerColumns::of(changes);
    let saved = sqlx::query!(
        r#"WITH decided AS (
               INSERT INTO decision (auction_id, sequence, number, at, bid_id, record, link)
               SELECT auction_id, sequence, number, at, bid_id, record::json, link
               FROM unnest($4::uuid[], $5::bigint[], $6::bigint[], $7::timestamptz[], $8::uuid[], $9::text[], $10::bytea[])
                   AS new (auction_id, sequence, number, at, bid_id, record, link)),
           told AS (
               INSERT INTO outbox (auction_id, sequence, number, traceparent)
               SELECT * FROM unnest($11::uuid[], $12::bigint[], $13::bigint[], $14::text[])),
           answered AS (
               INSERT INTO idempotency (principal, key, fingerprint, answer)
               SELECT principal, key, fingerprint, answer::json
               FROM unnest($15::text[], $16::text[], $17::bytea[], $18::text[]) AS new (principal, key, fingerprint, answer)),
           saved AS (
               UPDATE auction SET snapshot = new.snapshot::json, due_at = new.due_at
               FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS new (id, snapshot, due_at)
               WHERE auction.id = new.id
               RETURNING 1)
           SELECT (SELECT count(*) FROM saved) AS "saved!", halts FROM house"#,
        &auctions.ids,
        &auctions.snapshots,
        &auctions.due_at as &[Option<DateTime<Utc>>],
        &log.auction_ids,
        &log.sequences,
        &log.numbers,
        &log.at,
        &log.bid_ids as &[Option<Uuid>],
        &log.records as &[&str],
        &log.links,
        &outbox.auction_ids,
        &outbox.sequences,
        &outbox.numbers,
        &outbox.traceparents as &[Option<String>],
        &answers.principals as &[&str],
        &answers.keys as &[&str],
        &answers.fingerprints,
        &answers.answers as &[&str]
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(store_error)?;
    if revision.is_some_and(|revision| revision != saved.halts) {
        Err(StoreError::Conflict)
    } else if usize::try_from(saved.saved) == Ok(changes.auctions.len()) {
        Ok(())
    } else {
        Err(corrupt(format!("{} auctions were to be saved and {} are there", changes.auctions.len(), saved.saved)))
    }
}

#[derive(Default)]
struct AuctionColumns {
    ids: Vec<Uuid>,
    snapshots: Vec<String>,
    due_at: Vec<Option<DateTime<Utc>>>,
}

impl AuctionColumns {
    fn of(auctions: &[Auction]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for auction in auctions {
            columns.ids.push(auction.id().0);
            columns.snapshots.push(serde_json::to_string(&auction.snapshot()).map_err(corrupt)?);
            columns.due_at.push(auction.due_at());
        }
        Ok(columns)
    }
}

#[derive(Default)]
struct LogColumns<'a> {
    auction_ids: Vec<Uuid>,
    sequences: Vec<i64>,
    numbers: Vec<i64>,
    at: Vec<DateTime<Utc>>,
    bid_ids: Vec<Option<Uuid>>,
    records: Vec<&'a str>,
    links: Vec<Vec<u8>>,
}

impl<'a> LogColumns<'a> {
    fn of(entries: &'a [Caused]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for Caused { entry, .. } in entries {
            columns.auction_ids.push(entry.auction_id.0);
            columns.sequences.push(number(entry.sequence)?);
            columns.numbers.push(number(entry.number)?);
            columns.at.push(entry.at);
            columns.bid_ids.push(entry.bid().map(|bid| bid.id.0));
            columns.records.push(&entry.text);
            columns.links.push(entry.link.0.to_vec());
        }
        Ok(columns)
    }
}

#[derive(Default)]
struct OutboxColumns {
    auction_ids: Vec<Uuid>,
    sequences: Vec<i64>,
    numbers: Vec<i64>,
    traceparents: Vec<Option<String>>,
}

impl OutboxColumns {
    fn of(entries: &[Caused]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for Caused { entry, span } in entries.iter().filter(|caused| !caused.entry.record.told.is_empty()) {
            columns.auction_ids.push(entry.auction_id.0);
            columns.sequences.push(number(entry.sequence)?);
            columns.numbers.push(number(entry.number)?);
            columns.traceparents.push(traceparent(span));
        }
        Ok(columns)
    }
}

#[derive(Default)]
struct AnswerColumns<'a> {
    principals: Vec<&'a str>,
    keys: Vec<&'a str>,
    fingerprints: Vec<Vec<u8>>,
    answers: Vec<&'a str>,
}

impl<'a> AnswerColumns<'a> {
    fn of(changes: &'a Changes) -> Self {
        let mut columns = Self::default();
        for (key, answer) in &changes.answers {
            columns.principals.push(&key.principal.0);
            columns.keys.push(&key.key);
            columns.fingerprints.push(key.fingerprint.to_vec());
            columns.answers.push(answer);
        }
        columns
    }
}

/// W3C trace context (`traceparent`, version 00) of the span that causes an event.
fn traceparent(span: &tracing::Span) -> Option<String> {
    let context = span.context();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}
