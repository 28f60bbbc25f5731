//! Who gets the lot when its buyer did not: the next contender, at the own highest bid and once, or whoever bids after
//! it is listed again. Who the next contender is, bidding knows; what listing makes of a request is listing's.

use chrono::{DateTime, Utc};

use super::run::Run;
use super::table::Step::{Authorize, Ship};
use super::{Change, Position, position, run};
use crate::fees::Schedules;
use crate::ids::{SettlementId, UserId};
use crate::money::Money;
use crate::settlement::FailureReason::{self, AwardDeclined, OfferWithdrawn};
use crate::settlement::{InvalidSale, Kind, Settlement, SettlementEvent, State, Succession, What};

/// What a nomination leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nomination {
    /// The settlement that asked.
    pub asker: Change,
    /// The offer to the contender, with its first events; none if it is too late for one, or nobody asked.
    pub offer: Option<(Settlement, Vec<SettlementEvent>)>,
}

impl Run {
    /// The lot found no buyer here: the next contender is asked for while there is time, else it is listed again.
    pub(super) fn lot_goes_on(mut self) -> Self {
        match self.change.settlement.succession().clone() {
            Succession::NextContender(chance) if self.now < chance.until => {
                let excluded = chance.excluded.clone();
                self.change.settlement.followed_by(Succession::Asked(chance));
                self.told(What::SecondChanceRequested { excluded })
            }
            Succession::NextContender(_) | Succession::Relist => self.relist(),
            Succession::Asked(_) | Succession::Nothing => self,
        }
    }

    /// The lot is to be listed again.
    pub(super) fn relist(mut self) -> Self {
        self.change.settlement.followed_by(Succession::Nothing);
        self.told(What::RelistRequested)
    }

    /// Somebody outside calls the sale off: at once, or as soon as it is known what became of the call under way, or as soon
    /// as the operator lets what was stopped in escrow go on.
    fn call_off_from_outside(mut self, reason: FailureReason) -> Change {
        let settlement = self.change.settlement.clone();
        let now = self.now;
        let run = match position(&settlement) {
            Position::Waiting(step @ (Authorize | Ship)) => self.call_off(reason, step),
            Position::Calling(_)
                if matches!(settlement.state(), State::Authorizing { .. } | State::Authorized { .. }) =>
            {
                self.change.settlement.call_off_later(reason);
                Ok(self)
            }
            // The money may be at the buyer's bank: the operator decides when it goes back.
            Position::Resting if settlement.rests_in_escrow() => {
                self.change.settlement.call_off_later(reason);
                Ok(self)
            }
            Position::Waiting(_) => {
                let reason = format!("{reason} after the lot was shipped");
                self.moved(|settlement| settlement.needs_operator(reason, now))
            }
            _ => Ok(self),
        };
        run.map_or_else(|error| run::stuck(settlement, None, &error, now), Change::from)
    }
}

/// The buyer gave the award up. What the operator has to decide, is undone or is over stays as it is; what is stopped
/// in escrow can only be given back any more.
#[must_use]
pub fn award_declined(settlement: Settlement, now: DateTime<Utc>) -> Change {
    Run::of(settlement, now).call_off_from_outside(AwardDeclined)
}

/// The seller listed the lot again: a second chance is withdrawn, paid or not, and nothing follows any more. A lot that
/// was shipped is sold and for sale again: the operator decides. What is disputed or received stays as it is.
#[must_use]
pub fn relisted(mut settlement: Settlement, now: DateTime<Utc>) -> Change {
    settlement.followed_by(Succession::Nothing);
    let offer = settlement.kind() == Kind::SecondChance;
    let run = Run::of(settlement, now);
    if offer { run.call_off_from_outside(OfferWithdrawn) } else { run.into() }
}

/// Bidding named the next contender. Nothing changes if nobody asked (any more); a contender who had a chance, or one
/// who comes after the last day for it, leads to a relisting.
pub fn nominated(
    asker: Settlement,
    id: SettlementId,
    (contender, price): (UserId, Money),
    fees: &Schedules,
    now: DateTime<Utc>,
) -> Result<Nomination, InvalidSale> {
    let Succession::Asked(chance) = asker.succession().clone() else {
        return Ok(Nomination { asker: Run::of(asker, now).into(), offer: None });
    };
    if now >= chance.until || chance.excluded.contains(&contender) {
        return Ok(Nomination { asker: Run::of(asker, now).relist().into(), offer: None });
    }
    let offer = Settlement::offer(id, &asker, chance, (contender, price), fees, now)?;
    let mut run = Run::of(asker, now);
    run.change.settlement.followed_by(Succession::Nothing);
    Ok(Nomination { asker: run.into(), offer: Some(offer) })
}

/// Bidding knows no further contender.
#[must_use]
pub fn exhausted(asker: Settlement, now: DateTime<Utc>) -> Change {
    let waits = matches!(asker.succession(), Succession::Asked(_));
    let run = Run::of(asker, now);
    if waits { run.relist().into() } else { run.into() }
}
