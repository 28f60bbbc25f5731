//! The saga's decisions one by one: given a settlement that came this far, when this happens, then that.

mod cascade;
mod chargebacks;
mod detours;
mod holds;
mod matrix;
mod outages;
mod path;
mod payouts;

use chrono::TimeDelta;

use super::*;

use crate::fees::Schedules;
use crate::gateway::{Answer, Decline, GatewayRef};
use crate::ledger::{AccountKind, TrialBalance};
use crate::payout::{Payout, PayoutRules};
use crate::settlement::{Claim, FailureReason, Lot, OfferDays, Sale, Status, Terms, Verdict, What};
use crate::{BasisPoints, Money, SettlementId};

const DAY_S: u32 = 86_400;

fn usd(amount: i64) -> Money {
    Money::new(amount, "USD".parse().unwrap()).unwrap()
}

/// No fees but a commission of so many basis points.
fn fees(commission: u16) -> Schedules {
    Schedules::only_commission(BasisPoints::try_from(commission).unwrap())
}

/// A settlement, the call it waits for, and everything that was said and posted.
struct Story {
    now: DateTime<Utc>,
    settlement: Settlement,
    call: Option<GatewayCall>,
    payout: Option<Payout>,
    events: Vec<SettlementEvent>,
    transactions: Vec<Transaction>,
    strikes: Vec<(UserId, Strike)>,
    resolutions: Vec<Resolution>,
}

impl Story {
    fn sold(price: i64, commission: u16) -> Self {
        Self::of_lot(price, commission, Lot::Units)
    }

    /// A lot whose seller opted in to second chances.
    fn with_contenders() -> Self {
        let second_chance = Some(OfferDays::try_from(5).unwrap());
        Self::of_lot(12_050, 1_000, Lot::Whole { second_chance })
    }

    /// A lot whose seller did not.
    fn without_contenders() -> Self {
        Self::of_lot(12_050, 1_000, Lot::Whole { second_chance: None })
    }

    fn of_lot(price: i64, commission: u16, lot: Lot) -> Self {
        let now = DateTime::UNIX_EPOCH;
        let sale = Sale {
            auction_id: uuid::Uuid::from_u128(1).into(),
            seller_id: "seller".parse().unwrap(),
            buyer_id: "buyer".parse().unwrap(),
            price: usd(price),
            lot,
            closed_at: now,
        };
        let terms =
            Terms { payment_due_s: 4 * DAY_S, ship_due_s: 7 * DAY_S, inspection_s: 3 * DAY_S, offer_day_s: DAY_S };
        let fees = fees(commission);
        let (settlement, started) =
            Settlement::start(uuid::Uuid::from_u128(2).into(), sale, terms, &fees, now).unwrap();
        Self::from(settlement, vec![started], now)
    }

    fn from(settlement: Settlement, events: Vec<SettlementEvent>, now: DateTime<Utc>) -> Self {
        Self {
            now,
            settlement,
            call: None,
            payout: None,
            events,
            transactions: Vec::new(),
            strikes: Vec::new(),
            resolutions: Vec::new(),
        }
    }

    fn new() -> Self {
        Self::sold(12_050, 1_000)
    }

    fn take(mut self, change: Change) -> Self {
        self.settlement = change.settlement;
        self.events.extend(change.events);
        self.transactions.extend(change.transactions);
        self.strikes.extend(change.strikes);
        self.resolutions.extend(change.resolutions);
        self.call = change.calls.into_iter().chain(self.call).find(|call| !call.is_over());
        self
    }

    /// What waits for the seller's next payout is paid, if it is time.
    fn paid_out(self) -> Self {
        match waiting(&self.settlement) {
            Some(_) => {
                let change = gather(vec![self.settlement.clone()], &PayoutRules::default(), self.now);
                self.take_payout(change)
            }
            None => self,
        }
    }

    fn take_payout(mut self, change: PayoutChange) -> Self {
        self.payout = change.payout.or(self.payout);
        self.transactions.extend(change.transactions);
        self.call = change.calls.into_iter().chain(self.call).find(|call| !call.is_over());
        change.settlements.into_iter().fold(self, Self::take)
    }

    fn act(self, act: Act) -> Self {
        let change = begin(self.settlement.clone(), act, self.now).unwrap();
        self.take(change)
    }

    fn refuses(&self, act: Act) -> SagaError {
        begin(self.settlement.clone(), act, self.now).unwrap_err()
    }

    fn pays(self) -> Self {
        self.act(pay())
    }

    fn ships(self) -> Self {
        self.act(ship())
    }

    /// The due call is dispatched and the contact ends like this.
    fn gateway(mut self, outcome: Report) -> Self {
        self = self.paid_out();
        let call = self.call.take().expect("a call is planned");
        self.now = self.now.max(call.due_at().unwrap());
        if call.subject().payout_id().is_some() {
            let (call, contact) = call.claim(self.now);
            let (payout, settlements) = (self.payout.clone().unwrap(), vec![self.settlement.clone()]);
            let change = payout_report(payout, settlements, call, contact, outcome, self.now);
            return self.take_payout(change);
        }
        match dispatch(self.settlement.clone(), call, self.now) {
            Dispatch::Contact(call, contact) => {
                let change = report(self.settlement.clone(), call, contact, outcome, self.now);
                self.take(change)
            }
            Dispatch::Overtaken(change) => self.take(*change),
        }
    }

    fn agrees(self) -> Self {
        let story = self.paid_out();
        let key = story.call.as_ref().expect("a call is planned").key();
        story.gateway(Report::Answered(Answer::Succeeded { reference: GatewayRef::from(format!("ref:{key}")) }))
    }

    fn declines_as(self, code: &str) -> Self {
        self.gateway(Report::Answered(Answer::Declined(Decline { code: code.into(), message: "Declined.".into() })))
    }

    fn declines(self) -> Self {
        let decline = Decline { code: "card_declined".into(), message: "Your card was declined.".into() };
        self.gateway(Report::Answered(Answer::Declined(decline)))
    }

    /// The buyer's bank takes all of it back.
    fn charged_back(self, id: &str) -> Self {
        let change = charged_back(self.settlement.clone(), claim(id), self.now);
        self.take(change)
    }

    fn days_pass(mut self, days: u32) -> Self {
        self.now += TimeDelta::days(days.into());
        let change = deadline(self.settlement.clone(), self.now);
        self.take(change)
    }

    fn status(&self) -> Status {
        self.settlement.status()
    }

    fn last_event(&self) -> &What {
        &self.events.last().unwrap().what
    }

    fn told(&self) -> Vec<&'static str> {
        self.events.iter().map(|event| event.what.name()).collect()
    }

    fn reason(&self) -> Option<FailureReason> {
        match self.settlement.state() {
            State::Failed { reason, .. } | State::Refunded { reason, .. } | State::Refunding { reason, .. } => {
                Some(*reason)
            }
            _ => None,
        }
    }

    fn decides(self, verdict: Verdict) -> Self {
        self.act(resolve(verdict))
    }

    fn disputed() -> Self {
        Self::escrowed().ships().act(dispute())
    }

    fn balance(&self, account: AccountKind) -> i128 {
        TrialBalance::of(&self.transactions).balance(account, "USD".parse().unwrap())
    }

    fn escrowed() -> Self {
        Self::new().pays().agrees().agrees()
    }
}

fn pay() -> Act {
    Act::Pay("pm_card_visa".parse().unwrap())
}

fn ship() -> Act {
    Act::Ship(Parcel::new("UPS", "1Z999").unwrap())
}

fn say(text: &str) -> Statement {
    Statement::try_from(text.to_owned()).unwrap()
}

fn dispute() -> Act {
    Act::Dispute("buyer".parse().unwrap(), say("It is broken."))
}

/// What the gateway tells of a chargeback.
fn claim(id: &str) -> Claim {
    Claim { id: GatewayRef::from(id.to_owned()), amount: Some(usd(12_050)), reason: Some("fraudulent".to_owned()) }
}

fn cancel(who: &str) -> Act {
    Act::Cancel(who.parse().unwrap())
}

fn resolve(verdict: Verdict) -> Act {
    resolve_seeing(None, verdict)
}

/// The operator decides, and says how many chargebacks were seen.
fn resolve_seeing(chargebacks_seen: Option<usize>, verdict: Verdict) -> Act {
    let note = Some(say("So it is decided."));
    Act::Resolve(Decision { by: "root".parse().unwrap(), verdict, note, chargebacks_seen })
}
