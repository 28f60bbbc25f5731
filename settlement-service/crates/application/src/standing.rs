//! How people stand: their strikes, and the operator's word that a bidder may bid again.

use serde::{Deserialize, Serialize};
use settlement_domain::standing::Reinstatement;
use settlement_domain::{Standing, Statement, UserId};
use settlement_ports::{RequestKey, Viewer};

use crate::once::{Opened, close, open};
use crate::retry::on_conflict;
use crate::{Answered, Settlements, UseError};

/// What became of a reinstatement; kept and replayed like an [`crate::Outcome`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Reinstated {
    /// The bidder may bid again.
    Done {
        /// So the bidder stands now.
        standing: Standing,
    },
    /// The bidder is not suspended.
    NotSuspended,
}

impl Settlements {
    /// How somebody stands; for that person and for admins.
    pub async fn standing(&self, viewer: &Viewer, user: &UserId) -> Result<Standing, UseError> {
        if !viewer.admin && viewer.user != *user {
            return Err(UseError::NoBidder);
        }
        Ok(self.store.standing(user).await?.unwrap_or_else(|| Standing::new(user.clone())))
    }

    /// The operator lets a suspended bidder bid again.
    pub async fn reinstate(
        &self,
        actor: &Viewer,
        key: &RequestKey,
        user: &UserId,
        note: Option<Statement>,
    ) -> Result<Answered<Reinstated>, UseError> {
        if !actor.admin || actor.user == *user {
            return Err(UseError::Forbidden("an admin other than the bidder"));
        }
        on_conflict(|| self.reinstate_once(actor, key, user, note.clone())).await
    }

    async fn reinstate_once(
        &self,
        actor: &Viewer,
        key: &RequestKey,
        user: &UserId,
        note: Option<Statement>,
    ) -> Result<Answered<Reinstated>, UseError> {
        let mut tx = match open(self.store.as_ref(), key).await? {
            Opened::Fresh(tx) => tx,
            Opened::Replayed(answered) => return Ok(answered),
        };
        let locked = tx.lock_standing(user).await?;
        let outcome = match locked.aggregate.reinstated(locked.now) {
            Ok((standing, event)) => {
                tx.save_standings(std::slice::from_ref(&standing)).await?;
                tx.record_standings(&[event]).await?;
                let (user_id, by, at) = (user.clone(), actor.user.clone(), locked.now);
                tx.note_reinstatement(&Reinstatement { user_id, by, note, at }).await?;
                Reinstated::Done { standing }
            }
            Err(_) => Reinstated::NotSuspended,
        };
        close(tx, key, outcome).await
    }
}
