//! Who and what: ids of aggregates (UUIDs, version 7 where this service makes them) and of people.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as a plain UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// One sale being settled: a lot, its seller and one buyer.
    SettlementId
}

uuid_id! {
    /// What a seller is paid at once for any number of settlements.
    PayoutId
}

uuid_id! {
    /// The auction the lot was sold in; the same as its listing's id.
    AuctionId
}

/// What money is moved for: the gateway is told by its id, and the ledger has it by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A buyer's money.
    #[serde(rename = "settlement_id")]
    Settlement(SettlementId),
    /// A seller's.
    #[serde(rename = "payout_id")]
    Payout(PayoutId),
}

impl Subject {
    /// The id as a plain UUID.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        match self {
            Self::Settlement(id) => id.as_uuid(),
            Self::Payout(id) => id.as_uuid(),
        }
    }

    /// The settlement, if it is one.
    #[must_use]
    pub const fn settlement_id(self) -> Option<SettlementId> {
        match self {
            Self::Settlement(id) => Some(id),
            Self::Payout(_) => None,
        }
    }

    /// The payout, if it is one.
    #[must_use]
    pub const fn payout_id(self) -> Option<PayoutId> {
        match self {
            Self::Settlement(_) => None,
            Self::Payout(id) => Some(id),
        }
    }
}

impl From<SettlementId> for Subject {
    fn from(id: SettlementId) -> Self {
        Self::Settlement(id)
    }
}

impl From<PayoutId> for Subject {
    fn from(id: PayoutId) -> Self {
        Self::Payout(id)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_uuid().fmt(f)
    }
}

/// A person or system, by the `sub` of its token: any 1 to 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

/// A user id is empty or longer than 128 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user id has 1 to 128 characters")]
pub struct InvalidUserId;

impl UserId {
    /// The `sub` as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = InvalidUserId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if (1..=128).contains(&text.chars().count()) { Ok(Self(text)) } else { Err(InvalidUserId) }
    }
}

impl FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_has_one_to_128_characters() {
        assert!("".parse::<UserId>().is_err());
        assert!("ü".repeat(128).parse::<UserId>().is_ok());
        assert!("a".repeat(129).parse::<UserId>().is_err());
    }
}
