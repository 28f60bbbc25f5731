//! A bidder bids.

use bidding_domain::{
    bid::{BidOutcome, Order, Refusal},
    ids::{AuctionId, BidId},
    money::Amount,
    views::AuctionView,
};
use bidding_ports::{
    error::StoreError,
    idempotency::{Claim, RequestKey},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use crate::{
    Answered, Auctions,
    error::{UseError, retrying},
};

/// What became of a bid. Both are decided, and both are kept for replays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum BidReply {
    /// The bid counts.
    Accepted {
        /// Its id.
        bid_id: BidId,
        /// What it did.
        outcome: BidOutcome,
        /// The auction after it, as the bidder sees it.
        auction: AuctionView,
    },
    /// The bid changed nothing.
    Refused {
        /// Why.
        refusal: Refusal,
    },
}

impl Auctions {
    /// Decides a bid of the key's principal of at most `max`, once for each idempotency key.
    ///
    /// # Errors
    /// [`UseError::NotFound`]; the key's and the store's. A refused bid is no error.
    pub async fn place_bid(
        &self,
        key: &RequestKey,
        auction: AuctionId,
        max: Amount,
    ) -> Result<Answered<BidReply>, UseError> {
        retrying(|| self.place_bid_once(key, auction, max)).await
    }

    async fn place_bid_once(
        &self,
        key: &RequestKey,
        auction: AuctionId,
        max: Amount,
    ) -> Result<Answered<BidReply>, UseError> {
        let mut tx = self.store.begin().await?;
        match tx.claim(key).await? {
            Claim::New => {}
            Claim::Replay(answer) => {
                let outcome = serde_json::from_value(answer).map_err(|error| corrupt(&error))?;
                return Ok(Answered { outcome, replayed: true });
            }
            Claim::Mismatch => return Err(UseError::KeyReused),
            Claim::Running => return Err(UseError::KeyRunning),
        }
        let bidder = &key.principal;
        let suspended = tx.is_suspended(bidder).await?;
        let locked = tx.lock(auction).await?.ok_or(UseError::NotFound)?;
        let order = Order { bid_id: new_bid_id(locked.now), bidder: bidder.clone(), max, suspended };
        let decision = locked.auction.place_bid(order, locked.now);
        let outcome = match decision.answer {
            Ok(bid) => {
                tx.save(&decision.auction, std::slice::from_ref(&bid)).await?;
                tx.record(&decision.events).await?;
                let auction = AuctionView::of(&decision.auction, locked.now, bidder, &self.aliases);
                BidReply::Accepted { bid_id: bid.id, outcome: bid.outcome, auction }
            }
            Err(refusal) => BidReply::Refused { refusal },
        };
        tx.answer(key, &serde_json::to_value(&outcome).map_err(|error| corrupt(&error))?).await?;
        tx.commit().await?;
        Ok(Answered { outcome, replayed: false })
    }
}

/// A `UUIDv7` of the database's time.
fn new_bid_id(now: DateTime<Utc>) -> BidId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    BidId(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
}

fn corrupt(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(error.to_string())
}
