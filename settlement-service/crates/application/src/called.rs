//! What calls to the gateway are for. Whoever hears what came of a call locks that first, and then decides.

use std::collections::{BTreeMap, BTreeSet};

use settlement_domain::{Settlement, Subject};
use settlement_ports::{Locked, SettlementTx, StoreError, WholePayout};

/// What a call is for.
#[derive(Clone)]
pub enum Called {
    /// A settlement.
    Settlement(Box<Settlement>),
    /// A payout, with all that it pays for.
    Payout(WholePayout),
}

/// Locks what calls are for; what is not there is left out. Settlements are locked in the order of their ids, and payouts with
/// theirs: who locks both does so in units of work of their own, so that none waits for another in a circle.
pub async fn lock(
    tx: &mut dyn SettlementTx,
    subjects: &BTreeSet<Subject>,
) -> Result<BTreeMap<Subject, Locked<Called>>, StoreError> {
    let settlements: Vec<_> = subjects.iter().filter_map(|subject| subject.settlement_id()).collect();
    let payouts: Vec<_> = subjects.iter().filter_map(|subject| subject.payout_id()).collect();
    let mut called = BTreeMap::new();
    if !settlements.is_empty() {
        for Locked { aggregate, now } in tx.lock_all(&settlements).await? {
            let subject = aggregate.id().into();
            called.insert(subject, Locked { aggregate: Called::Settlement(Box::new(aggregate)), now });
        }
    }
    if !payouts.is_empty() {
        for Locked { aggregate, now } in tx.lock_payouts(&payouts).await? {
            let subject = aggregate.payout.id().into();
            called.insert(subject, Locked { aggregate: Called::Payout(aggregate), now });
        }
    }
    Ok(called)
}
