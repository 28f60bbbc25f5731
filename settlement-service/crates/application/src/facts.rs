//! What other services tell: a lot was sold, an award given up, a contender named, a lot listed again. Each has its
//! effect once, and the same one in whatever order they come.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::saga::{self, Change};
use settlement_domain::settlement::{InvalidSale, Sale, Terms};
use settlement_domain::{AuctionId, Money, Schedules, Settlement, SettlementId, UserId};
use settlement_ports::{
    Early, Fact, FactHandler, HandleError, Handled, Inserted, Locked, Receipt, Seen, SettlementStore, SettlementTx,
    StoreError,
};
use uuid::{NoContext, Timestamp, Uuid};

use crate::batch::Batch;
use crate::retry::on_conflict;

/// Takes facts in.
#[derive(Clone)]
pub struct Facts {
    store: Arc<dyn SettlementStore>,
    terms: Terms,
    fees: Arc<Schedules>,
}

impl Facts {
    /// Over a store; new settlements begin with these terms, and with the fees that hold at that moment.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>, terms: Terms, fees: Schedules) -> Self {
        Self { store, terms, fees: Arc::new(fees) }
    }

    async fn take_in(&self, receipt: &Receipt, fact: &Fact) -> Result<Result<Handled, HandleError>, StoreError> {
        let mut tx = self.store.begin().await?;
        // A gap is no news here: this service takes in only some of an auction's events.
        match tx.receive(receipt).await? {
            Seen::Duplicate => return Ok(Ok(Handled::Duplicate)),
            Seen::New | Seen::Gap { .. } => {}
        }
        let Some(auction) = fact.auction_id() else { return Ok(Ok(Handled::Duplicate)) };
        let settlements = tx.lock_auction(auction).await?;
        let effect = match fact {
            Fact::AuctionSold(sales) => self.sold(tx.as_mut(), auction, sales).await?,
            Fact::AwardDeclined { buyer_id, .. } => {
                Ok(award_declined(tx.as_mut(), auction, settlements, buyer_id).await?)
            }
            Fact::ContenderNominated { settlement_id, contender, price, .. } => {
                self.nominated(tx.as_mut(), settlements, *settlement_id, (contender, *price)).await?
            }
            Fact::ContendersExhausted { settlement_id, .. } => {
                Ok(change(settlements, |asker| asker.id() == *settlement_id, saga::exhausted))
            }
            Fact::Relisted { .. } => Ok(relisted(tx.as_mut(), auction, settlements).await?),
        };
        let (handled, batch) = match effect {
            Ok(effect) => effect,
            Err(error) => return Ok(Err(HandleError::Poison(error.to_string()))),
        };
        batch.write(tx.as_mut()).await?;
        tx.commit().await?;
        Ok(Ok(handled))
    }

    /// A settlement starts for each winner. What was told of them before comes into its own now.
    async fn sold(
        &self,
        tx: &mut dyn SettlementTx,
        auction: AuctionId,
        sales: &[Sale],
    ) -> Result<Result<Effect, InvalidSale>, StoreError> {
        let now = tx.now().await?;
        let early = tx.early(auction).await?;
        let (mut handled, mut batch) = (Handled::Duplicate, Batch::default());
        for sale in sales {
            let begun = Settlement::start(new_id(now), sale.clone(), self.terms, &self.fees, now);
            let (settlement, started) = match begun {
                Ok(begun) => begun,
                Err(error) => return Ok(Err(error)),
            };
            if let Inserted::Exists = tx.insert(&settlement).await? {
                continue;
            }
            handled = Handled::Applied;
            batch.add_events([started]);
            if early.contains(&Early::AwardDeclined(sale.buyer_id.clone())) {
                batch.add(saga::award_declined(settlement, now));
            } else if early.contains(&Early::Relisted) {
                batch.add(saga::relisted(settlement, now));
            }
        }
        Ok(Ok((handled, batch)))
    }

    /// The next contender is offered the lot, at the fees of this moment.
    async fn nominated(
        &self,
        tx: &mut dyn SettlementTx,
        settlements: Vec<Locked<Settlement>>,
        asker: SettlementId,
        (contender, price): (&UserId, Money),
    ) -> Result<Result<Effect, InvalidSale>, StoreError> {
        let mut batch = Batch::default();
        let Some(locked) = settlements.into_iter().find(|locked| locked.aggregate.id() == asker) else {
            return Ok(Ok((Handled::Duplicate, batch)));
        };
        let unanswered = locked.aggregate.clone();
        let nomination =
            saga::nominated(locked.aggregate, new_id(locked.now), (contender.clone(), price), &self.fees, locked.now);
        let nomination = match nomination {
            Ok(nomination) => nomination,
            Err(error) => return Ok(Err(error)),
        };
        match nomination.offer {
            // Who had a chance at the lot is not named again; should it be, nobody is left to name.
            Some((offer, _)) if tx.insert(&offer).await? == Inserted::Exists => {
                batch.add(saga::exhausted(unanswered, locked.now));
            }
            Some((_, events)) => {
                batch.add(nomination.asker);
                batch.add_events(events);
            }
            None => batch.add(nomination.asker),
        }
        Ok(Ok((Handled::Applied, batch)))
    }
}

/// Whether anything took effect, and what has to be written.
type Effect = (Handled, Batch);

/// Changes the settlements that are meant.
fn change(
    settlements: Vec<Locked<Settlement>>,
    meant: impl Fn(&Settlement) -> bool,
    how: impl Fn(Settlement, DateTime<Utc>) -> Change,
) -> Effect {
    let mut batch = Batch::default();
    for locked in settlements.into_iter().filter(|locked| meant(&locked.aggregate)) {
        batch.add(how(locked.aggregate, locked.now));
    }
    (Handled::Applied, batch)
}

async fn award_declined(
    tx: &mut dyn SettlementTx,
    auction: AuctionId,
    settlements: Vec<Locked<Settlement>>,
    buyer: &UserId,
) -> Result<Effect, StoreError> {
    let meant = |settlement: &Settlement| settlement.buyer_id() == buyer;
    if !settlements.iter().any(|locked| meant(&locked.aggregate)) {
        tx.keep_early(auction, &Early::AwardDeclined(buyer.clone())).await?;
    }
    Ok(change(settlements, meant, saga::award_declined))
}

async fn relisted(
    tx: &mut dyn SettlementTx,
    auction: AuctionId,
    settlements: Vec<Locked<Settlement>>,
) -> Result<Effect, StoreError> {
    if settlements.is_empty() {
        tx.keep_early(auction, &Early::Relisted).await?;
    }
    Ok(change(settlements, |_| true, saga::relisted))
}

#[async_trait]
impl FactHandler for Facts {
    async fn handle(&self, receipt: Receipt, fact: Fact) -> Result<Handled, HandleError> {
        on_conflict(|| self.take_in(&receipt, &fact))
            .await
            .unwrap_or_else(|error| Err(HandleError::Retry(error.to_string())))
    }
}

/// A UUID of version 7 made of the database's time.
fn new_id(now: DateTime<Utc>) -> SettlementId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    SettlementId::from(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
}
