//! What other services tell: a lot was sold, an award given up, a contender named, a lot listed again. Each has its
//! effect once, and the same one in whatever order they come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::saga::{self, Change, Nomination};
use settlement_domain::settlement::{InvalidSale, Sale, State, Terms};
use settlement_domain::{AuctionId, Money, Schedules, Settlement, SettlementId, Status, UserId};
use settlement_ports::{
    Early, Fact, FactHandler, HandleError, Handled, Incoming, Inserted, Locked, Receipt, Seen, SettlementStore,
    SettlementTx, StoreError,
};
use tracing::Span;

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

    /// Takes in facts about different auctions.
    async fn take_in(&self, batch: &[&Incoming]) -> Result<Result<Vec<Handled>, HandleError>, StoreError> {
        let mut unit = Unit { tx: self.store.begin().await?, batch: Batch::default(), facts: self };
        let receipts: Vec<Receipt> = batch.iter().map(|incoming| incoming.receipt.clone()).collect();
        // A gap is no news here: this service takes in only some of an auction's events.
        let seen = unit.tx.receive_all(&receipts).await?;
        let fresh = |seen: &Seen| *seen != Seen::Duplicate;
        let news = || batch.iter().zip(&seen).filter(|(_, seen)| fresh(seen)).map(|(incoming, _)| *incoming);
        let auctions: Vec<AuctionId> = news().filter_map(|incoming| incoming.fact.auction_id()).collect();
        if auctions.is_empty() {
            return Ok(Ok(vec![Handled::Duplicate; batch.len()]));
        }
        let mut of_auction: BTreeMap<AuctionId, Vec<Locked<Settlement>>> = BTreeMap::new();
        for locked in unit.tx.lock_auctions(&auctions).await? {
            of_auction.entry(locked.aggregate.auction_id()).or_default().push(locked);
        }
        let mut settlements = |auction| of_auction.remove(&auction).unwrap_or_default();
        let mut handled: BTreeMap<AuctionId, Handled> = match unit.sold(news()).await? {
            Ok(handled) => handled,
            Err(error) => return Ok(Err(HandleError::Poison(error.to_string()))),
        };
        for incoming in news() {
            let Some(auction) = incoming.fact.auction_id() else { continue };
            if !matches!(incoming.fact, Fact::AuctionSold(_)) {
                match unit.follow(incoming, auction, settlements(auction)).await? {
                    Ok(effect) => handled.insert(auction, effect),
                    Err(error) => return Ok(Err(HandleError::Poison(error.to_string()))),
                };
            }
        }
        let Unit { mut tx, batch: changes, .. } = unit;
        changes.write(tx.as_mut()).await?;
        tx.commit().await?;
        let effect = |(incoming, seen): (&&Incoming, &Seen)| {
            let auction = incoming.fact.auction_id().filter(|_| fresh(seen));
            auction.and_then(|auction| handled.get(&auction)).copied().unwrap_or(Handled::Duplicate)
        };
        Ok(Ok(batch.iter().zip(&seen).map(effect).collect()))
    }
}

/// One unit of work.
struct Unit<'a> {
    tx: Box<dyn SettlementTx>,
    batch: Batch,
    facts: &'a Facts,
}

impl Unit<'_> {
    /// Of lots that were sold a settlement starts for each winner. What was told of them before comes into its own now.
    async fn sold<'i>(
        &mut self,
        news: impl Iterator<Item = &'i Incoming>,
    ) -> Result<Result<BTreeMap<AuctionId, Handled>, InvalidSale>, StoreError> {
        let sold: Vec<(&Sale, &Span)> = news
            .flat_map(|incoming| match &incoming.fact {
                Fact::AuctionSold(sales) => sales.iter().map(|sale| (sale, &incoming.span)).collect(),
                _ => Vec::new(),
            })
            .collect();
        let mut handled = BTreeMap::new();
        if sold.is_empty() {
            return Ok(Ok(handled));
        }
        let now = self.tx.now().await?;
        let auctions: BTreeSet<AuctionId> = sold.iter().map(|(sale, _)| sale.auction_id).collect();
        let early = self.tx.early_of_all(&auctions.into_iter().collect::<Vec<_>>()).await?;
        let (mut settlements, mut started) = (Vec::new(), Vec::new());
        for (sale, span) in sold {
            let id = SettlementId::of_sale(sale.auction_id, &sale.buyer_id, sale.closed_at);
            let begun = Settlement::start(id, sale.clone(), self.facts.terms, &self.facts.fees, now);
            let (settlement, event) = match begun {
                Ok(begun) => begun,
                Err(error) => return Ok(Err(error)),
            };
            self.tx.trace(settlement.id(), span);
            settlements.push(settlement);
            started.push(event);
        }
        let inserted = self.tx.insert_all(&settlements).await?;
        for ((settlement, started), inserted) in settlements.into_iter().zip(started).zip(inserted) {
            let auction = settlement.auction_id();
            let effect = handled.entry(auction).or_insert(Handled::Duplicate);
            if inserted == Inserted::Exists {
                continue;
            }
            *effect = Handled::Applied;
            self.batch.add_events([started]);
            let declined = Early::AwardDeclined(settlement.buyer_id().clone());
            if early.contains(&(auction, declined)) {
                self.batch.decide(settlement, |it| saga::award_declined(it, now));
            } else if early.contains(&(auction, Early::Relisted)) {
                self.batch.decide(settlement, |it| saga::relisted(it, now));
            }
        }
        Ok(Ok(handled))
    }

    /// Everything that is told of a lot after it was sold.
    async fn follow(
        &mut self,
        incoming: &Incoming,
        auction: AuctionId,
        settlements: Vec<Locked<Settlement>>,
    ) -> Result<Result<Handled, InvalidSale>, StoreError> {
        for locked in &settlements {
            self.tx.trace(locked.aggregate.id(), &incoming.span);
        }
        match &incoming.fact {
            Fact::AuctionSold(_) => {}
            Fact::AwardDeclined { buyer_id, .. } => self.award_declined(auction, settlements, buyer_id).await?,
            Fact::ContenderNominated { settlement_id, contender, price, .. } => {
                let asker = settlements.into_iter().find(|locked| locked.aggregate.id() == *settlement_id);
                let Some(asker) = asker else { return Ok(Ok(Handled::Duplicate)) };
                return self.nominated(asker, (contender, *price), &incoming.span).await;
            }
            Fact::ContendersExhausted { settlement_id, .. } => {
                self.change(settlements, |asker| asker.id() == *settlement_id, saga::exhausted);
            }
            Fact::Relisted { .. } => self.relisted(auction, settlements).await?,
        }
        Ok(Ok(Handled::Applied))
    }

    /// The next contender is offered the lot, at the fees of this moment.
    async fn nominated(
        &mut self,
        asker: Locked<Settlement>,
        (contender, price): (&UserId, Money),
        span: &Span,
    ) -> Result<Result<Handled, InvalidSale>, StoreError> {
        let Locked { aggregate: asker, now } = asker;
        let unanswered = asker.clone();
        let id = SettlementId::of_offer(asker.id(), asker.auction_id(), contender);
        let nomination = saga::nominated(asker, id, (contender.clone(), price), &self.facts.fees, now);
        let Nomination { asker, offer } = match nomination {
            Ok(nomination) => nomination,
            Err(error) => return Ok(Err(error)),
        };
        let Some((offer, events)) = offer else {
            self.batch.decide(unanswered, |_| asker);
            return Ok(Ok(Handled::Applied));
        };
        self.tx.trace(offer.id(), span);
        if self.tx.insert_all(&[offer]).await?.contains(&Inserted::New) {
            self.batch.decide(unanswered, |_| asker);
            self.batch.add_events(events);
        } else {
            // Who had a chance at the lot is not named again; should it be, nobody is left to name.
            self.batch.decide(unanswered, |it| saga::exhausted(it, now));
        }
        Ok(Ok(Handled::Applied))
    }

    /// Changes the settlements that are meant.
    fn change(
        &mut self,
        settlements: Vec<Locked<Settlement>>,
        meant: impl Fn(&Settlement) -> bool,
        how: impl Fn(Settlement, DateTime<Utc>) -> Change,
    ) {
        for Locked { aggregate, now } in settlements.into_iter().filter(|locked| meant(&locked.aggregate)) {
            self.batch.decide(aggregate, |it| how(it, now));
        }
    }

    async fn award_declined(
        &mut self,
        auction: AuctionId,
        settlements: Vec<Locked<Settlement>>,
        buyer: &UserId,
    ) -> Result<(), StoreError> {
        let meant = |settlement: &Settlement| settlement.buyer_id() == buyer;
        if !settlements.iter().any(|locked| meant(&locked.aggregate)) {
            self.tx.keep_early(auction, &Early::AwardDeclined(buyer.clone())).await?;
        }
        self.change(settlements, meant, saga::award_declined);
        Ok(())
    }

    async fn relisted(&mut self, auction: AuctionId, settlements: Vec<Locked<Settlement>>) -> Result<(), StoreError> {
        if settlements.is_empty() {
            self.tx.keep_early(auction, &Early::Relisted).await?;
        }
        for sold in settlements.iter().map(|locked| &locked.aggregate).filter(|settlement| is_sold(settlement)) {
            let (settlement, status) = (sold.id(), sold.status());
            tracing::error!(%auction, %settlement, %status, "a lot that is sold was listed again: look at it");
        }
        self.change(settlements, |_| true, saga::relisted);
        Ok(())
    }
}

/// Whether the buyer has the lot, or it is on its way there; also while the operator has to decide about it.
fn is_sold(settlement: &Settlement) -> bool {
    let status = match settlement.state() {
        State::NeedsOperator { stuck, .. } => stuck.status(),
        state => state.status(),
    };
    matches!(status, Status::Shipped | Status::Disputed | Status::Received | Status::Completed)
}

#[async_trait]
impl FactHandler for Facts {
    async fn handle_all(&self, batch: &[Incoming]) -> Result<Vec<Handled>, HandleError> {
        let mut handled = Vec::with_capacity(batch.len());
        for unit in units(batch) {
            let taken_in = on_conflict(|| self.take_in(&unit)).await;
            handled.extend(taken_in.unwrap_or_else(|error| Err(refused(&error)))?);
        }
        Ok(handled)
    }
}

/// What is stored and cannot be read, a person has to look at; all else passes.
fn refused(error: &StoreError) -> HandleError {
    match error {
        StoreError::Corrupt(_) => HandleError::Poison(error.to_string()),
        StoreError::Conflict | StoreError::Locked | StoreError::Unavailable(_) => HandleError::Retry(error.to_string()),
    }
}

/// Facts in their order, cut where one is about an auction, or has a receipt of a source and key, that was there before:
/// what comes second has to find what the first one has left.
fn units(batch: &[Incoming]) -> Vec<Vec<&Incoming>> {
    let (mut units, mut auctions, mut keys) = (vec![Vec::new()], BTreeSet::new(), BTreeSet::new());
    for incoming in batch {
        let Receipt { source, key, .. } = &incoming.receipt;
        let known = incoming.fact.auction_id().is_some_and(|auction| auctions.contains(&auction));
        if known || keys.contains(&(source, key)) {
            units.push(Vec::new());
            auctions.clear();
            keys.clear();
        }
        auctions.extend(incoming.fact.auction_id());
        keys.insert((source, key));
        if let Some(unit) = units.last_mut() {
            unit.push(incoming);
        }
    }
    units.retain(|unit| !unit.is_empty());
    units
}

#[cfg(test)]
mod tests {
    use settlement_harness::Scene;

    use super::*;

    fn escrowed() -> Scene {
        let mut scene = Scene::sold();
        scene.buyer_pays("pm_card_visa");
        scene.worker_works();
        scene
    }

    #[test]
    fn a_lot_is_sold_once_it_is_shipped_whatever_holds_it_then() {
        let mut scene = escrowed();
        assert!(!is_sold(&scene.settlement()), "it may be called off yet");
        scene.seller_ships();
        assert!(is_sold(&scene.settlement()));
        scene.buyer_receives();
        scene.bank_takes_it_back("evt_1", "dp_1").unwrap();
        assert_eq!(scene.status(), Status::NeedsOperator);
        assert!(is_sold(&scene.settlement()), "the buyer has it, and the seller waits for the money");

        let mut disputed = escrowed();
        disputed.seller_ships();
        disputed.bank_takes_it_back("evt_1", "dp_1").unwrap();
        assert!(disputed.status() == Status::Disputed && is_sold(&disputed.settlement()));

        let stopped = escrowed();
        stopped.bank_takes_it_back("evt_1", "dp_1").unwrap();
        assert!(stopped.status() == Status::NeedsOperator && !is_sold(&stopped.settlement()), "it was not shipped");
    }
}
