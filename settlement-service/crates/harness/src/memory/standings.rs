//! What a unit of work does about auctions as a whole, standings and the audit trail.

use std::collections::BTreeSet;

use settlement_domain::settlement::Resolution;
use settlement_domain::standing::Reinstatement;
use settlement_domain::{AuctionId, Settlement, Standing, StandingEvent, UserId};
use settlement_ports::{Early, FreeStandings, Locked, StoreError};

use super::LockKey;
use super::tx::MemoryTx;

impl MemoryTx {
    pub(super) async fn locked_auctions(&mut self, ids: &[AuctionId]) -> Result<Vec<Locked<Settlement>>, StoreError> {
        let entered = self.enter("tx.lock_auction")?;
        for id in ids.iter().collect::<BTreeSet<_>>() {
            self.hold(LockKey::Auction(*id)).await;
        }
        let of_auctions: Vec<_> = {
            let committed = self.store.committed();
            committed.settlements.values().filter(|one| ids.contains(&one.auction_id())).map(Settlement::id).collect()
        };
        let mut locked = Vec::new();
        for id in of_auctions {
            self.hold(LockKey::Settlement(id)).await;
            let now = self.store.clock.now();
            locked.extend(self.settlement(id).map(|settlement| self.store.locked(settlement, now)));
        }
        self.done(entered)?;
        Ok(locked)
    }

    fn assert_auction(&self, id: AuctionId) {
        assert!(self.held.contains_key(&LockKey::Auction(id)), "without the lock of auction {id}");
    }

    pub(super) fn kept_early(&mut self, id: AuctionId, early: &Early) -> Result<(), StoreError> {
        let entered = self.enter("tx.keep_early")?;
        self.assert_auction(id);
        let row = (id, early.clone());
        if !self.staged.early.contains(&row) && !self.store.committed().early.contains(&row) {
            self.staged.early.push(row);
        }
        self.done(entered)
    }

    pub(super) fn told_early(&mut self, ids: &[AuctionId]) -> Result<Vec<(AuctionId, Early)>, StoreError> {
        let entered = self.enter("tx.early")?;
        for id in ids {
            self.assert_auction(*id);
        }
        let early = {
            let committed = self.store.committed();
            let all = committed.early.iter().chain(&self.staged.early);
            all.filter(|(auction, _)| ids.contains(auction)).cloned().collect()
        };
        self.done(entered)?;
        Ok(early)
    }

    fn standing(&self, user: &UserId) -> Standing {
        let staged = self.staged.standings.get(user).cloned();
        let known = staged.or_else(|| self.store.committed().standings.get(user).cloned());
        known.unwrap_or_else(|| Standing::new(user.clone()))
    }

    pub(super) async fn locked_standing(&mut self, user: &UserId) -> Result<Locked<Standing>, StoreError> {
        let entered = self.enter("tx.lock_standing")?;
        self.hold(LockKey::Standing(user.clone())).await;
        let locked = Locked { aggregate: self.standing(user), now: self.store.clock.now() };
        self.done(entered)?;
        Ok(locked)
    }

    pub(super) fn locked_free_standings(&mut self, users: &[UserId]) -> Result<FreeStandings, StoreError> {
        let entered = self.enter("tx.lock_free_standings")?;
        let mut free = FreeStandings::default();
        for user in users {
            if self.try_hold(LockKey::Standing(user.clone())) {
                free.locked.insert(user.clone());
            }
        }
        self.done(entered)?;
        Ok(free)
    }

    pub(super) fn locked_due_standings(&mut self, limit: u32) -> Result<Vec<Locked<Standing>>, StoreError> {
        let entered = self.enter("tx.lock_due_standings")?;
        let now = self.store.clock.now();
        let due = self.store.committed().due_standings(now);
        let mut locked = Vec::new();
        for user in due {
            if locked.len() < limit as usize && self.try_hold(LockKey::Standing(user.clone())) {
                locked.push(Locked { aggregate: self.standing(&user), now });
            }
        }
        self.done(entered)?;
        Ok(locked)
    }

    pub(super) fn saved_standings(&mut self, standings: &[Standing]) -> Result<(), StoreError> {
        let entered = self.enter("tx.save_standings")?;
        for standing in standings {
            let lock = LockKey::Standing(standing.user_id().clone());
            assert!(self.held.contains_key(&lock), "saving without the lock of {}", standing.user_id());
            self.staged.standings.insert(standing.user_id().clone(), standing.clone());
        }
        self.done(entered)
    }

    pub(super) fn recorded_standings(&mut self, events: &[StandingEvent]) -> Result<(), StoreError> {
        let entered = self.enter("tx.record_standings")?;
        for event in events {
            let data = serde_json::to_value(event).unwrap();
            self.put_out(event.what.name(), event.user_id.to_string(), event.sequence, event.at, data);
        }
        self.done(entered)
    }

    pub(super) fn noted_resolutions(&mut self, resolutions: &[Resolution]) -> Result<(), StoreError> {
        let entered = self.enter("tx.note_resolutions")?;
        self.staged.resolutions.extend_from_slice(resolutions);
        self.done(entered)
    }

    pub(super) fn noted_reinstatement(&mut self, reinstatement: &Reinstatement) -> Result<(), StoreError> {
        let entered = self.enter("tx.note_reinstatement")?;
        self.staged.reinstatements.push(reinstatement.clone());
        self.done(entered)
    }
}
