//! The account `gateway_clearing` and the calls that moved it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::call::CallStatus;
use settlement_domain::ledger::{AccountKind, Side, Transaction};
use settlement_domain::{Answer, CallKey, GatewayCall, GatewayRef, MovementKind};
use settlement_ports::{Booked, ClearingPlace, ClearingReads, KnownCall, StoreError};

use super::MemoryStore;
use super::tables::Tables;

#[async_trait]
impl ClearingReads for MemoryStore {
    async fn known_calls(&self, keys: &[CallKey]) -> Result<Vec<KnownCall>, StoreError> {
        self.faults.enter("clearing.known_calls")?.done()?;
        let committed = self.committed();
        let mut keys = keys.to_vec();
        keys.sort();
        keys.dedup();
        let calls = keys.iter().filter_map(|key| committed.calls.get(key));
        Ok(calls
            .map(|call| KnownCall {
                key: call.key(),
                status: call.status().clone(),
                booked: committed.moved_by(call).map(|booked| Booked { call: None, ..booked }),
            })
            .collect())
    }

    async fn clearing(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: Option<ClearingPlace>,
        limit: u32,
    ) -> Result<Vec<Booked>, StoreError> {
        self.faults.enter("clearing.clearing")?.done()?;
        let committed = self.committed();
        let mut lines: Vec<Booked> = committed.ledger.values().filter_map(|entry| committed.booked(entry)).collect();
        let place = |booked: &Booked| ClearingPlace { at: booked.at, entry: booked.entry.clone() };
        lines.retain(|booked| booked.at >= from && booked.at < to);
        lines.retain(|booked| after.as_ref().is_none_or(|after| place(booked) > *after));
        lines.sort_by_key(place);
        lines.truncate(limit as usize);
        Ok(lines)
    }
}

impl Tables {
    fn booked(&self, entry: &Transaction) -> Option<Booked> {
        let kind = MovementKind::of_entry(entry.kind());
        let line = entry.postings().iter().find(|line| line.account.kind() == AccountKind::GatewayClearing)?;
        let (reference, mut last, mut reversed) = (entry.reference(), entry.reference(), false);
        while self.ledger.contains_key(&format!("{last}:reversed")) {
            last.push_str(":reversed");
            reversed = !reversed;
        }
        Some(Booked {
            kind,
            amount: line.amount,
            at: entry.at(),
            came_in: line.side == Side::Debit,
            reversal: entry.reversal().is_some(),
            reversed,
            call: kind.and_then(|kind| self.call_of(&reference, kind)),
            entry: reference,
        })
    }

    /// The call that moved what an entry tells of.
    fn call_of(&self, entry: &str, kind: MovementKind) -> Option<(CallKey, GatewayRef)> {
        let group = entry.split(':').next()?;
        let of_it = |key: &CallKey| key.group() == group && key.operation() == Some(kind.operation());
        self.calls.iter().filter(|(key, _)| of_it(key)).find_map(|(key, call)| match call.status() {
            CallStatus::Answered(Answer::Succeeded { reference }) => Some((key.clone(), reference.clone())),
            _ => None,
        })
    }

    fn moved_by(&self, call: &GatewayCall) -> Option<Booked> {
        let (key, kind) = (call.key(), MovementKind::of_operation(call.operation())?);
        let entry = |name: &str| self.ledger.get(&format!("{}:{name}", key.group()));
        kind.entries().iter().find_map(|kind| self.booked(entry(kind.name())?))
    }
}
