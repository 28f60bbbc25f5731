//! The names under which bidders appear to each other.
//!
//! An alias is stable within an auction and tells nothing across auctions: HMAC-SHA-256 (RFC 2104)
//! under a secret of the service, of the auction's id and the bidder.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    chain::Link,
    ids::{AuctionId, UserId},
};

/// Least length of the secret, bytes.
pub const MIN_SECRET_BYTES: usize = 32;

/// RFC 4648 §6, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A bidder's name within one auction, e.g. `bidder-k3vq7xa2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Alias(String);

impl Alias {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The secret is too short to hide anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the alias secret has at least {MIN_SECRET_BYTES} bytes, not {0}")]
pub struct SecretTooShort(pub usize);

/// Gives aliases. Whoever has the secret can link bidders across auctions.
#[derive(Clone)]
pub struct Aliases(Hmac<Sha256>);

impl Aliases {
    /// Aliases under `secret`, at least [`MIN_SECRET_BYTES`] long.
    pub fn new(secret: &[u8]) -> Result<Self, SecretTooShort> {
        let too_short = SecretTooShort(secret.len());
        if secret.len() < MIN_SECRET_BYTES {
            return Err(too_short);
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| too_short)
    }

    /// What `bidder` is called in `auction`: 40 bits of the MAC.
    #[must_use]
    pub fn of(&self, auction: AuctionId, bidder: &UserId) -> Alias {
        // The id has a fixed length, so no two pairs make the same message.
        let mac = self.0.clone().chain_update(auction.0.as_bytes()).chain_update(bidder.0.as_bytes()).finalize();
        let bits = mac.into_bytes().iter().take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        let letters = (0..8).rev().map(|place| char::from(BASE32[(bits >> (place * 5) & 31) as usize]));
        Alias("bidder-".chars().chain(letters).collect())
    }
}

impl Aliases {
    /// A link of a log's chain as it may be shown: whoever does not have the secret cannot try out which reserve or
    /// which maximum the log has.
    #[must_use]
    pub fn sealed(&self, link: Link) -> Link {
        Link(self.0.clone().chain_update(b"outcry receipt v1").chain_update(link.0).finalize().into_bytes().into())
    }
}

impl fmt::Debug for Aliases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aliases(secret)")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn aliases(secret: u8) -> Aliases {
        Aliases::new(&[secret; 32]).unwrap()
    }

    fn auction(id: u128) -> AuctionId {
        AuctionId(Uuid::from_u128(id))
    }

    fn ann() -> UserId {
        UserId("ann".to_owned())
    }

    #[test]
    fn an_alias_is_stable_within_an_auction() {
        assert_eq!(aliases(1).of(auction(1), &ann()), aliases(1).of(auction(1), &ann()));
    }

    #[test]
    fn an_alias_differs_between_auctions_bidders_and_secrets() {
        let known = aliases(1).of(auction(1), &ann());
        assert_ne!(known, aliases(1).of(auction(2), &ann()));
        assert_ne!(known, aliases(1).of(auction(1), &UserId("bob".to_owned())));
        assert_ne!(known, aliases(2).of(auction(1), &ann()));
    }

    #[test]
    fn an_alias_is_eight_letters_of_base32_of_the_mac() {
        // Computed with another implementation of HMAC-SHA-256 and base32.
        assert_eq!(aliases(7).of(auction(42), &ann()).as_str(), "bidder-6p4bobtm");
    }

    #[test]
    fn a_short_secret_is_refused_and_a_secret_is_never_printed() {
        assert_eq!(Aliases::new(&[1; 31]).unwrap_err(), SecretTooShort(31));
        assert_eq!(format!("{:?}", aliases(1)), "Aliases(secret)");
    }
}
