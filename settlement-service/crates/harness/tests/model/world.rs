//! The world of the model test: the saga itself, one lot's settlements one after the other, and a gateway.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use settlement_domain::ledger::{AccountKind, EntryKind, Side, Transaction, TrialBalance};
use settlement_domain::saga::{self, Act, Change, Dispatch, PayoutChange};
use settlement_domain::settlement::{
    Claim, Decision, HOLD_DAYS, Kind, Lot, OfferDays, Sale, State, Succession, Undo, Verdict, What,
};
use settlement_domain::{
    Answer, CallKey, Contact, Decline, GatewayCall, GatewayRef, Instruction, Money, Parcel, Payout, PayoutRules,
    Report, Role, Schedules, Settlement, Statement, Status, Strike, UserId, Way,
};
use settlement_harness::seeds::Dice;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Pay,
    Ship,
    Receive,
    Decline,
    Dispute,
    Evidence,
    CancelBuyer,
    CancelSeller,
    Refund,
    PartRefund,
    Release,
    Retry,
    Close,
    TimePasses,
    TimePassesUnnoticed,
    GatewayDoes,
    GatewayRefuses,
    GatewayTimesOut,
    GatewayIsAway,
    AwardDeclined,
    Relisted,
    Nominated,
    Exhausted,
    Chargeback,
}

use Command as C;

/// As often as they are here; the good path is kept likely, so that histories get somewhere.
#[rustfmt::skip]
pub const COMMANDS: [Command; 46] = [
    C::Pay, C::Pay, C::Pay, C::Pay, C::Ship, C::Ship, C::Ship, C::Receive, C::Receive, C::Decline,
    C::Dispute, C::Dispute, C::Dispute, C::Evidence, C::CancelBuyer, C::CancelSeller,
    C::Refund, C::PartRefund, C::PartRefund, C::Release, C::Retry, C::Close,
    C::TimePasses, C::TimePasses, C::TimePasses, C::TimePassesUnnoticed,
    C::GatewayDoes, C::GatewayDoes, C::GatewayDoes, C::GatewayDoes, C::GatewayDoes, C::GatewayDoes,
    C::GatewayRefuses, C::GatewayRefuses, C::GatewayRefuses, C::GatewayTimesOut, C::GatewayTimesOut,
    C::GatewayIsAway, C::GatewayIsAway,
    C::AwardDeclined, C::Relisted, C::Nominated, C::Nominated, C::Exhausted, C::Chargeback, C::Chargeback,
];

/// What the gateway said when it was contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    NotContacted,
    Did,
    Refused,
    HoldGone,
    Unsure,
    Away,
    Absent,
}

#[derive(Debug)]
pub struct Said {
    pub accepted: bool,
    pub now: DateTime<Utc>,
    pub heard: Heard,
    /// What part was to be given back.
    pub part: i64,
    /// What the lot is offered for.
    pub offered_at: i64,
    /// Which chargeback the bank made.
    pub chargeback: u64,
    /// How many chargebacks the operator saw, if that was said.
    pub seen: Option<usize>,
}

pub struct World {
    pub now: DateTime<Utc>,
    fees: Schedules,
    settlement: Settlement,
    call: Option<GatewayCall>,
    payout: Option<Payout>,
    answers: BTreeMap<CallKey, Answer>,
    holds: BTreeMap<GatewayRef, DateTime<Utc>>,
    moved: (i64, i64, i64),
    transactions: Vec<Transaction>,
    strikes: Vec<(UserId, Strike)>,
    told: Vec<&'static str>,
    last_sequence: u64,
    history: Vec<Command>,
}

fn usd(amount: i64) -> Money {
    Money::new(amount, "USD".parse().unwrap()).unwrap()
}

fn say(text: &str) -> Statement {
    Statement::try_from(text.to_owned()).unwrap()
}

impl World {
    pub fn sold(price: i64, commission_bps: u16, second_chance: bool) -> Self {
        let now = DateTime::from_timestamp(1_893_456_000, 0).unwrap();
        let second_chance = second_chance.then(OfferDays::default);
        let sale = Sale {
            auction_id: Uuid::from_u128(1).into(),
            seller_id: "seller".parse().unwrap(),
            buyer_id: "buyer".parse().unwrap(),
            price: usd(price),
            lot: Lot::Whole { second_chance },
            closed_at: now,
        };
        let fees = Schedules::only_commission(commission_bps.try_into().unwrap());
        let id = Uuid::from_u128(2).into();
        let (settlement, started) = Settlement::start(id, sale, settlement_harness::terms(), &fees, now).unwrap();
        Self {
            now,
            fees,
            settlement,
            call: None,
            payout: None,
            answers: BTreeMap::new(),
            holds: BTreeMap::new(),
            moved: (0, 0, 0),
            transactions: Vec::new(),
            strikes: Vec::new(),
            told: vec![started.what.name()],
            last_sequence: 1,
            history: Vec::new(),
        }
    }

    fn take(&mut self, change: Change) {
        assert_eq!(change.settlement.sequence(), self.last_sequence + change.events.len() as u64, "{}", self.story());
        self.last_sequence = change.settlement.sequence();
        self.settlement = change.settlement;
        self.told.extend(change.events.iter().map(|event| event.what.name()));
        self.transactions.extend(change.transactions);
        self.strikes.extend(change.strikes);
        let open: Vec<_> = change.calls.iter().filter(|call| !call.is_over()).collect();
        assert!(open.len() <= 1, "two calls at once\n{}", self.story());
        if !change.calls.is_empty() {
            self.call = open.first().map(|call| (*call).clone());
        }
    }

    fn take_payout(&mut self, change: PayoutChange) {
        self.payout = change.payout.or(self.payout.take());
        self.transactions.extend(change.transactions);
        assert!(change.settlements.len() <= 1, "{}", self.story());
        for settlement in change.settlements {
            self.take(settlement);
        }
        if !change.calls.is_empty() {
            self.call = change.calls.into_iter().find(|call| !call.is_over());
        }
    }

    /// The worker makes the payout as soon as the seller is owed something.
    fn pay_out(&mut self) {
        if saga::waiting(&self.settlement).is_some() {
            let owed = vec![self.settlement.clone()];
            self.take_payout(saga::gather(owed, &PayoutRules::default(), self.now));
        }
    }

    pub fn hears(&mut self, command: Command, dice: &mut Dice) -> Said {
        self.history.push(command);
        let heard = Heard::NotContacted;
        let mut said = Said { accepted: true, now: self.now, heard, part: 0, offered_at: 0, chargeback: 0, seen: None };
        match command {
            C::TimePasses | C::TimePassesUnnoticed => {
                self.now += TimeDelta::hours(dice.pick(&[1, 20, 24, 70, 96, 170, 800]));
                let due = saga::due_at(&self.settlement).is_some_and(|due| due <= self.now);
                if command == C::TimePasses && due {
                    let change = saga::deadline(self.settlement.clone(), self.now);
                    self.take(change);
                }
            }
            C::GatewayDoes | C::GatewayRefuses | C::GatewayTimesOut | C::GatewayIsAway => {
                said.heard = self.contact(command, dice);
            }
            C::AwardDeclined => {
                let change = saga::award_declined(self.settlement.clone(), self.now);
                self.take(change);
            }
            C::Relisted => {
                let change = saga::relisted(self.settlement.clone(), self.now);
                self.take(change);
            }
            C::Exhausted => {
                let change = saga::exhausted(self.settlement.clone(), self.now);
                self.take(change);
            }
            C::Nominated => said.offered_at = self.nominated(),
            C::Chargeback => {
                said.chargeback = dice.roll(2);
                self.charged_back(said.chargeback);
            }
            people => {
                let share = self.settlement.price().amount();
                said.part = dice.pick(&[0, 1, 1, share / 2, share / 2, share, share + 1]);
                said.seen = dice.pick(&[None, None, None, Some(0), Some(1), Some(2)]);
                let act = self.act(people, &said);
                match saga::begin(self.settlement.clone(), act, self.now) {
                    Ok(change) => self.take(change),
                    Err(_) => said.accepted = false,
                }
            }
        }
        said.now = self.now;
        self.pay_out();
        said
    }

    fn act(&self, command: Command, said: &Said) -> Act {
        let buyer = self.settlement.buyer_id().clone();
        let (amount, chargebacks_seen) = (said.part, said.seen);
        let decision = |verdict| {
            let note = Some(say("so it is"));
            Act::Resolve(Decision { by: "root".parse().unwrap(), verdict, note, chargebacks_seen })
        };
        match command {
            C::Pay => Act::Pay("pm_card_visa".parse().unwrap()),
            C::Ship => Act::Ship(Parcel::new("UPS", "1Z999").unwrap()),
            C::Receive => Act::Receive,
            C::Decline => Act::Decline,
            C::Dispute => Act::Dispute(buyer, say("broken")),
            C::Evidence => Act::Evidence(buyer, say("see")),
            C::CancelBuyer => Act::Cancel(buyer),
            C::CancelSeller => Act::Cancel(self.settlement.seller_id().clone()),
            C::Refund => decision(Verdict::Refund),
            C::PartRefund => decision(Verdict::PartRefund { amount }),
            C::Release => decision(Verdict::Release),
            C::Retry => decision(Verdict::Retry),
            C::Close => decision(Verdict::Close),
            other => panic!("{other:?} is nobody's act"),
        }
    }

    fn nominated(&mut self) -> i64 {
        let price = (self.settlement.price().amount() - 1).max(1);
        let contender = format!("contender-{}", self.history.len()).parse().unwrap();
        let id = Uuid::from_u128(100 + self.history.len() as u128).into();
        let offer = (contender, usd(price));
        let nomination = saga::nominated(self.settlement.clone(), id, offer, &self.fees, self.now).unwrap();
        self.take(nomination.asker);
        if let Some((offer, events)) = nomination.offer {
            (self.last_sequence, self.settlement) = (offer.sequence(), offer);
            self.told.extend(events.iter().map(|event| event.what.name()));
        }
        price
    }

    fn charged_back(&mut self, number: u64) {
        let id = GatewayRef::from(format!("dp_{number}"));
        let claim = Claim { id, amount: Some(self.settlement.price()), reason: None };
        let change = saga::charged_back(self.settlement.clone(), claim, self.now);
        self.take(change);
    }

    /// The worker takes the call up when it is due, and the gateway says what the command wants, or must say.
    fn contact(&mut self, command: Command, dice: &mut Dice) -> Heard {
        let Some(call) = self.call.take() else { return Heard::NotContacted };
        self.now = self.now.max(call.due_at().unwrap());
        if call.subject().payout_id().is_some() {
            let (call, contact) = call.claim(self.now);
            let (said, heard) = self.answer(&call, contact, command, dice);
            let (payout, owed) = (self.payout.clone().unwrap(), vec![self.settlement.clone()]);
            self.take_payout(saga::payout_report(payout, owed, call, contact, said, self.now));
            return heard;
        }
        let (call, contact) = match saga::dispatch(self.settlement.clone(), call, self.now) {
            Dispatch::Contact(call, contact) => (call, contact),
            Dispatch::Overtaken(change) => {
                self.take(*change);
                return Heard::NotContacted;
            }
        };
        let (said, heard) = self.answer(&call, contact, command, dice);
        let change = saga::report(self.settlement.clone(), call, contact, said, self.now);
        self.take(change);
        heard
    }

    /// What the command wants the gateway to say, or it must say.
    fn answer(&mut self, call: &GatewayCall, contact: Contact, command: Command, dice: &mut Dice) -> (Report, Heard) {
        let said = match (contact.way, command) {
            (_, C::GatewayIsAway) | (Way::Ask, C::GatewayTimesOut) => Report::Unavailable,
            (Way::Ask, _) => self.answers.get(&call.key()).cloned().map_or(Report::Absent, Report::Answered),
            (Way::Send, C::GatewayTimesOut) => {
                if dice.falls(50) {
                    self.execute(call, false);
                }
                Report::Unknown
            }
            (Way::Send, _) => Report::Answered(self.execute(call, command == C::GatewayRefuses)),
        };
        let heard = match &said {
            Report::Answered(Answer::Succeeded { .. }) => Heard::Did,
            Report::Answered(Answer::Declined(decline)) if decline.is_expired_hold() => Heard::HoldGone,
            Report::Answered(Answer::Declined(_)) => Heard::Refused,
            Report::Unknown => Heard::Unsure,
            Report::Unavailable => Heard::Away,
            Report::Absent => Heard::Absent,
        };
        (said, heard)
    }

    fn execute(&mut self, call: &GatewayCall, refuse: bool) -> Answer {
        let key = call.key();
        if let Some(answer) = self.answers.get(&key) {
            return answer.clone();
        }
        let reference = GatewayRef::from(format!("ref:{key}"));
        let declined = |code: &str| Answer::Declined(Decline { code: code.to_owned(), message: String::new() });
        let hold_ran_out = |hold| self.holds.get(hold).is_none_or(|until| *until <= self.now);
        let answer = match call.instruction() {
            Instruction::Capture { hold, .. } | Instruction::Void { hold } if hold_ran_out(hold) => {
                declined(Decline::HOLD_EXPIRED)
            }
            _ if refuse => declined("refused"),
            // What the buyer's bank has taken, nobody else gives back.
            Instruction::Refund { .. } if !self.settlement.chargebacks().is_empty() => declined("charge_disputed"),
            Instruction::Authorize { .. } => {
                self.holds.insert(reference.clone(), self.now + TimeDelta::days(HOLD_DAYS));
                Answer::Succeeded { reference }
            }
            Instruction::Capture { hold, amount } => {
                self.holds.remove(hold);
                self.moved.0 += amount.amount();
                Answer::Succeeded { reference }
            }
            Instruction::Void { hold } => {
                self.holds.remove(hold);
                Answer::Succeeded { reference }
            }
            Instruction::Refund { amount, .. } => {
                self.moved.1 += amount.amount();
                Answer::Succeeded { reference }
            }
            Instruction::PayOut { amount, .. } => {
                self.moved.2 += amount.amount();
                Answer::Succeeded { reference }
            }
        };
        self.answers.insert(key, answer.clone());
        answer
    }

    /// What somebody who wants to see the end would do next.
    pub fn what_has_to_be_done(&self) -> Command {
        if self.call.is_some() {
            return C::GatewayDoes;
        }
        if saga::due_at(&self.settlement).is_some_and(|due| due <= self.now) {
            return C::TimePasses;
        }
        let actions = self.settlement.actions();
        match self.settlement.status() {
            Status::AwaitingPayment => C::Pay,
            Status::Escrowed => C::Ship,
            Status::Shipped => C::Receive,
            Status::Disputed => C::Release,
            Status::NeedsOperator if self.is_not_given_back() && actions.contains(&"close") => C::Close,
            Status::NeedsOperator if actions.contains(&"retry") => C::Retry,
            Status::NeedsOperator => C::Refund,
            _ => C::Exhausted,
        }
    }

    /// The gateway refuses to give back what is in escrow.
    fn is_not_given_back(&self) -> bool {
        let State::NeedsOperator { stuck, .. } = self.settlement.state() else { return false };
        matches!(**stuck, State::Refunding { undo: Undo::Refund { .. } | Undo::PartRefund { .. }, .. })
    }

    pub fn status(&self) -> &'static str {
        self.settlement.status().name()
    }

    /// What these entries of the ledger have on a side of the gateway's account.
    fn sum(&self, kinds: &[EntryKind], side: Side) -> i64 {
        let entries = self.transactions.iter().filter(|entry| kinds.contains(&entry.kind()));
        let clearing = entries
            .flat_map(Transaction::postings)
            .filter(|posting| posting.side == side && posting.account.kind() == AccountKind::GatewayClearing);
        clearing.map(|posting| posting.amount.amount()).sum()
    }

    /// Captured, refunded and paid out, as the ledger has it.
    pub fn sums(&self) -> (i64, i64, i64) {
        (
            self.sum(&[EntryKind::Captured], Side::Debit),
            self.sum(&[EntryKind::Refunded, EntryKind::PartRefunded], Side::Credit),
            self.sum(&[EntryKind::PaidOut], Side::Credit),
        )
    }

    /// Kept by buyers' banks, as the ledger has it.
    pub fn charged_back_for_good(&self) -> i64 {
        self.sum(&[EntryKind::ChargedBack], Side::Credit)
    }

    /// Of buyers and of sellers.
    pub fn strikes(&self) -> (usize, usize) {
        let of = |role: Role| self.strikes.iter().filter(|(_, strike)| strike.role == role).count();
        (of(Role::Buyer), of(Role::Seller))
    }

    /// Requests for contenders, and for relisting.
    pub fn asks(&self) -> (usize, usize) {
        let told = |name: &str| self.told.iter().filter(|told| **told == name).count();
        (told(What::SecondChanceRequested { excluded: Vec::new() }.name()), told(What::RelistRequested.name()))
    }

    pub fn books_agree(&self) {
        assert_eq!(self.sums(), self.moved, "ledger and gateway\n{}", self.story());
        let balances = TrialBalance::of(&self.transactions);
        let left = |account| balances.balance(account, "USD".parse().unwrap());
        assert!(balances.is_balanced());
        assert_eq!((left(AccountKind::Escrow), left(AccountKind::SellerPayable)), (0, 0), "{}", self.story());
        let held = self.holds.values().filter(|until| **until > self.now).count();
        let may_be_left = self.history.contains(&C::Close);
        assert!(held == 0 || may_be_left, "a hold was left behind\n{}", self.story());
        assert!(self.settlement.kind() == Kind::Sale || self.told.contains(&"second_chance.offered"));
        assert!(!matches!(self.settlement.succession(), Succession::Asked(_)));
    }

    pub fn story(&self) -> String {
        format!("{:?}\nafter {:?}\ntold {:?}", self.settlement.state(), self.history, self.told)
    }
}
