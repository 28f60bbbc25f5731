//! What each movement of a settlement's money posts.

use chrono::{DateTime, Utc};

use super::{Account, EntryKind, LedgerError, Posting, Transaction};
use crate::money::Money;
use crate::payout::Payout;
use crate::settlement::Settlement;

/// The buyer's payment arrived at the gateway and was applied to the lot: it is in escrow.
pub fn captured(settlement: &Settlement, at: DateTime<Utc>) -> Result<Transaction, LedgerError> {
    let (price, bidder) = (settlement.price(), Account::Bidder(settlement.buyer_id().clone()));
    let postings = vec![
        Posting::debit(Account::GatewayClearing, price),
        Posting::credit(bidder.clone(), price),
        Posting::debit(bidder, price),
        Posting::credit(Account::Escrow, price),
    ];
    Transaction::new(settlement.id(), EntryKind::Captured, at, postings)
}

/// The lot was received: escrow becomes the seller's share, the platform's commission and premium, and tax.
/// An error if it was not.
pub fn released(settlement: &Settlement, at: DateTime<Utc>) -> Result<Transaction, LedgerError> {
    let split = settlement.split().ok_or(LedgerError::Empty)?;
    let (quote, price) = (settlement.quote(), settlement.price());
    // What the operator gave back to the buyer has left escrow already.
    let held = split.refunded.map_or(price, |back| price.minus(back).unwrap_or(price));
    let shares = [
        (Account::SellerPayable(settlement.seller_id().clone()), split.payout),
        (Account::PlatformRevenue, split.commission),
        (Account::Fees, quote.premium()),
        (Account::Tax, quote.tax()),
    ];
    let mut postings = vec![Posting::debit(Account::Escrow, held)];
    let shares = shares.into_iter().filter(|(_, share)| !share.is_zero());
    postings.extend(shares.map(|(account, share)| Posting::credit(account, share)));
    Transaction::new(settlement.id(), EntryKind::Released, at, postings)
}

/// The sellers' shares of all settlements of a payout left the gateway.
pub fn paid_out(payout: &Payout, at: DateTime<Utc>) -> Result<Transaction, LedgerError> {
    let postings = vec![
        Posting::debit(Account::SellerPayable(payout.seller_id().clone()), payout.amount()),
        Posting::credit(Account::GatewayClearing, payout.amount()),
    ];
    Transaction::new(payout.id(), EntryKind::PaidOut, at, postings)
}

/// The buyer's money left escrow and the gateway: the capture, turned round.
pub fn refunded(settlement: &Settlement, at: DateTime<Utc>) -> Result<Transaction, LedgerError> {
    given_back(settlement, settlement.price(), EntryKind::Refunded, at)
}

/// A part of the buyer's money left escrow and the gateway; the rest stays in escrow.
pub fn part_refunded(settlement: &Settlement, part: Money, at: DateTime<Utc>) -> Result<Transaction, LedgerError> {
    given_back(settlement, part, EntryKind::PartRefunded, at)
}

/// All of the buyer's money left escrow and the gateway, and the buyer's bank took it there.
pub fn charged_back(settlement: &Settlement, at: DateTime<Utc>) -> Result<Transaction, LedgerError> {
    given_back(settlement, settlement.price(), EntryKind::ChargedBack, at)
}

fn given_back(
    settlement: &Settlement,
    amount: Money,
    kind: EntryKind,
    at: DateTime<Utc>,
) -> Result<Transaction, LedgerError> {
    let bidder = Account::Bidder(settlement.buyer_id().clone());
    let postings = vec![
        Posting::debit(Account::Escrow, amount),
        Posting::credit(bidder.clone(), amount),
        Posting::debit(bidder, amount),
        Posting::credit(Account::GatewayClearing, amount),
    ];
    Transaction::new(settlement.id(), kind, at, postings)
}
