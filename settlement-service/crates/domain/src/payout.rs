//! What a seller is paid at once for any number of settlements in one currency.
//!
//! A payout is made when what waits for its seller is worth a transfer ([`PayoutRules`]), has one call to the gateway
//! under way at a time, and ends paid or refused. Its settlements follow it: see `saga::payouts`.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::call::GatewayCall;
use crate::gateway::{Decline, GatewayRef, Instruction};
use crate::ids::{PayoutId, SettlementId, UserId};
use crate::money::{Currency, Money};

/// The most settlements that one payout pays.
pub const MAX_ITEMS: u32 = 500;

/// When a seller is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutRules {
    /// What a payout comes to at least, minor units; 1 in other currencies.
    pub minimum: BTreeMap<Currency, i64>,
    /// For so long after the first of them more settlements are waited for, seconds.
    pub collect_s: u32,
    /// What waited for this long is paid whatever it comes to, seconds.
    pub longest_wait_s: u32,
}

impl Default for PayoutRules {
    /// At once, whatever it comes to.
    fn default() -> Self {
        Self { minimum: BTreeMap::new(), collect_s: 0, longest_wait_s: 30 * 86_400 }
    }
}

impl PayoutRules {
    /// When so much, of which the oldest part has waited since then, is to be paid: at the first moment by which that is
    /// certain without more to come.
    #[must_use]
    pub fn due_at(&self, sum: Money, since: DateTime<Utc>) -> DateTime<Utc> {
        let minimum = self.minimum.get(&sum.currency()).copied().unwrap_or(1);
        let wait = if sum.amount() >= minimum { self.collect_s } else { self.longest_wait_s };
        since + TimeDelta::seconds(wait.into())
    }
}

/// One settlement's part of a payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// For which settlement.
    pub settlement_id: SettlementId,
    /// How much.
    pub amount: Money,
}

/// Where a payout stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PayoutState {
    /// The gateway was told.
    Paying,
    /// The seller was paid.
    Paid {
        /// What the gateway calls it.
        reference: GatewayRef,
        /// When.
        paid_at: DateTime<Utc>,
    },
    /// The gateway refused for good: its settlements wait for a person.
    Refused {
        /// Why.
        decline: Decline,
        /// When.
        refused_at: DateTime<Utc>,
    },
}

impl PayoutState {
    /// Its name in the API and the database.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Paying => "paying",
            Self::Paid { .. } => "paid",
            Self::Refused { .. } => "refused",
        }
    }
}

/// The aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payout {
    id: PayoutId,
    seller_id: UserId,
    amount: Money,
    items: Vec<Item>,
    attempts: u32,
    made_at: DateTime<Utc>,
    state: PayoutState,
}

impl Payout {
    /// A payout of at least one item, all in one currency, and its first call. None if there is nothing to pay or the sum
    /// is beyond what money can be.
    pub(crate) fn make(
        id: PayoutId,
        seller_id: UserId,
        items: Vec<Item>,
        now: DateTime<Utc>,
    ) -> Option<(Self, GatewayCall)> {
        let mut amounts = items.iter().map(|item| item.amount);
        let first = amounts.next()?;
        let amount = amounts.try_fold(first, |sum, amount| sum.plus(amount).ok())?;
        let payout = Self { id, seller_id, amount, items, attempts: 0, made_at: now, state: PayoutState::Paying };
        Some(payout.told(now))
    }

    /// One more attempt: counted, and stored with its call.
    pub(crate) fn told(mut self, due_at: DateTime<Utc>) -> (Self, GatewayCall) {
        self.attempts += 1;
        let instruction = Instruction::PayOut { seller: self.seller_id.clone(), amount: self.amount };
        let call = GatewayCall::plan(self.id, self.attempts, instruction, due_at);
        (self, call)
    }

    pub(crate) fn paid(mut self, reference: GatewayRef, paid_at: DateTime<Utc>) -> Self {
        self.state = PayoutState::Paid { reference, paid_at };
        self
    }

    pub(crate) fn refused(mut self, decline: Decline, refused_at: DateTime<Utc>) -> Self {
        self.state = PayoutState::Refused { decline, refused_at };
        self
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> PayoutId {
        self.id
    }

    /// Who is paid.
    #[must_use]
    pub const fn seller_id(&self) -> &UserId {
        &self.seller_id
    }

    /// How much in all.
    #[must_use]
    pub const fn amount(&self) -> Money {
        self.amount
    }

    /// For what.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Attempts so far.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When it was made.
    #[must_use]
    pub const fn made_at(&self) -> DateTime<Utc> {
        self.made_at
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> &PayoutState {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(amount: i64) -> Money {
        Money::new(amount, "USD".parse().unwrap()).unwrap()
    }

    fn item(number: u128, amount: i64) -> Item {
        Item { settlement_id: uuid::Uuid::from_u128(number).into(), amount: usd(amount) }
    }

    fn make(items: Vec<Item>) -> Option<(Payout, GatewayCall)> {
        Payout::make(uuid::Uuid::nil().into(), "seller".parse().unwrap(), items, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_payout_is_the_sum_of_its_items_and_one_call() {
        let (payout, call) = make(vec![item(1, 60), item(2, 40)]).unwrap();
        assert_eq!((payout.amount(), payout.attempts()), (usd(100), 1));
        assert_eq!(call.key().as_str(), "00000000-0000-0000-0000-000000000000:pay_out:1");
        assert_eq!(make(Vec::new()), None);
        assert_eq!(make(vec![item(1, crate::money::MAX_AMOUNT), item(2, 1)]), None, "beyond what money can be");
    }

    #[test]
    fn the_minimum_is_waited_for_but_not_for_ever() {
        let minimum = BTreeMap::from([(usd(1).currency(), 100)]);
        let rules = PayoutRules { minimum, collect_s: 60, longest_wait_s: 3_600 };
        let after = |amount| (rules.due_at(usd(amount), DateTime::UNIX_EPOCH) - DateTime::UNIX_EPOCH).num_seconds();
        assert_eq!((after(99), after(100)), (3_600, 60));
        let eur = Money::new(1, "EUR".parse().unwrap()).unwrap();
        assert_eq!(rules.due_at(eur, DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH + TimeDelta::seconds(60));
    }
}
