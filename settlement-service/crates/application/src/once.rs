//! Requests take effect once, however often they come: the key is claimed and answered in the effect's unit of work.

use serde::Serialize;
use serde::de::DeserializeOwned;
use settlement_ports::{Claim, RequestKey, SettlementStore, SettlementTx};

use crate::{Answered, UseError};

/// What a request finds.
pub enum Opened<T> {
    /// Nobody answered it yet: go on in this unit of work.
    Fresh(Box<dyn SettlementTx>),
    /// This was the answer.
    Replayed(Answered<T>),
}

/// Opens a unit of work for a request.
pub async fn open<T: DeserializeOwned>(store: &dyn SettlementStore, key: &RequestKey) -> Result<Opened<T>, UseError> {
    let mut tx = store.begin().await?;
    match tx.claim(key).await? {
        Claim::New => Ok(Opened::Fresh(tx)),
        Claim::Replay(answer) => {
            Ok(Opened::Replayed(Answered { outcome: serde_json::from_value(answer)?, replayed: true }))
        }
        Claim::Mismatch => Err(UseError::KeyReused),
        Claim::Running => Err(UseError::KeyRunning),
    }
}

/// Stores the answer with the effect.
pub async fn close<T: Serialize>(
    mut tx: Box<dyn SettlementTx>,
    key: &RequestKey,
    outcome: T,
) -> Result<Answered<T>, UseError> {
    tx.answer(key, &serde_json::to_value(&outcome)?).await?;
    tx.commit().await?;
    Ok(Answered { outcome, replayed: false })
}
