//! The ledger, read: sums, statements, single transactions. A trial balance starts from the last closing before its
//! moment; a statement follows the index of its seller.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::{
    Currency, Money, Subject, UserId,
    ledger::{
        Account, AccountBalance, AccountKind, Place, Posting, Reversal, StatementLine, Transaction as Entry,
        TrialBalance,
    },
};
use settlement_ports::{LedgerReads, StatementQuery, StoreError};
use uuid::Uuid;

use crate::{
    error::{corrupt, store_error},
    store::PgSettlements,
};

#[async_trait]
impl LedgerReads for PgSettlements {
    /// One statement, so one snapshot. Sums may exceed 64 bits and travel as text.
    async fn trial_balance(&self, at: Option<DateTime<Utc>>) -> Result<TrialBalance, StoreError> {
        let sums = sqlx::query!(
            r#"WITH closed AS MATERIALIZED (
                   SELECT max(until) AS until FROM ledger_closing WHERE until <= coalesce($1::timestamptz, 'infinity'))
               SELECT account AS "account!", currency AS "currency!",
                      sum(debit)::text AS "debits!", sum(credit)::text AS "credits!"
               FROM (SELECT account, currency, debit, credit FROM ledger_closing
                     WHERE until = (SELECT until FROM closed)
                     UNION ALL
                     SELECT account, currency, sum(debit), sum(credit) FROM ledger_posting
                     WHERE at >= coalesce((SELECT until FROM closed), '-infinity') AND at <= coalesce($1::timestamptz, 'infinity')
                     GROUP BY account, currency) AS sums
               GROUP BY account, currency"#,
            at
        )
        .fetch_all(self.pool())
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

    async fn statement(&self, query: &StatementQuery, limit: u32) -> Result<Vec<StatementLine>, StoreError> {
        let before = query.before.as_ref();
        let rows = sqlx::query!(
            r#"WITH older AS NOT MATERIALIZED (
                   SELECT at, reference, line, debit, credit FROM ledger_posting
                   WHERE account = 'seller_payable' AND owner = $1 AND currency = $2 AND at <= coalesce($3::timestamptz, 'infinity')
                     AND (at, reference, line) < (coalesce($4::timestamptz, 'infinity'), coalesce($5, ''), coalesce($6::smallint, 0))),
               page AS (SELECT * FROM older ORDER BY at DESC, reference DESC, line DESC LIMIT $7)
               SELECT page.at AS "at!", page.reference AS "reference!", page.line AS "line!", page.debit AS "debit!",
                      page.credit AS "credit!", entry.settlement_id, entry.payout_id, entry.kind,
                      entry.reverses IS NOT NULL AS "reversal!",
                      ((SELECT sum(credit) - sum(debit) FROM older)
                       - coalesce(sum(page.credit - page.debit) OVER (ORDER BY page.at DESC, page.reference DESC,
                             page.line DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))::text AS "balance!"
               FROM page JOIN ledger_transaction AS entry ON entry.reference = page.reference
               ORDER BY page.at DESC, page.reference DESC, page.line DESC"#,
            query.seller.as_str(),
            query.currency.code(),
            query.at,
            before.map(|place| place.at),
            before.map(|place| place.reference.as_str()),
            before.map(|place| place.line),
            i64::from(limit)
        )
        .fetch_all(self.pool())
        .await
        .map_err(store_error)?;
        let money = |amount| Money::new(amount, query.currency).map_err(corrupt);
        rows.into_iter()
            .map(|row| {
                Ok(StatementLine {
                    place: Place { at: row.at, reference: row.reference, line: row.line },
                    subject: subject(row.settlement_id, row.payout_id)?,
                    kind: row.kind.parse().map_err(corrupt)?,
                    reversal: row.reversal,
                    credit: money(row.credit)?,
                    debit: money(row.debit)?,
                    balance: row.balance.parse().map_err(corrupt)?,
                })
            })
            .collect()
    }

    async fn transaction(&self, reference: &str) -> Result<Option<Entry>, StoreError> {
        let rows = sqlx::query!(
            "SELECT entry.settlement_id, entry.payout_id, entry.kind, entry.reverses, entry.reason, entry.at,
                    line.account, line.owner, line.currency, line.debit, line.credit
             FROM ledger_transaction AS entry JOIN ledger_posting AS line ON line.reference = entry.reference
             WHERE entry.reference = $1 ORDER BY line.line",
            reference
        )
        .fetch_all(self.pool())
        .await
        .map_err(store_error)?;
        let Some(first) = rows.first() else { return Ok(None) };
        let reversal = first.reverses.clone().zip(first.reason.clone()).map(|(of, reason)| Reversal { of, reason });
        let (subject, at) = (subject(first.settlement_id, first.payout_id)?, first.at);
        let kind = first.kind.parse().map_err(corrupt)?;
        let postings =
            rows.iter().map(|row| posting(&row.account, row.owner.as_deref(), &row.currency, row.debit, row.credit));
        let entry = Entry::stored(subject, kind, reversal, at, postings.collect::<Result<_, _>>()?);
        entry.map(Some).map_err(corrupt)
    }
}

fn subject(settlement: Option<Uuid>, payout: Option<Uuid>) -> Result<Subject, StoreError> {
    match (settlement, payout) {
        (Some(id), None) => Ok(Subject::Settlement(id.into())),
        (None, Some(id)) => Ok(Subject::Payout(id.into())),
        _ => Err(corrupt("an entry of the ledger is for a settlement or for a payout")),
    }
}

fn posting(account: &str, owner: Option<&str>, currency: &str, debit: i64, credit: i64) -> Result<Posting, StoreError> {
    let owner = || owner.unwrap_or_default().parse::<UserId>().map_err(corrupt);
    let account = match account.parse().map_err(corrupt)? {
        AccountKind::Bidder => Account::Bidder(owner()?),
        AccountKind::SellerPayable => Account::SellerPayable(owner()?),
        AccountKind::GatewayClearing => Account::GatewayClearing,
        AccountKind::Escrow => Account::Escrow,
        AccountKind::PlatformRevenue => Account::PlatformRevenue,
        AccountKind::Fees => Account::Fees,
        AccountKind::Tax => Account::Tax,
    };
    let currency: Currency = currency.parse().map_err(corrupt)?;
    let money = |amount| Money::new(amount, currency).map_err(corrupt);
    Ok(if debit > 0 { Posting::debit(account, money(debit)?) } else { Posting::credit(account, money(credit)?) })
}
