//! The ledger, written: each transaction once by its reference, all of a unit of work's in one statement. That it
//! balances and never changes is also the schema's to see to.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use settlement_domain::ledger::{Reversal, Side, Transaction as Entry};
use settlement_domain::{PayoutId, SettlementId};
use settlement_ports::StoreError;
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    session::{Sessions, Work},
};

/// More than the database is given for closing the books.
const CLOSES_WITHIN: Duration = Duration::from_secs(330);

/// Rows by column, as the statement takes them.
#[derive(Default)]
struct Entries {
    references: Vec<String>,
    settlements: Vec<Option<Uuid>>,
    payouts: Vec<Option<Uuid>>,
    kinds: Vec<&'static str>,
    reverses: Vec<Option<String>>,
    reasons: Vec<Option<String>>,
    at: Vec<DateTime<Utc>>,
    lines: Vec<i16>,
}

/// As [`Entries`].
#[derive(Default)]
struct Postings {
    references: Vec<String>,
    lines: Vec<i16>,
    accounts: Vec<&'static str>,
    owners: Vec<Option<String>>,
    currencies: Vec<&'static str>,
    debits: Vec<i64>,
    credits: Vec<i64>,
}

impl Entries {
    fn add(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let (reverses, reason) = entry.reversal().cloned().map(|Reversal { of, reason }| (of, reason)).unzip();
        self.references.push(entry.reference());
        self.settlements.push(entry.subject().settlement_id().map(SettlementId::as_uuid));
        self.payouts.push(entry.subject().payout_id().map(PayoutId::as_uuid));
        self.kinds.push(entry.kind().name());
        self.reverses.push(reverses);
        self.reasons.push(reason);
        self.at.push(entry.at());
        self.lines.push(i16::try_from(entry.postings().len()).map_err(corrupt)?);
        Ok(())
    }
}

impl Postings {
    fn add(&mut self, entry: &Entry) {
        for (line, posting) in (1_i16..).zip(entry.postings()) {
            let amount = posting.amount.amount();
            let (debit, credit) = match posting.side {
                Side::Debit => (amount, 0),
                Side::Credit => (0, amount),
            };
            self.references.push(entry.reference());
            self.lines.push(line);
            self.accounts.push(posting.account.kind().name());
            self.owners.push(posting.account.owner().map(|owner| owner.as_str().to_owned()));
            self.currencies.push(posting.amount.currency().code());
            self.debits.push(debit);
            self.credits.push(credit);
        }
    }
}

/// Posts entries; the references of those that were not posted before.
pub(crate) async fn post(tx: &mut Work, entries: &[Entry]) -> Result<HashSet<String>, StoreError> {
    let (mut rows, mut postings) = (Entries::default(), Postings::default());
    let mut named = HashSet::new();
    for entry in entries.iter().filter(|entry| named.insert(entry.reference())) {
        rows.add(entry)?;
        postings.add(entry);
    }
    let posted = sqlx::query_scalar!(
        r#"WITH posted AS (
               INSERT INTO ledger_transaction (reference, settlement_id, payout_id, kind, reverses, reason, at, lines)
               SELECT * FROM unnest($1::text[], $2::uuid[], $15::uuid[], $3::text[], $4::text[], $5::text[],
                                    $6::timestamptz[], $7::smallint[])
               ON CONFLICT (reference) DO NOTHING
               RETURNING reference, at),
           lines AS (
               INSERT INTO ledger_posting (reference, line, account, owner, currency, debit, credit, at)
               SELECT line.*, posted.at
               FROM unnest($8::text[], $9::smallint[], $10::text[], $11::text[], $12::text[], $13::bigint[],
                           $14::bigint[]) AS line (reference, line, account, owner, currency, debit, credit)
               JOIN posted ON posted.reference = line.reference)
           SELECT reference AS "reference!" FROM posted"#,
        &rows.references,
        &rows.settlements as &[Option<Uuid>],
        &rows.kinds as &[&str],
        &rows.reverses as &[Option<String>],
        &rows.reasons as &[Option<String>],
        &rows.at,
        &rows.lines,
        &postings.references,
        &postings.lines,
        &postings.accounts as &[&str],
        &postings.owners as &[Option<String>],
        &postings.currencies as &[&str],
        &postings.debits,
        &postings.credits,
        &rows.payouts as &[Option<Uuid>]
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(store_error)?;
    Ok(posted.into_iter().collect())
}

/// Closes the books up to the last full hour but one: sums what was posted until then, so that a trial balance has to
/// read no further back, and lets nothing be posted there any more. False if there was nothing to close.
///
/// # Errors
/// When the database cannot do it; it may be tried again at any time.
pub async fn close(pool: &Sessions) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await.map_err(store_error)?;
    sqlx::query!("SET LOCAL statement_timeout = '5min'").execute(&mut tx).await.map_err(store_error)?;
    let closed = sqlx::query!(
        "WITH span AS MATERIALIZED (
             SELECT coalesce((SELECT max(until) FROM ledger_closing), '-infinity') AS since,
                    date_trunc('hour', statement_timestamp()) - interval '1 hour' AS until),
         news AS MATERIALIZED (
             SELECT account, currency, sum(debit) AS debit, sum(credit) AS credit FROM ledger_posting
             WHERE at >= (SELECT since FROM span) AND at < (SELECT until FROM span)
             GROUP BY account, currency)
         INSERT INTO ledger_closing (until, account, currency, debit, credit)
         SELECT span.until, sums.account, sums.currency, sum(sums.debit), sum(sums.credit)
         FROM span, (SELECT account, currency, debit, credit FROM ledger_closing WHERE until = (SELECT since FROM span)
                     UNION ALL SELECT account, currency, debit, credit FROM news) AS sums
         WHERE EXISTS (SELECT FROM news)
         GROUP BY span.until, sums.account, sums.currency
         ON CONFLICT DO NOTHING"
    );
    // The first time there may be much to sum. Only this is waited for so long.
    let usual = tx.answering_within(CLOSES_WITHIN);
    let rows = closed.execute(&mut tx).await.map_err(store_error)?.rows_affected();
    tx.answering_within(usual);
    tx.commit().await.map_err(store_error)?;
    Ok(rows > 0)
}
