//! Settlement asks who is next for a lot whose buyer did not pay; the auction answers by its log, once.

use bidding_domain::{auction::Transition, ids::AuctionId, second_chance::Asked};
use bidding_ports::store::{AuctionTx, Changes, Locked};

use crate::error::UseError;

/// Answers the question in the unit of work that has received it. A question that was answered before has no second
/// answer, however often it comes.
///
/// # Errors
/// [`UseError::NotFound`]: settlement names an auction that never was, which a person has to look at; the store's.
pub(crate) async fn answer(tx: &mut dyn AuctionTx, id: AuctionId, asked: &Asked) -> Result<(), UseError> {
    let Locked { auction, halts, now, .. } = tx.lock(id).await?.ok_or(UseError::NotFound)?;
    let bids = tx.standing_bids(id).await?;
    let Transition { auction, mut entries } = auction.catch_up(&halts, now);
    let contenders: Vec<_> = auction.contenders(asked, &bids).into_iter().map(|next| next.bidder).collect();
    let suspended = tx.suspended(&contenders).await?;
    let Some(answered) = auction.nominate(asked, &suspended, &bids, now) else { return Ok(()) };
    entries.extend(answered.entries);
    Ok(tx.save(Changes::of(answered.auction, entries)).await?)
}
