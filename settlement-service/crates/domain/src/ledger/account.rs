//! The chart of accounts. Clearing is what the gateway holds for us; all the others say whose it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "account", content = "owner", rename_all = "snake_case")]
pub enum Account {
    /// What a buyer owes (debit) or has paid without a lot for it (credit).
    Bidder(UserId),
    /// Money at the payment gateway.
    GatewayClearing,
    /// Buyers' money, held until they have the goods.
    Escrow,
    /// What a seller has earned and was not paid yet.
    SellerPayable(UserId),
    /// The platform's commission, the seller's side of its earnings.
    PlatformRevenue,
    /// Buyers' premiums, the buyer's side of its earnings.
    Fees,
    /// Tax that buyers paid, owed to the tax office.
    Tax,
}

/// An account without its owner: a line of the trial balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// All buyers.
    Bidder,
    /// Money at the payment gateway.
    GatewayClearing,
    /// Buyers' money in trust.
    Escrow,
    /// All sellers.
    SellerPayable,
    /// Commission.
    PlatformRevenue,
    /// Buyers' premiums.
    Fees,
    /// Owed to the tax office.
    Tax,
}

impl Account {
    /// Which line of the chart it belongs to.
    #[must_use]
    pub const fn kind(&self) -> AccountKind {
        match self {
            Self::Bidder(_) => AccountKind::Bidder,
            Self::GatewayClearing => AccountKind::GatewayClearing,
            Self::Escrow => AccountKind::Escrow,
            Self::SellerPayable(_) => AccountKind::SellerPayable,
            Self::PlatformRevenue => AccountKind::PlatformRevenue,
            Self::Fees => AccountKind::Fees,
            Self::Tax => AccountKind::Tax,
        }
    }

    /// Whose sub-account it is, if it is kept per person.
    #[must_use]
    pub const fn owner(&self) -> Option<&UserId> {
        match self {
            Self::Bidder(owner) | Self::SellerPayable(owner) => Some(owner),
            Self::GatewayClearing | Self::Escrow | Self::PlatformRevenue | Self::Fees | Self::Tax => None,
        }
    }
}

impl AccountKind {
    /// All of them, in the order of the chart.
    pub const ALL: [Self; 7] = [
        Self::Bidder,
        Self::GatewayClearing,
        Self::Escrow,
        Self::SellerPayable,
        Self::PlatformRevenue,
        Self::Fees,
        Self::Tax,
    ];

    /// The name in the API and the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bidder => "bidder",
            Self::GatewayClearing => "gateway_clearing",
            Self::Escrow => "escrow",
            Self::SellerPayable => "seller_payable",
            Self::PlatformRevenue => "platform_revenue",
            Self::Fees => "fees",
            Self::Tax => "tax",
        }
    }
}

impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No account has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the chart of accounts has no {0:?}")]
pub struct UnknownAccount(String);

impl FromStr for AccountKind {
    type Err = UnknownAccount;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownAccount(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_found_by_its_name() {
        for kind in AccountKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("petty_cash".parse::<AccountKind>().is_err());
    }
}
