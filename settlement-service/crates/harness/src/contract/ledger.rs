//! The ledger: posted once, all of it or nothing, and read as it stood at any moment. It may be shared with others, so
//! it is differences that are looked at, and sellers that nobody else knows.

use chrono::TimeDelta;
use settlement_domain::Settlement;
use settlement_domain::ledger::{self, AccountKind, Transaction, TrialBalance};
use settlement_ports::{LedgerReads, SettlementStore, StatementQuery};

use super::payouts::{gathered, received};
use super::samples::{begun, escrowed, now, somebody, stored};

/// All checks of this file.
pub async fn all(store: &dyn SettlementStore, ledger: &dyn LedgerReads) {
    a_transaction_is_posted_once_by_its_reference(store, ledger).await;
    a_posting_in_a_dropped_unit_is_not_in_the_ledger(store, ledger).await;
    a_posted_transaction_is_read_as_it_was(store, ledger).await;
    a_reversal_is_posted_once_and_leaves_nothing(store, ledger).await;
    the_trial_balance_of_a_moment_has_what_was_decided_until_then(store, ledger).await;
    a_statement_has_the_sellers_lines_newest_first_with_the_balance_after_each(store, ledger).await;
    a_statement_goes_on_after_its_cursor_and_stands_still_at_a_moment(store, ledger).await;
}

fn escrow(balance: &TrialBalance) -> i128 {
    balance.balance(AccountKind::Escrow, "USD".parse().unwrap())
}

async fn post(store: &dyn SettlementStore, settlement: &Settlement, transactions: &[Transaction]) {
    let mut tx = store.begin().await.unwrap();
    tx.lock(settlement.id()).await.unwrap().unwrap();
    tx.post(transactions).await.unwrap();
    tx.commit().await.unwrap();
}

/// A settlement that was captured at the store's time, with what the ledger gets of it.
async fn captured(store: &dyn SettlementStore) -> (Settlement, Transaction) {
    let now = now(store).await;
    let (settlement, _) = begun(now);
    stored(store, &settlement, &[]).await;
    let transaction = escrowed(settlement.clone(), now).transactions.remove(0);
    (settlement, transaction)
}

/// However often it is posted, in one unit of work and in two.
pub async fn a_transaction_is_posted_once_by_its_reference(store: &dyn SettlementStore, ledger: &dyn LedgerReads) {
    let before = ledger.trial_balance(None).await.unwrap();
    let (settlement, transaction) = captured(store).await;
    for _ in 0..2 {
        post(store, &settlement, &[transaction.clone(), transaction.clone()]).await;
        post(store, &settlement, std::slice::from_ref(&transaction)).await;
    }
    let after = ledger.trial_balance(None).await.unwrap();
    assert_eq!(escrow(&after) - escrow(&before), -12_050);
    assert!(after.is_balanced());
}

/// Nothing of it.
pub async fn a_posting_in_a_dropped_unit_is_not_in_the_ledger(store: &dyn SettlementStore, ledger: &dyn LedgerReads) {
    let (settlement, transaction) = captured(store).await;
    let mut tx = store.begin().await.unwrap();
    tx.lock(settlement.id()).await.unwrap().unwrap();
    tx.post(std::slice::from_ref(&transaction)).await.unwrap();
    drop(tx);
    assert_eq!(ledger.transaction(&transaction.reference()).await.unwrap(), None);
}

/// With every line, and its reversal with its reason.
pub async fn a_posted_transaction_is_read_as_it_was(store: &dyn SettlementStore, ledger: &dyn LedgerReads) {
    let (settlement, transaction) = captured(store).await;
    let reversal = transaction.reversed("a test".to_owned(), transaction.at() + TimeDelta::seconds(1));
    for posted in [transaction, reversal] {
        post(store, &settlement, std::slice::from_ref(&posted)).await;
        assert_eq!(ledger.transaction(&posted.reference()).await.unwrap(), Some(posted));
    }
}

/// Whatever it says the second time.
pub async fn a_reversal_is_posted_once_and_leaves_nothing(store: &dyn SettlementStore, ledger: &dyn LedgerReads) {
    let before = ledger.trial_balance(None).await.unwrap();
    let (settlement, transaction) = captured(store).await;
    post(store, &settlement, std::slice::from_ref(&transaction)).await;
    for reason in ["the wrong lot", "the wrong lot, again"] {
        post(store, &settlement, &[transaction.reversed(reason.to_owned(), transaction.at())]).await;
    }
    let after = ledger.trial_balance(None).await.unwrap();
    assert_eq!(escrow(&after), escrow(&before));
    assert!(after.is_balanced());
}

/// At the moment itself it is there, just before it is not.
pub async fn the_trial_balance_of_a_moment_has_what_was_decided_until_then(
    store: &dyn SettlementStore,
    ledger: &dyn LedgerReads,
) {
    let (settlement, transaction) = captured(store).await;
    let at = transaction.at();
    let moments = [at - TimeDelta::microseconds(1), at];
    let [mut before, mut then] = [0; 2];
    for (sum, moment) in [&mut before, &mut then].into_iter().zip(moments) {
        *sum = escrow(&ledger.trial_balance(Some(moment)).await.unwrap());
    }
    post(store, &settlement, std::slice::from_ref(&transaction)).await;
    let [not_yet, posted] = moments.map(|moment| ledger.trial_balance(Some(moment)));
    assert_eq!(escrow(&not_yet.await.unwrap()), before, "before it was decided");
    assert_eq!(escrow(&posted.await.unwrap()), then - 12_050);
}

/// Sales of one seller who is new, each released and paid out a second after the one before; oldest first.
async fn sales(store: &dyn SettlementStore, count: i64) -> (StatementQuery, Vec<Transaction>) {
    let (seller, now) = (somebody("seller"), now(store).await);
    let mut posted = Vec::new();
    for n in 0..count {
        let at = now + TimeDelta::seconds(n);
        let settlement = received(&seller, at);
        stored(store, &settlement, &[]).await;
        let payout = gathered(vec![settlement.clone()], at).payout.unwrap();
        let paid_at = at + TimeDelta::milliseconds(1);
        let entries = [ledger::released(&settlement, at).unwrap(), ledger::paid_out(&payout, paid_at).unwrap()];
        let mut tx = store.begin().await.unwrap();
        tx.lock(settlement.id()).await.unwrap().unwrap();
        tx.save_payouts(&[payout]).await.unwrap();
        tx.post(&entries).await.unwrap();
        tx.commit().await.unwrap();
        posted.extend(entries);
    }
    (StatementQuery { seller, currency: "USD".parse().unwrap(), at: None, before: None }, posted)
}

/// In one currency, and of nobody else.
pub async fn a_statement_has_the_sellers_lines_newest_first_with_the_balance_after_each(
    store: &dyn SettlementStore,
    ledger: &dyn LedgerReads,
) {
    let (query, posted) = sales(store, 2).await;
    let (_others, _) = sales(store, 1).await;
    let lines = ledger.statement(&query, 100).await.unwrap();
    let expected: Vec<String> = posted.iter().rev().map(Transaction::reference).collect();
    assert_eq!(lines.iter().map(|line| line.place.reference.clone()).collect::<Vec<_>>(), expected);
    let amounts: Vec<_> = lines.iter().map(|line| (line.credit.amount(), line.debit.amount(), line.balance)).collect();
    assert_eq!(amounts, [(0, 10_845, 0), (10_845, 0, 10_845), (0, 10_845, 0), (10_845, 0, 10_845)]);
    assert!(lines.iter().zip(posted.iter().rev()).all(|(line, entry)| line.kind == entry.kind() && !line.reversal));
    let in_euro = StatementQuery { currency: "EUR".parse().unwrap(), ..query };
    assert!(ledger.statement(&in_euro, 100).await.unwrap().is_empty());
}

/// Pages neither repeat nor leave out, and balances do not depend on the page.
pub async fn a_statement_goes_on_after_its_cursor_and_stands_still_at_a_moment(
    store: &dyn SettlementStore,
    ledger: &dyn LedgerReads,
) {
    let (mut query, posted) = sales(store, 3).await;
    let whole = ledger.statement(&query, 100).await.unwrap();
    let (mut read, mut pages) = (Vec::new(), 0);
    loop {
        let page = ledger.statement(&query, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        query.before = Some(last.place.clone());
        read.extend(page);
        pages += 1;
    }
    assert_eq!((read, pages), (whole.clone(), 3));
    let at = posted[2].at();
    let then = ledger.statement(&StatementQuery { at: Some(at), before: None, ..query }, 100).await.unwrap();
    assert_eq!(then, whole[3..], "as it stood when the second sale was released");
}
