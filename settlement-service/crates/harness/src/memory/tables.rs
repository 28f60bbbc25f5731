//! What the store holds; a unit of work stages its writes in the same shape.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use settlement_domain::ledger::Transaction;
use settlement_domain::settlement::Resolution;
use settlement_domain::standing::Reinstatement;
use settlement_domain::{
    AuctionId, CallKey, GatewayCall, Grace, Payout, PayoutId, Settlement, SettlementId, Standing, UserId, saga,
};
use settlement_ports::{Early, OutboxRecord};
use uuid::Uuid;

#[derive(Default)]
pub(super) struct Tables {
    pub settlements: BTreeMap<SettlementId, Settlement>,
    pub winners: HashSet<(AuctionId, UserId)>,
    pub payouts: BTreeMap<PayoutId, Payout>,
    pub calls: BTreeMap<CallKey, GatewayCall>,
    pub early: Vec<(AuctionId, Early)>,
    pub standings: BTreeMap<UserId, Standing>,
    pub resolutions: Vec<Resolution>,
    pub reinstatements: Vec<Reinstatement>,
    pub answers: HashMap<(UserId, String), ([u8; 32], Value)>,
    pub seen: HashSet<Uuid>,
    pub last_sequence: HashMap<(String, String), u64>,
    pub outbox: BTreeMap<i64, OutboxRecord>,
    pub next_outbox_id: i64,
    pub ledger: BTreeMap<String, Transaction>,
    pub relay: Relay,
    /// What people got for the last outage.
    pub grace: Option<Grace>,
}

/// Who relays the outbox.
#[derive(Default)]
pub(super) struct Relay {
    pub holder: String,
    pub epoch: i64,
    pub until: Option<DateTime<Utc>>,
}

impl Tables {
    /// Takes in what a unit of work staged.
    pub fn merge(&mut self, staged: Self) {
        self.settlements.extend(staged.settlements);
        self.winners.extend(staged.winners);
        self.payouts.extend(staged.payouts);
        self.calls.extend(staged.calls);
        self.early.extend(staged.early);
        self.standings.extend(staged.standings);
        self.resolutions.extend(staged.resolutions);
        self.reinstatements.extend(staged.reinstatements);
        self.answers.extend(staged.answers);
        self.seen.extend(staged.seen);
        self.last_sequence.extend(staged.last_sequence);
        self.outbox.extend(staged.outbox);
        for (reference, transaction) in staged.ledger {
            self.ledger.entry(reference).or_insert(transaction);
        }
    }

    /// Settlements whose timer is due, the most overdue first.
    pub fn due_timers(&self, now: DateTime<Utc>) -> Vec<SettlementId> {
        let due = |settlement: &Settlement| Some((saga::due_at(settlement)?, settlement.id()));
        let mut due: Vec<_> = self.settlements.values().filter_map(due).filter(|(at, _)| *at <= now).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// Standings whose timer is due, the most overdue first.
    pub fn due_standings(&self, now: DateTime<Utc>) -> Vec<UserId> {
        let due = |standing: &Standing| Some((standing.due_at()?, standing.user_id().clone()));
        let mut due: Vec<_> = self.standings.values().filter_map(due).filter(|(at, _)| *at <= now).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, user)| user).collect()
    }

    /// Calls that are due, the most overdue first.
    pub fn due_calls(&self, now: DateTime<Utc>) -> Vec<CallKey> {
        let due = |call: &GatewayCall| Some((call.due_at()?, call.key()));
        let mut due: Vec<_> = self.calls.values().filter_map(due).filter(|(at, _)| *at <= now).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key).collect()
    }
}
