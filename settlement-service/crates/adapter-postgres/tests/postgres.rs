//! The store on a real PostgreSQL. Needs `OUTCRY_TEST_DATABASE_URL`: a server on which it may
//! create databases; `make test` starts one.

mod support;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use event_contracts::settlement::{SettlementEvent as Contract, SettlementStatus};
use settlement_adapter_postgres::{
    database,
    outbox::PgOutbox,
    session::Sessions,
    store::{PgSettlements, Wakers},
};
use settlement_domain::{
    AuctionId, Grace, Money, Payout, PayoutId, Settlement, SettlementEvent, SettlementId, Standing, Status, UserId,
    ledger::{AccountKind, captured},
    saga::{self, Act, Dispatch},
    settlement::{Lot, Resolution, Sale},
    standing::Reinstatement,
};
use settlement_harness::{contract, fees, terms};
use settlement_ports::{
    LedgerReads, ListFilter, Outbox, Receipt, Retries, Seen, SettlementStore, SettlementTx, StoreError, Viewer,
};
use uuid::Uuid;

/// A migrated database of its own, and its store.
async fn database() -> Result<(Sessions, PgSettlements)> {
    open(&support::migrated().await?)
}

fn open(url: &str) -> Result<(Sessions, PgSettlements)> {
    let pool = database::connect(url, 5)?;
    Ok((pool.clone(), PgSettlements::new(pool, Wakers::default())))
}

fn sold(now: DateTime<Utc>) -> Result<(Settlement, SettlementEvent)> {
    let sale = Sale {
        auction_id: AuctionId::from(Uuid::now_v7()),
        seller_id: "anna".parse()?,
        buyer_id: "bert".parse()?,
        price: Money::new(12_050, "USD".parse()?)?,
        lot: Lot::Units,
        closed_at: now,
    };
    Ok(Settlement::start(SettlementId::from(Uuid::now_v7()), sale, terms(), &fees(), now)?)
}

/// A settlement that began, with its event.
async fn begun(store: &PgSettlements) -> Result<Settlement> {
    let mut tx = store.begin().await?;
    let (settlement, started) = sold(tx.now().await?)?;
    tx.insert(&settlement).await?;
    tx.record(&[started]).await?;
    tx.commit().await?;
    Ok(settlement)
}

/// The buyer of a settlement that began has paid: a call is planned.
async fn paid(store: &PgSettlements) -> Result<SettlementId> {
    let id = begun(store).await?.id();
    let mut tx = store.begin().await?;
    let locked = tx.lock(id).await?.context("it is there")?;
    let change = saga::begin(locked.aggregate, Act::Pay("pm_card_visa".parse()?), locked.now)?;
    tx.save(&[change.settlement]).await?;
    tx.save_calls(&change.calls).await?;
    tx.commit().await?;
    Ok(id)
}

/// The capture of a settlement that began is in the ledger.
async fn posted(store: &PgSettlements) -> Result<Settlement> {
    let settlement = begun(store).await?;
    let mut tx = store.begin().await?;
    let now = tx.now().await?;
    tx.post(&[captured(&settlement, now)?]).await?;
    tx.commit().await?;
    Ok(settlement)
}

/// The store, once it is known what became of units of work that were dropped: their rollback is on its way to the
/// server when `drop` returns, and a contract that looks at once would see their locks.
struct RolledBack {
    store: PgSettlements,
    pool: Sessions,
    wakers: Wakers,
}

#[async_trait]
impl SettlementStore for RolledBack {
    async fn begin(&self) -> Result<Box<dyn SettlementTx>, StoreError> {
        let done = async {
            // Each open unit of work holds a clone of the wakers, as do the store and this.
            let open = || Arc::strong_count(&self.wakers.recorded) - 2;
            while self.pool.in_use() > open() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), done).await.expect("a rollback takes its time");
        self.store.begin().await
    }
    async fn beat(&self) -> Result<Option<Grace>, StoreError> {
        self.store.beat().await
    }
    async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, StoreError> {
        self.store.settlement(id).await
    }
    async fn list(&self, viewer: &Viewer, filter: &ListFilter, limit: u32) -> Result<Vec<Settlement>, StoreError> {
        self.store.list(viewer, filter, limit).await
    }
    async fn payout(&self, id: PayoutId) -> Result<Option<Payout>, StoreError> {
        self.store.payout(id).await
    }

    async fn resolutions(&self, id: SettlementId) -> Result<Vec<Resolution>, StoreError> {
        self.store.resolutions(id).await
    }
    async fn standing(&self, user: &UserId) -> Result<Option<Standing>, StoreError> {
        self.store.standing(user).await
    }
}

#[tokio::test]
async fn the_store_keeps_the_promises_of_a_store() -> Result<()> {
    let (pool, _) = database().await?;
    let wakers = Wakers::default();
    let store = RolledBack { store: PgSettlements::new(pool.clone(), wakers.clone()), pool, wakers };
    contract::units::all(&store).await;
    contract::store::all(&store).await;
    contract::ledger::all(&store, &store.store).await;
    Ok(())
}

#[tokio::test]
async fn the_store_keeps_the_promises_of_an_outbox() -> Result<()> {
    let (pool, store) = database().await?;
    contract::outbox::all(&store, &PgOutbox::new(pool)).await;
    Ok(())
}

#[tokio::test]
async fn the_store_keeps_its_promises_about_auctions_and_people() -> Result<()> {
    let (pool, _) = database().await?;
    let wakers = Wakers::default();
    let store = RolledBack { store: PgSettlements::new(pool.clone(), wakers.clone()), pool: pool.clone(), wakers };
    contract::people::all(&store, &PgOutbox::new(pool)).await;
    Ok(())
}

#[tokio::test]
async fn the_worker_keeps_its_promises_about_deadlines_over_the_store() -> Result<()> {
    let (_, store) = database().await?;
    contract::deadlines::all(Arc::new(store)).await;
    Ok(())
}

#[tokio::test]
async fn the_audit_trail_can_neither_be_changed_nor_deleted() -> Result<()> {
    let (pool, store) = database().await?;
    let mut tx = store.begin().await?;
    let at = tx.now().await?;
    let reinstatement = Reinstatement { user_id: "bert".parse()?, by: "root".parse()?, note: None, at };
    tx.note_reinstatement(&reinstatement).await?;
    tx.commit().await?;
    for attempt in [
        "UPDATE operator_decision SET operator_id = 'nobody'",
        "DELETE FROM operator_decision",
        "TRUNCATE operator_decision",
    ] {
        let refused = sqlx::raw_sql(attempt).execute(&pool).await.expect_err(attempt);
        assert!(refused.to_string().contains("append-only"), "{attempt}: {refused}");
    }
    Ok(())
}

/// What a settlement of version 1 of the schema looks like to this one.
#[tokio::test]
async fn a_settlement_from_before_the_second_migration_is_read() -> Result<()> {
    let (pool, store) = database().await?;
    let settlement = begun(&store).await?;
    sqlx::raw_sql("UPDATE settlement SET rest = '{}', terms = terms - 'offer_day_s', state = state - 'cancel'")
        .execute(&pool)
        .await?;
    let read = store.settlement(settlement.id()).await?.context("it is there")?;
    assert_eq!(read, settlement, "units of a lot: nothing follows, as it was before");
    Ok(())
}

#[tokio::test]
async fn a_second_migration_changes_nothing_and_the_check_needs_the_first() -> Result<()> {
    let (pool, _) = database().await?;
    database::check(&pool).await?;
    sqlx::raw_sql("DROP TABLE _sqlx_migrations").execute(&pool).await?;
    let error = database::check(&pool).await.expect_err("not migrated");
    assert!(error.to_string().contains("run its `migrate` command"), "{error}");
    Ok(())
}

#[tokio::test]
async fn the_time_of_a_lock_is_read_after_the_wait_for_it() -> Result<()> {
    let (_, store) = database().await?;
    let id = begun(&store).await?.id();
    let mut first = store.begin().await?;
    first.lock(id).await?;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.begin().await?.lock(id).await }
    });
    // The second one cannot pass while the first holds the row, however long that is.
    tokio::time::timeout(Duration::from_millis(200), async {
        while !waiting.is_finished() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect_err("the second waits");
    let released_at = first.now().await?;
    first.commit().await?;
    let locked = waiting.await??.context("it is there")?;
    assert!(locked.now >= released_at, "{} is before {released_at}", locked.now);
    Ok(())
}

#[tokio::test]
async fn a_lock_that_is_not_granted_in_time_is_told_as_that() -> Result<()> {
    let (_, store) = database().await?;
    let id = begun(&store).await?.id();
    let mut holder = store.begin().await?;
    holder.lock(id).await?;
    assert_eq!(store.begin().await?.lock(id).await, Err(StoreError::Locked));
    Ok(())
}

#[tokio::test]
async fn the_ledger_can_neither_be_changed_nor_deleted() -> Result<()> {
    let (pool, store) = database().await?;
    posted(&store).await?;
    let before = store.trial_balance(None).await?;
    assert_eq!(before.balance(AccountKind::Escrow, "USD".parse()?), -12_050);
    for attempt in [
        "UPDATE ledger_posting SET credit = credit + 1 WHERE credit > 0",
        "UPDATE ledger_transaction SET kind = 'refunded'",
        "DELETE FROM ledger_posting",
        "DELETE FROM ledger_transaction",
        "TRUNCATE ledger_transaction CASCADE",
        "TRUNCATE ledger_posting",
    ] {
        let refused = sqlx::raw_sql(attempt).execute(&pool).await.expect_err(attempt);
        assert!(refused.to_string().contains("append-only"), "{attempt}: {refused}");
    }
    assert_eq!(store.trial_balance(None).await?, before);
    Ok(())
}

#[tokio::test]
async fn the_database_itself_refuses_a_transaction_that_does_not_balance() -> Result<()> {
    let (pool, store) = database().await?;
    let id = posted(&store).await?.id().as_uuid();
    let entry =
        |lines: i16| format!("INSERT INTO ledger_transaction VALUES ('x', '{id}', 'released', now(), {lines});");
    let line = |number: i16, currency: &str, debit: i64, credit: i64| {
        format!(
            "INSERT INTO ledger_posting VALUES ('x', {number}, 'escrow', NULL, '{currency}', {debit}, {credit}, now());"
        )
    };
    let unbalanced = [
        entry(2),
        entry(2) + &line(1, "USD", 10, 0) + &line(2, "USD", 0, 9),
        entry(2) + &line(1, "USD", 10, 0) + &line(2, "EUR", 0, 10),
        entry(3) + &line(1, "USD", 10, 0) + &line(2, "USD", 0, 10),
    ];
    for sql in unbalanced {
        let refused = sqlx::raw_sql(&format!("BEGIN; {sql} COMMIT")).execute(&pool).await;
        let refused = refused.expect_err(&sql).to_string();
        assert!(refused.contains("does not balance"), "{sql}: {refused}");
    }
    let balanced = entry(2) + &line(1, "USD", 10, 0) + &line(2, "USD", 0, 10);
    sqlx::raw_sql(&format!("BEGIN; {balanced} COMMIT")).execute(&pool).await?;
    let later = line(3, "USD", 5, 0) + &line(4, "USD", 0, 5);
    let refused = sqlx::raw_sql(&format!("BEGIN; {later} COMMIT")).execute(&pool).await;
    assert!(refused.expect_err("none can be added later").to_string().contains("and not later"));
    Ok(())
}

/// Takes calls as a worker does, until there are none.
async fn take_calls(store: PgSettlements) -> Result<Vec<String>> {
    let mut taken = Vec::new();
    loop {
        let mut tx = store.begin().await?;
        let due = tx.lock_pending_calls(3).await?;
        if due.is_empty() {
            return Ok(taken);
        }
        for locked in due {
            let Dispatch::Contact(call, _) =
                saga::dispatch(locked.aggregate.settlement, locked.aggregate.call, locked.now)
            else {
                anyhow::bail!("the deadline is far away")
            };
            tx.save_calls(std::slice::from_ref(&call)).await?;
            taken.push(call.key().to_string());
        }
        tx.commit().await?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_never_take_the_same_call() -> Result<()> {
    const CALLS: usize = 40;
    let url = support::migrated().await?;
    let (pool, store) = open(&url)?;
    for _ in 0..CALLS {
        paid(&store).await?;
    }
    // Whoever looks for calls looks long, without an index among many that are not due: meanwhile others commit.
    sqlx::raw_sql(
        "INSERT INTO gateway_call SELECT call.key || n, call.settlement_id, call.call, call.due_at + interval '1 day'
         FROM gateway_call AS call, generate_series(1, 500) AS n",
    )
    .execute(&pool)
    .await?;
    let slowly = "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET enable_indexscan = off', current_database()); \
                  EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan = off', current_database()); END$$";
    sqlx::raw_sql(slowly).execute(&pool).await?;
    let (_, store) = open(&url)?;
    let workers: Vec<_> = (0..4).map(|_| tokio::spawn(take_calls(store.clone()))).collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await??);
    }
    // One that found all due calls locked has ended early; what it left is taken here.
    taken.extend(take_calls(store).await?);
    let different: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (CALLS, CALLS));
    Ok(())
}

#[tokio::test]
async fn due_timers_and_calls_are_found_by_their_index() -> Result<()> {
    let (pool, _) = database().await?;
    for (query, index) in [
        ("SELECT id FROM settlement WHERE due_at <= statement_timestamp() ORDER BY due_at, id", "settlement_due"),
        ("SELECT user_id FROM standing WHERE due_at <= statement_timestamp() ORDER BY due_at, user_id", "standing_due"),
        ("SELECT key FROM gateway_call WHERE due_at <= statement_timestamp() ORDER BY due_at, key", "gateway_call_due"),
    ] {
        let mut tx = pool.begin().await?;
        sqlx::raw_sql("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off").execute(&mut tx).await?;
        let explain = &format!("EXPLAIN {query} LIMIT 32 FOR UPDATE SKIP LOCKED");
        let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut tx).await?;
        let plan = plan.join("\n");
        assert!(plan.contains(index) && plan.contains("Index Cond") && !plan.contains("Sort"), "{plan}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_recorded_waits_in_the_outbox_as_the_contract_has_it() -> Result<()> {
    let (pool, store) = database().await?;
    let settlement = begun(&store).await?;
    let batch = PgOutbox::new(pool).batch(10).await?;
    let [record] = batch.as_slice() else { anyhow::bail!("one event, got {batch:?}") };
    assert_eq!(
        (record.topic.as_str(), record.sequence, &record.key),
        ("outcry.settlement.v1", 1, &settlement.id().to_string())
    );
    let Some(Contract::Started(data)) = Contract::decode(&record.event_type, &serde_json::to_vec(&record.data)?)?
    else {
        anyhow::bail!("not a beginning: {record:?}")
    };
    assert_eq!((data.settlement_id, data.amount, data.currency.as_str()), (settlement.id().as_uuid(), 12_050, "USD"));
    assert_eq!((data.status, data.payment_due_at), (SettlementStatus::AwaitingPayment, settlement.payment_due_at()));
    Ok(())
}

#[tokio::test]
async fn every_status_has_its_place_in_the_schema_and_in_the_contract() -> Result<()> {
    let (pool, _) = database().await?;
    for status in Status::ALL {
        let inserted = sqlx::query(
            "INSERT INTO settlement (id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at,
                 payment_due_at, sequence, attempts, state)
             VALUES ($1, $1, 'anna', 'bert', 1, 'USD', '{}', '{}', now(), now(), 1, '{}',
                 jsonb_build_object('status', $2))",
        );
        inserted.bind(Uuid::now_v7()).bind(status.name()).execute(&pool).await.context(status.name())?;
        let in_contract: SettlementStatus = serde_json::from_value(status.name().into())?;
        assert_ne!(in_contract, SettlementStatus::Unknown, "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn what_failed_and_is_taken_in_after_all_is_forgotten_as_a_failure_and_as_a_dead_letter() -> Result<()> {
    let (_, store) = database().await?;
    let receipt = |sequence: u64| Receipt {
        event_id: Uuid::from_u128(sequence.into()),
        source: "/outcry/bidding-service".into(),
        key: "k".into(),
        sequence,
    };
    let (failed, buried) = (receipt(1), receipt(2));
    assert_eq!((store.failed(failed.event_id, "a").await?, store.failed(failed.event_id, "b").await?), (1, 2));
    store.buried(buried.event_id, "it made no sense, and the broker did not hear that it was done with").await?;
    for commits in [false, true] {
        let mut tx = store.begin().await?;
        assert_eq!(tx.receive_all(&[failed.clone(), buried.clone(), receipt(3)]).await?, [Seen::New; 3]);
        if commits {
            tx.commit().await?;
        }
    }
    assert_eq!(store.begin().await?.receive(&buried).await?, Seen::Duplicate, "it had its effect");
    assert_eq!(store.failed(failed.event_id, "c").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_event_that_was_buried_is_new_at_its_replay_and_only_once() -> Result<()> {
    let (_, store) = database().await?;
    let ids = [Uuid::now_v7(), Uuid::now_v7()];
    let receipt = |sequence: u64| Receipt {
        event_id: ids[usize::from(sequence == 2)],
        source: "/outcry/bidding-service".into(),
        key: Uuid::nil().to_string(),
        sequence,
    };
    store.buried(receipt(1).event_id, "it made no sense").await?;
    for (sequence, seen) in [(2, Seen::Gap { expected: 1 }), (1, Seen::New), (1, Seen::Duplicate)] {
        let mut tx = store.begin().await?;
        assert_eq!(tx.receive(&receipt(sequence)).await?, seen, "sequence {sequence}");
        tx.commit().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_old_is_removed_at_one_time_however_much_it_is() -> Result<()> {
    let (pool, _) = database().await?;
    sqlx::raw_sql(
        "INSERT INTO idempotency (principal, key, fingerprint, answer, created_at)
             SELECT 'anna', number::text, '\\x01', '1', clock_timestamp() - interval '25 hours'
             FROM generate_series(1, 25000) AS number;
         INSERT INTO inbox (source, key, last_sequence, last_event_id, received_at)
             SELECT '/gateway', number::text, 1, gen_random_uuid(), clock_timestamp() - interval '36 days'
             FROM generate_series(1, 25000) AS number;
         INSERT INTO early (auction_id, told_at)
             SELECT gen_random_uuid(), clock_timestamp() - interval '91 days' FROM generate_series(1, 25000)",
    )
    .execute(&pool)
    .await?;
    assert_eq!(database::tidy(&pool).await?, 3 * 25_000);
    Ok(())
}

#[tokio::test]
async fn notices_of_the_gateway_are_kept_for_35_days_and_events_of_others_for_ever() -> Result<()> {
    let (pool, store) = database().await?;
    for (source, key, age) in
        [("/gateway", "evt_old", "36 days"), ("/gateway", "evt_young", "34 days"), ("/outcry/bidding", "x", "36 days")]
    {
        let receipt = Receipt { event_id: Uuid::now_v7(), source: source.into(), key: key.into(), sequence: 1 };
        let mut tx = store.begin().await?;
        assert_eq!(tx.receive(&receipt).await?, Seen::New);
        tx.commit().await?;
        sqlx::query("UPDATE inbox SET received_at = received_at - $2::text::interval WHERE key = $1")
            .bind(key)
            .bind(age)
            .execute(&pool)
            .await?;
    }
    assert_eq!(database::tidy(&pool).await?, 1);
    let left: Vec<String> = sqlx::query_scalar("SELECT key FROM inbox ORDER BY key").fetch_all(&pool).await?;
    assert_eq!(left, ["evt_young", "x"]);
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable() -> Result<()> {
    let pool = database::connect("postgres://nobody:none@127.0.0.1:1/none", 1)?;
    let store = PgSettlements::new(pool, Wakers::default());
    assert!(matches!(store.begin().await.err(), Some(StoreError::Unavailable(_))));
    Ok(())
}
