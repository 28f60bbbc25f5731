//! What each movement of a settlement's money posts.

use chrono::{DateTime, Utc};

use super::{Account, EntryKind, LedgerError, Posting, Transaction};
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
    let quote = settlement.quote();
    let shares = [
        (Account::SellerPayable(settlement.seller_id().clone()), split.payout),
        (Account::PlatformRevenue, split.commission),
        (Account::Fees, quote.premium()),
        (Account::Tax, quote.tax()),
    ];
    let mut postings = vec![Posting::debit(Account::Escrow, settlement.price())];
    let shares = shares.into_iter().filter(|(_, share)| !share.is_zero());
    postings.extend(shares.map(|(account, share)| Posting::credit(account, share)));
    Transaction::new(settlement.id(), EntryKind::Released, at, postings)
}

/// The seller's share left the gateway. An error if it is not known yet.
pub fn paid_out(settlement: &Settlement, at: DateTime<Utc>) -> Result<Transaction, LedgerError> {
    let split = settlement.split().ok_or(LedgerError::Empty)?;
    let postings = vec![
        Posting::debit(Account::SellerPayable(settlement.seller_id().clone()), split.payout),
        Posting::credit(Account::GatewayClearing, split.payout),
    ];
    Transaction::new(settlement.id(), EntryKind::PaidOut, at, postings)
}

/// The buyer's money left escrow and the gateway: the capture, turned round.
pub fn refunded(settlement: &Settlement, at: DateTime<Utc>) -> Result<Transaction, LedgerError> {
    let (price, bidder) = (settlement.price(), Account::Bidder(settlement.buyer_id().clone()));
    let postings = vec![
        Posting::debit(Account::Escrow, price),
        Posting::credit(bidder.clone(), price),
        Posting::debit(bidder, price),
        Posting::credit(Account::GatewayClearing, price),
    ];
    Transaction::new(settlement.id(), EntryKind::Refunded, at, postings)
}
