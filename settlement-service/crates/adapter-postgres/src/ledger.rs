//! The ledger: posted once by reference, read as sums. That it balances and never changes is also the schema's to see to.

use settlement_domain::ledger::{AccountBalance, Side, Transaction as Entry, TrialBalance};
use settlement_ports::StoreError;
use sqlx::{PgPool, Postgres, Transaction};

use crate::error::{corrupt, store_error};

/// Posts an entry; false if its reference was posted before.
pub(crate) async fn post(tx: &mut Transaction<'static, Postgres>, entry: &Entry) -> Result<bool, StoreError> {
    let reference = entry.reference();
    let posted = sqlx::query!(
        "INSERT INTO ledger_transaction (reference, settlement_id, kind, at, lines) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (reference) DO NOTHING",
        reference,
        entry.settlement_id().as_uuid(),
        entry.kind().name(),
        entry.at(),
        i16::try_from(entry.postings().len()).map_err(corrupt)?
    )
    .execute(&mut **tx)
    .await
    .map_err(store_error)?;
    if posted.rows_affected() == 0 {
        return Ok(false);
    }
    for (line, posting) in (1_i16..).zip(entry.postings()) {
        let amount = posting.amount.amount();
        let (debit, credit) = match posting.side {
            Side::Debit => (amount, 0),
            Side::Credit => (0, amount),
        };
        sqlx::query!(
            "INSERT INTO ledger_posting (reference, line, account, owner, currency, debit, credit)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            reference,
            line,
            posting.account.kind().name(),
            posting.account.owner().map(settlement_domain::UserId::as_str),
            posting.amount.currency().code(),
            debit,
            credit
        )
        .execute(&mut **tx)
        .await
        .map_err(store_error)?;
    }
    Ok(true)
}

/// One statement, so one snapshot. Sums may exceed 64 bits and travel as text.
pub(crate) async fn trial_balance(pool: &PgPool) -> Result<TrialBalance, StoreError> {
    let sums = sqlx::query!(
        r#"SELECT account, currency, sum(debit)::text AS "debits!", sum(credit)::text AS "credits!"
           FROM ledger_posting GROUP BY account, currency"#
    )
    .fetch_all(pool)
    .await
    .map_err(store_error)?;
    let line = |account: &str, currency: &str, debits: &str, credits: &str| {
        Ok::<_, StoreError>(AccountBalance {
            account: account.parse().map_err(corrupt)?,
            currency: currency.parse().map_err(corrupt)?,
            debits: debits.parse().map_err(corrupt)?,
            credits: credits.parse().map_err(corrupt)?,
        })
    };
    let lines = sums.iter().map(|sum| line(&sum.account, &sum.currency, &sum.debits, &sum.credits));
    lines.collect::<Result<_, _>>().map(TrialBalance::from_accounts)
}
