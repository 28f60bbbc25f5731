//! Who and what: ids of aggregates (UUIDs) and of people.
//!
//! The gateway is told by the ids of settlements and payouts, so those follow from what they are for: a service that has
//! forgotten some of them, because its database was restored to a moment before them, begins the same ones again, and the
//! gateway answers to the same keys as it did before.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

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

impl SettlementId {
    /// The settlement of an auction with one of its buyers, of which there is one at most. A UUID of version 7, so that
    /// settlements are listed in the order in which their auctions closed.
    #[must_use]
    pub fn of_sale(auction_id: AuctionId, buyer_id: &UserId, closed_at: DateTime<Utc>) -> Self {
        Self::at(u64::try_from(closed_at.timestamp_millis()).unwrap_or_default(), auction_id, buyer_id)
    }

    /// The settlement of a second chance: listed right after the one that asked for it.
    #[must_use]
    pub fn of_offer(asker: Self, auction_id: AuctionId, contender: &UserId) -> Self {
        // The first 48 bits of the 128 are the milliseconds.
        let millis = u64::try_from(asker.0.as_u128() >> 80).unwrap_or_default();
        Self::at(millis + 1, auction_id, contender)
    }

    fn at(millis: u64, auction_id: AuctionId, buyer_id: &UserId) -> Self {
        let hash = Uuid::new_v5(&auction_id.0, buyer_id.0.as_bytes()).into_bytes();
        let mut rest = [0; 10];
        rest.copy_from_slice(&hash[6..]);
        Self(Builder::from_unix_timestamp_millis(millis, &rest).into_uuid())
    }
}

uuid_id! {
    /// What a seller is paid at once for any number of settlements.
    PayoutId
}

impl PayoutId {
    /// The payout of these settlements, each with the number of the payout that it is to it, from 1: what was refused for
    /// good is paid by another one.
    #[must_use]
    pub fn of(items: &[(SettlementId, u32)]) -> Self {
        let items: Vec<String> = items.iter().map(|(id, number)| format!("{id}:{number}")).collect();
        Self(Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("outcry:payout:{}", items.join(",")).as_bytes()))
    }
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

    fn sold(auction: u128, buyer: &str, closed_at_ms: i64) -> SettlementId {
        let closed_at = DateTime::from_timestamp_millis(closed_at_ms).unwrap();
        SettlementId::of_sale(Uuid::from_u128(auction).into(), &buyer.parse().unwrap(), closed_at)
    }

    #[test]
    fn the_settlement_of_a_sale_is_the_same_whenever_it_is_heard_of_and_no_other_sales() {
        assert_eq!(sold(1, "bert", 7), sold(1, "bert", 7));
        assert_ne!(sold(1, "bert", 7), sold(2, "bert", 7));
        assert_ne!(sold(1, "bert", 7), sold(1, "carl", 7));
    }

    #[test]
    fn settlements_sort_by_the_close_and_offers_after_whoever_asked_for_them() {
        let (first, second) = (sold(2, "bert", 1_000), sold(1, "bert", 1_001));
        assert!(first < second);
        let auction = AuctionId::from(Uuid::from_u128(2));
        let offer = SettlementId::of_offer(first, auction, &"carl".parse().unwrap());
        let next = SettlementId::of_offer(offer, auction, &"dave".parse().unwrap());
        assert!(first < offer && offer < next);
        assert_eq!(offer, SettlementId::of_offer(first, auction, &"carl".parse().unwrap()));
        assert_eq!(offer.as_uuid().get_version_num(), 7);
    }

    #[test]
    fn a_payout_is_known_by_what_it_pays_for_and_the_how_many_th_it_is() {
        let [one, two] = [1, 2].map(|number| SettlementId::from(Uuid::from_u128(number)));
        assert_eq!(PayoutId::of(&[(one, 1), (two, 1)]), PayoutId::of(&[(one, 1), (two, 1)]));
        assert_ne!(PayoutId::of(&[(one, 1)]), PayoutId::of(&[(one, 1), (two, 1)]));
        assert_ne!(PayoutId::of(&[(one, 1)]), PayoutId::of(&[(one, 2)]));
    }

    #[test]
    fn a_user_id_has_one_to_128_characters() {
        assert!("".parse::<UserId>().is_err());
        assert!("ü".repeat(128).parse::<UserId>().is_ok());
        assert!("a".repeat(129).parse::<UserId>().is_err());
    }
}
