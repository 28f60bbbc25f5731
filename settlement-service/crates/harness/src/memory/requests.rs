//! What a unit of work does about requests and events, each of which takes effect once.

use std::collections::BTreeSet;

use serde_json::Value;
use settlement_ports::{Claim, Receipt, RequestKey, Seen, StoreError};

use super::LockKey;
use super::tx::MemoryTx;

impl MemoryTx {
    pub(super) fn claimed(&mut self, keys: &[RequestKey]) -> Result<Vec<Claim>, StoreError> {
        let entered = self.enter("tx.claim")?;
        let mut claims = Vec::new();
        for key in keys {
            if !self.try_hold(LockKey::Request(key.principal.clone(), key.key.clone())) {
                claims.push(Claim::Running);
                continue;
            }
            let answer = self.store.committed().answers.get(&(key.principal.clone(), key.key.clone())).cloned();
            claims.push(match answer {
                None => Claim::New,
                Some((fingerprint, answer)) if fingerprint == key.fingerprint => Claim::Replay(answer),
                Some(_) => Claim::Mismatch,
            });
        }
        self.done(entered)?;
        Ok(claims)
    }

    pub(super) fn answered(&mut self, answers: &[(RequestKey, Value)]) -> Result<(), StoreError> {
        let entered = self.enter("tx.answer")?;
        for (key, answer) in answers {
            let by = (key.principal.clone(), key.key.clone());
            let lock = LockKey::Request(by.0.clone(), by.1.clone());
            assert!(self.held.contains_key(&lock), "an answer without a claim");
            let before = self.staged.answers.insert(by, (key.fingerprint, answer.clone()));
            assert!(before.is_none(), "a key answered twice");
        }
        self.done(entered)
    }

    pub(super) async fn received(&mut self, receipts: &[Receipt]) -> Result<Vec<Seen>, StoreError> {
        let entered = self.enter("tx.receive")?;
        let places: BTreeSet<_> =
            receipts.iter().map(|receipt| (receipt.source.clone(), receipt.key.clone())).collect();
        for (source, key) in places {
            self.hold(LockKey::Event(source, key)).await;
        }
        let mut all = Vec::new();
        for receipt in receipts {
            let by = (receipt.source.clone(), receipt.key.clone());
            let (known, last) = {
                let committed = self.store.committed();
                let known = committed.seen.contains(&receipt.event_id) || self.staged.seen.contains(&receipt.event_id);
                let last = self.staged.last_sequence.get(&by).or_else(|| committed.last_sequence.get(&by));
                (known, last.copied().unwrap_or_default())
            };
            if known || receipt.sequence <= last {
                all.push(Seen::Duplicate);
                continue;
            }
            self.staged.seen.insert(receipt.event_id);
            self.staged.last_sequence.insert(by, receipt.sequence);
            all.push(if receipt.sequence == last + 1 { Seen::New } else { Seen::Gap { expected: last + 1 } });
        }
        self.done(entered)?;
        Ok(all)
    }
}
