//! A difference between the gateway's list and the ledger: one line that a person understands.

use std::fmt;

use serde::Serialize;
use settlement_domain::{CallKey, Currency, GatewayRef, Money, Movement, MovementKind};
use settlement_ports::Booked;

/// What differs. The names are those of the runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// The gateway moved money, and no call that is known here did it.
    NotOurs,
    /// The gateway moved money by a call of ours, and the ledger has nothing of it.
    NotInLedger,
    /// The ledger has it, and the gateway has not.
    NotAtGateway,
    /// Both have it, with different amounts.
    AmountsDiffer,
    /// Both have it, in different currencies.
    CurrenciesDiffer,
    /// The call counts as refused here, and the gateway moved money.
    RefusedAndMoved,
    /// The gateway moved money more than once under one key.
    TwiceUnderOneKey,
    /// The ledger's entry was reversed, and the gateway has not taken the money back.
    ReversedAndMoved,
    /// The account does not come to what its lines come to.
    AccountDiffers,
}

impl Name {
    /// The name in logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotOurs => "not_ours",
            Self::NotInLedger => "not_in_ledger",
            Self::NotAtGateway => "not_at_gateway",
            Self::AmountsDiffer => "amounts_differ",
            Self::CurrenciesDiffer => "currencies_differ",
            Self::RefusedAndMoved => "refused_and_moved",
            Self::TwiceUnderOneKey => "twice_under_one_key",
            Self::ReversedAndMoved => "reversed_and_moved",
            Self::AccountDiffers => "account_differs",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::NotOurs => "the gateway moved money and no call of ours did it",
            Self::NotInLedger => "the gateway moved money by our call and the ledger has nothing of it",
            Self::NotAtGateway => "the ledger has it and the gateway has not moved it",
            Self::AmountsDiffer => "the amounts differ",
            Self::CurrenciesDiffer => "the currencies differ",
            Self::RefusedAndMoved => "our call counts as refused and the gateway moved money",
            Self::TwiceUnderOneKey => "the gateway moved money twice under one key",
            Self::ReversedAndMoved => "the ledger's entry was reversed and the gateway has not taken the money back",
            Self::AccountDiffers => "gateway_clearing does not come to what its lines come to",
        }
    }
}

/// An amount with its sign, minor units; wider than money because it may add up many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Minor units.
    pub amount: i128,
    /// Of this currency.
    pub currency: Currency,
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self { amount: money.amount().into(), currency: money.currency() }
    }
}

impl fmt::Display for Amount {
    /// In major units, like money.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (decimals, sign) = (self.currency.decimals(), if self.amount < 0 { "-" } else { "" });
        let (unit, amount) = (10_u128.pow(decimals), self.amount.unsigned_abs());
        if decimals == 0 {
            return write!(f, "{sign}{amount} {}", self.currency);
        }
        write!(f, "{sign}{}.{:0width$} {}", amount / unit, amount % unit, self.currency, width = decimals as usize)
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What differs.
    pub name: Name,
    /// In which way money moved; none if it is about the account.
    pub kind: Option<MovementKind>,
    /// For which settlement, or by which payout; none if nobody knows.
    pub subject: Option<String>,
    /// The key of the call, as far as one is known.
    pub key: Option<CallKey>,
    /// What the gateway calls it.
    pub reference: Option<GatewayRef>,
    /// The ledger's name of the entry.
    pub entry: Option<String>,
    /// What the gateway has.
    pub gateway: Option<Amount>,
    /// What the ledger has.
    pub ledger: Option<Amount>,
    /// Of a charge its reference, of a refund that of its charge: what may be made good by another movement.
    #[serde(skip)]
    pub(super) charge: Option<GatewayRef>,
}

impl Difference {
    /// The gateway has what it should not have, or has it otherwise; `booked` is what the ledger has to do with it.
    pub(super) fn at_gateway(name: Name, movement: &Movement, booked: Option<&Booked>) -> Self {
        let charge = match movement.kind {
            MovementKind::Charge => Some(movement.reference.clone()),
            MovementKind::Refund => movement.charge.clone(),
            MovementKind::Payout => None,
        };
        Self {
            name,
            kind: Some(movement.kind),
            subject: movement.key.as_ref().map(|key| key.group().to_owned()),
            key: movement.key.clone(),
            reference: Some(movement.reference.clone()),
            entry: booked.map(|booked| booked.entry.clone()),
            gateway: Some(movement.amount.into()),
            ledger: booked.filter(|booked| !booked.reversed).map(|booked| booked.amount.into()),
            charge,
        }
    }

    /// The ledger has what the gateway has not.
    pub(super) fn in_ledger(booked: &Booked) -> Self {
        let (key, reference) = booked.call.clone().unzip();
        Self {
            name: Name::NotAtGateway,
            kind: booked.kind,
            subject: booked.entry.split(':').next().map(str::to_owned),
            key,
            reference,
            entry: Some(booked.entry.clone()),
            gateway: None,
            ledger: Some(booked.amount.into()),
            charge: None,
        }
    }

    /// The account and its lines.
    pub(super) const fn of_account(account: Amount) -> Self {
        Self {
            name: Name::AccountDiffers,
            kind: None,
            subject: None,
            key: None,
            reference: None,
            entry: None,
            gateway: None,
            ledger: Some(account),
            charge: None,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.name(), self.name.sentence())?;
        let whose = if self.kind == Some(MovementKind::Payout) { "payout" } else { "settlement" };
        let amount = |amount: &Option<Amount>| amount.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string());
        let told = [
            self.kind.map(|kind| kind.to_string()),
            self.subject.as_ref().map(|subject| format!("{whose} {subject}")),
            self.key.as_ref().map(|key| format!("key {key}")),
            self.reference.as_ref().map(|reference| format!("gateway's reference {reference}")),
            self.entry.as_ref().map(|entry| format!("entry {entry}")),
            self.kind.map(|_| format!("gateway {}", amount(&self.gateway))),
            Some(format!("ledger {}", amount(&self.ledger))),
        ];
        told.into_iter().flatten().try_for_each(|told| write!(f, "; {told}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_in_major_units_with_their_sign() {
        let amount = |amount, code: &str| Amount { amount, currency: code.parse().unwrap() }.to_string();
        assert_eq!(amount(-12_050, "USD"), "-120.50 USD");
        assert_eq!(amount(7, "USD"), "0.07 USD");
        assert_eq!(amount(-5, "JPY"), "-5 JPY");
    }
}
