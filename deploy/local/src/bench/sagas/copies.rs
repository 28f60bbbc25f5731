//! Settlements that are there in numbers. Two sales go all the way that any sale goes, one of them until the lot is shipped,
//! the other one to its end. Their rows are then copied under new ids, with all that belongs to them: calls, ledger entries,
//! payouts, the inbox. The ledger's own guards look at every copy. It is the only thing of the bench that goes round the API.

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::console::Console;

/// Copies of one transaction.
const BATCH: usize = 5_000;
/// Copies that nobody asks for have so many sellers.
const OTHER_SELLERS: usize = 10_000;

/// One copy: of which the ids and the people are new.
struct Copies {
    settlements: Vec<Uuid>,
    payouts: Vec<Uuid>,
    auctions: Vec<Uuid>,
    sellers: Vec<String>,
    buyers: Vec<String>,
}

/// Whose copies they are.
pub struct People {
    sellers: Vec<String>,
    buyer: String,
}

impl People {
    /// These sellers in turn, and a buyer each.
    pub fn of_run(run: &str, sellers: Vec<String>) -> Self {
        Self { sellers, buyer: format!("bench-{run}-copied-buyer") }
    }

    /// Others, who have nothing to do with the run.
    pub fn others() -> Self {
        let sellers = (0..OTHER_SELLERS).map(|number| format!("bench-other-seller-{number}"));
        Self { sellers: sellers.collect(), buyer: "bench-other-buyer".to_owned() }
    }
}

impl Copies {
    fn new(people: &People, first: usize, auctions: &[Uuid]) -> Self {
        let new = || std::iter::repeat_with(Uuid::now_v7).take(auctions.len()).collect();
        let numbers = first..first + auctions.len();
        Self {
            settlements: new(),
            payouts: new(),
            auctions: auctions.to_vec(),
            sellers: numbers.clone().map(|number| people.sellers[number % people.sellers.len()].clone()).collect(),
            buyers: numbers.map(|number| format!("{}-{number}", people.buyer)).collect(),
        }
    }
}

/// Copies the settlement `model`, which is shipped or completed, for each of `auctions`.
pub async fn copy(
    connection: &mut PgConnection,
    model: Uuid,
    people: &People,
    auctions: &[Uuid],
    (console, what): (&Console, &str),
) -> Result<()> {
    let bar = console.steps(what, auctions.len());
    for (number, batch) in auctions.chunks(BATCH).enumerate() {
        let mut transaction = connection.begin().await?;
        add(&mut transaction, model, &Copies::new(people, number * BATCH, batch)).await?;
        transaction.commit().await?;
        bar.inc(batch.len() as u64);
    }
    tidy(connection).await?;
    bar.finish_and_clear();
    Ok(())
}

/// As [`copy`], for a shipped model, in one transaction that is left open: with its commit the time that all of them wait
/// for has come. The ids of the copies.
pub async fn make_due(
    transaction: &mut PgConnection,
    model: Uuid,
    people: &People,
    auctions: &[Uuid],
) -> Result<Vec<Uuid>> {
    let copies = Copies::new(people, 0, auctions);
    add(transaction, model, &copies).await?;
    let due = sqlx::query(
        "UPDATE settlement SET due_at = statement_timestamp(),
             state = jsonb_set(state, '{delivery,inspection_ends_at}', to_jsonb(statement_timestamp()))
         WHERE id = ANY($1) AND status = 'shipped'",
    );
    let due = due.bind(&copies.settlements).execute(transaction).await?.rows_affected();
    ensure!(due == auctions.len() as u64, "{due} of {} copies wait for the inspection's end", auctions.len());
    Ok(copies.settlements)
}

/// So that the tables are known as they are, and no cleaning falls into a measurement.
async fn tidy(connection: &mut PgConnection) -> Result<()> {
    for table in ["settlement", "gateway_call", "payout", "ledger_transaction", "ledger_posting", "inbox"] {
        sqlx::raw_sql(&format!("VACUUM (ANALYZE) {table}")).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn add(transaction: &mut PgConnection, model: Uuid, copies: &Copies) -> Result<()> {
    sqlx::raw_sql(
        "CREATE TEMP TABLE IF NOT EXISTS bench_copy
             (id uuid, payout_id uuid, auction_id uuid, seller_id text, buyer_id text) ON COMMIT DELETE ROWS",
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "INSERT INTO bench_copy SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])",
    )
    .bind(&copies.settlements)
    .bind(&copies.payouts)
    .bind(&copies.auctions)
    .bind(&copies.sellers)
    .bind(&copies.buyers)
    .execute(&mut *transaction)
    .await?;
    for (table, statement) in TABLES {
        let added = sqlx::query(statement).bind(model).execute(&mut *transaction).await;
        added.with_context(|| format!("cannot copy the rows of `{table}`"))?;
    }
    Ok(())
}

/// Each copies what belongs to the model, `$1`. Ids in JSON and in keys are replaced as text.
const TABLES: [(&str, &str); 7] = [
    (
        "inbox",
        "INSERT INTO inbox (source, key, last_sequence, last_event_id)
         SELECT model.source, copy.auction_id::text, model.last_sequence, gen_random_uuid()
         FROM bench_copy AS copy, inbox AS model
         WHERE model.key = (SELECT auction_id::text FROM settlement WHERE id = $1)
         ON CONFLICT DO NOTHING",
    ),
    (
        "settlement",
        "INSERT INTO settlement (id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at,
             payment_due_at, sequence, attempts, state, rest, due_at, traceparent)
         SELECT copy.id, copy.auction_id, copy.seller_id, copy.buyer_id, model.amount, model.currency, model.quote,
                model.terms, model.started_at, model.payment_due_at, model.sequence, model.attempts,
                replace(replace(model.state::text, model.id::text, copy.id::text),
                        coalesce(model.state ->> 'payout_id', ''), copy.payout_id::text)::jsonb,
                model.rest, model.due_at, model.traceparent
         FROM bench_copy AS copy, settlement AS model WHERE model.id = $1",
    ),
    (
        "payout",
        "INSERT INTO payout (id, seller_id, amount, currency, items, attempts, made_at, state)
         SELECT copy.payout_id, copy.seller_id, model.amount, model.currency,
                replace(model.items::text, $1::uuid::text, copy.id::text)::jsonb, model.attempts, model.made_at,
                replace(model.state::text, model.id::text, copy.payout_id::text)::jsonb
         FROM bench_copy AS copy, payout AS model
         WHERE model.id = (SELECT (state ->> 'payout_id')::uuid FROM settlement WHERE id = $1)",
    ),
    (
        "gateway_call",
        "INSERT INTO gateway_call (key, settlement_id, call, due_at)
         SELECT replace(model.key, $1::uuid::text, copy.id::text), copy.id,
                replace(model.call::text, $1::uuid::text, copy.id::text)::jsonb, model.due_at
         FROM bench_copy AS copy, gateway_call AS model WHERE model.settlement_id = $1",
    ),
    (
        "gateway_call",
        "INSERT INTO gateway_call (key, payout_id, call, due_at)
         SELECT replace(model.key, model.payout_id::text, copy.payout_id::text), copy.payout_id,
                replace(model.call::text, model.payout_id::text, copy.payout_id::text)::jsonb, model.due_at
         FROM bench_copy AS copy, gateway_call AS model
         WHERE model.payout_id = (SELECT (state ->> 'payout_id')::uuid FROM settlement WHERE id = $1)",
    ),
    (
        "ledger_transaction",
        "INSERT INTO ledger_transaction (reference, settlement_id, payout_id, kind, at, lines)
         SELECT replace(replace(model.reference, coalesce(model.settlement_id::text, ''), copy.id::text),
                        coalesce(model.payout_id::text, ''), copy.payout_id::text),
                CASE WHEN model.settlement_id IS NOT NULL THEN copy.id END,
                CASE WHEN model.payout_id IS NOT NULL THEN copy.payout_id END, model.kind, now(), model.lines
         FROM bench_copy AS copy, ledger_transaction AS model
         WHERE model.reference = ANY(ARRAY[$1::uuid::text || ':captured', $1::uuid::text || ':released',
             (SELECT state ->> 'payout_id' FROM settlement WHERE id = $1) || ':paid_out'])",
    ),
    (
        "ledger_posting",
        "INSERT INTO ledger_posting (reference, line, account, owner, currency, debit, credit, at)
         SELECT replace(replace(line.reference, model.id::text, copy.id::text),
                        coalesce(model.state ->> 'payout_id', ''), copy.payout_id::text),
                line.line, line.account,
                CASE line.account WHEN 'bidder' THEN copy.buyer_id WHEN 'seller_payable' THEN copy.seller_id END,
                line.currency, line.debit, line.credit, now()
         FROM settlement AS model, bench_copy AS copy, ledger_posting AS line
         WHERE model.id = $1 AND line.reference = ANY(ARRAY[$1::uuid::text || ':captured', $1::uuid::text || ':released',
             (model.state ->> 'payout_id') || ':paid_out'])",
    ),
];
