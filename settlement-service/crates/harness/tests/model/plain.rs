//! The model: what a newcomer would say that a settlement does, without knowing how it does it.

mod chargebacks;

use chrono::{DateTime, TimeDelta, Utc};

use super::world::{Command, Heard, Said};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Awaiting,
    Authorizing,
    Authorized,
    Escrowed,
    Shipped,
    Disputed,
    Received,
    Completed,
    Voiding,
    Refunding,
    PartRefunding,
    Refunded,
    Failed,
}

/// Why there was no sale, as far as it matters afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    NoPayment,
    PaymentFailed,
    NotShipped,
    Otherwise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lot {
    Done,
    Relist,
    NextContender,
    Asked,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // a newcomer's model: yes and no, no machinery
pub struct Plain {
    stage: Stage,
    stuck: bool,
    offer: bool,
    lot: Lot,
    why: Why,
    called_off: bool,
    /// The bank took the money back while the gateway was awaited: the sale stops before anybody is paid.
    to_be_stopped: bool,
    chargebacks: Vec<u64>,
    wish: Option<&'static str>,
    evidence: u32,
    /// Whether the gateway has certainly done nothing of what it was told last, and how often it was contacted.
    sure: bool,
    contacts: u32,
    authorizations: u32,
    /// Attempts at what is done last, beyond the first.
    voids: u32,
    refunds: u32,
    payouts: u32,
    price: i64,
    commission_bps: i64,
    part: i64,
    payout: i64,
    payment_due: DateTime<Utc>,
    hold_end: DateTime<Utc>,
    ship_due: DateTime<Utc>,
    inspection_end: DateTime<Utc>,
    last_chance: DateTime<Utc>,
    pub captured: i64,
    pub refunded: i64,
    pub paid_out: i64,
    /// Kept by buyers' banks.
    pub charged_back: i64,
    pub strikes: (usize, usize),
    pub requests: usize,
    pub relistings: usize,
}

impl Plain {
    pub fn sold(price: i64, commission_bps: i64, second_chance: bool, now: DateTime<Utc>) -> Self {
        Self {
            stage: Stage::Awaiting,
            stuck: false,
            offer: false,
            lot: if second_chance { Lot::NextContender } else { Lot::Relist },
            why: Why::Otherwise,
            called_off: false,
            to_be_stopped: false,
            chargebacks: Vec::new(),
            wish: None,
            evidence: 0,
            sure: true,
            contacts: 0,
            authorizations: 0,
            voids: 0,
            refunds: 0,
            payouts: 0,
            price,
            commission_bps,
            part: 0,
            payout: 0,
            payment_due: now + TimeDelta::days(4),
            hold_end: now,
            ship_due: now,
            inspection_end: now,
            last_chance: now + TimeDelta::days(60),
            captured: 0,
            refunded: 0,
            paid_out: 0,
            charged_back: 0,
            strikes: (0, 0),
            requests: 0,
            relistings: 0,
        }
    }

    pub fn is_over(&self) -> bool {
        let ended = matches!(self.stage, Stage::Completed | Stage::Refunded | Stage::Failed);
        ended && !self.stuck && self.lot != Lot::Asked
    }

    pub fn status(&self) -> &'static str {
        if self.stuck {
            return "needs_operator";
        }
        match self.stage {
            Stage::Awaiting => "awaiting_payment",
            Stage::Authorizing => "authorizing",
            Stage::Authorized => "authorized",
            Stage::Escrowed => "escrowed",
            Stage::Shipped => "shipped",
            Stage::Disputed => "disputed",
            Stage::Received => "received",
            Stage::Completed => "completed",
            Stage::Voiding | Stage::Refunding | Stage::PartRefunding => "refunding",
            Stage::Refunded => "refunded",
            Stage::Failed => "failed",
        }
    }

    fn share(&self) -> i64 {
        // The model's prices make no half units of commission but at 99 and 1 and 2, where it is rounded.
        let exact = self.price * self.commission_bps;
        let (floor, rest) = (exact / 10_000, exact % 10_000);
        let up = rest > 5_000 || (rest == 5_000 && floor % 2 == 1);
        self.price - floor - i64::from(up)
    }

    /// The deadline of what a person has to do has passed, whether or not anybody has noticed.
    fn is_late(&self, now: DateTime<Utc>) -> bool {
        match self.stage {
            _ if self.stuck => false,
            Stage::Awaiting => now >= self.payment_due,
            Stage::Escrowed => now >= self.ship_due,
            Stage::Shipped => now >= self.inspection_end,
            _ => false,
        }
    }

    /// Whether the command is taken.
    pub fn hears(&mut self, command: Command, said: &Said) -> bool {
        use Command as C;
        let now = said.now;
        match command {
            C::Pay
            | C::Ship
            | C::Receive
            | C::Decline
            | C::Dispute
            | C::Evidence
            | C::CancelBuyer
            | C::CancelSeller => {
                let taken = !self.stuck && (!self.is_late(now) || command == C::Receive) && self.act(command, now);
                return taken;
            }
            C::Refund | C::PartRefund | C::Release | C::Retry | C::Close => return self.decide(command, said),
            C::TimePasses => self.notices(now),
            C::GatewayDoes | C::GatewayRefuses | C::GatewayTimesOut | C::GatewayIsAway => self.gateway(said),
            C::AwardDeclined => self.off_from_outside(now),
            C::Relisted => {
                self.lot = Lot::Done;
                if self.offer {
                    self.off_from_outside(now);
                }
            }
            C::Nominated if self.lot == Lot::Asked && self.stage == Stage::Failed => self.nominated(said),
            C::Exhausted if self.lot == Lot::Asked => self.relist(),
            C::Chargeback => self.charged_back(said.chargeback),
            C::TimePassesUnnoticed | C::Nominated | C::Exhausted => {}
        }
        true
    }

    fn act(&mut self, command: Command, now: DateTime<Utc>) -> bool {
        use Command as C;
        match (command, self.stage) {
            (C::Pay, Stage::Awaiting) => self.authorize(),
            (C::Ship, Stage::Escrowed) => {
                self.stage = Stage::Shipped;
                self.inspection_end = now + TimeDelta::days(3);
            }
            (C::Receive, Stage::Shipped) => self.receive(0),
            (C::Decline, Stage::Awaiting) if self.offer => self.fail(Why::NoPayment, now),
            (C::Dispute, Stage::Shipped) => self.stage = Stage::Disputed,
            (C::Evidence, Stage::Disputed) if self.evidence < 20 => self.evidence += 1,
            (C::CancelBuyer | C::CancelSeller, Stage::Awaiting | Stage::Escrowed) => {
                let who = if command == C::CancelBuyer { "buyer" } else { "seller" };
                match (self.wish, self.stage) {
                    (Some(other), Stage::Awaiting) if other != who => self.fail(Why::Otherwise, now),
                    (Some(other), _) if other != who => self.refund(Why::Otherwise),
                    _ => self.wish = Some(who),
                }
                return true;
            }
            _ => return false,
        }
        true
    }

    fn decide(&mut self, command: Command, said: &Said) -> bool {
        use Command as C;
        let now = said.now;
        if said.seen.is_some_and(|seen| seen < self.chargebacks.len()) {
            return false;
        }
        match (command, self.stuck, self.stage) {
            (C::Refund, false, Stage::Disputed) | (C::Refund, true, Stage::Shipped | Stage::Escrowed) => {
                self.refund(Why::Otherwise);
            }
            (C::PartRefund, false, Stage::Disputed) if (1..=self.share()).contains(&said.part) => {
                self.part = said.part;
                self.tell(Stage::PartRefunding);
                self.refunds = 1;
            }
            (C::Release, false, Stage::Disputed) | (C::Release, true, Stage::Shipped | Stage::PartRefunding) => {
                self.receive(0);
            }
            (C::Retry, true, Stage::Voiding | Stage::Refunding | Stage::PartRefunding) => {
                self.tell(self.stage);
                self.tries_again();
            }
            // Another payout, with attempts of its own.
            (C::Retry, true, Stage::Received) => {
                self.tell(Stage::Received);
                self.payouts = 1;
            }
            (C::Retry, true, Stage::Escrowed) if self.called_off => self.refund(Why::Otherwise),
            (C::Retry, true, Stage::Escrowed) => self.ship_due = self.ship_due.max(now + TimeDelta::days(7)),
            (C::Close, true, Stage::Voiding) => self.fail(self.why, now),
            (C::Close, true, Stage::Refunding) if self.is_charged_back() => self.lose(self.why, now),
            (C::Close, false, Stage::Disputed)
            | (C::Close, true, Stage::Escrowed | Stage::Shipped | Stage::PartRefunding)
                if self.is_charged_back() =>
            {
                self.lose(Why::Otherwise, now);
            }
            _ => return false,
        }
        (self.stuck, self.to_be_stopped) = (false, false);
        true
    }

    /// The gateway is told something new.
    fn tell(&mut self, stage: Stage) {
        (self.stage, self.sure, self.contacts) = (stage, true, 0);
    }

    fn authorize(&mut self) {
        self.tell(Stage::Authorizing);
        self.authorizations += 1;
        self.wish = None;
    }

    fn receive(&mut self, back: i64) {
        self.payout = self.share() - back;
        self.tell(Stage::Received);
        self.payouts = 1;
        if self.payout == 0 {
            self.stage = Stage::Completed;
        }
    }

    fn void(&mut self, why: Why) {
        self.tell(Stage::Voiding);
        (self.why, self.voids) = (why, 1);
    }

    fn refund(&mut self, why: Why) {
        self.tell(Stage::Refunding);
        (self.why, self.refunds) = (why, 1);
    }

    fn fail(&mut self, why: Why, now: DateTime<Utc>) {
        self.stage = Stage::Failed;
        self.follow(why, now);
    }

    fn follow(&mut self, why: Why, now: DateTime<Utc>) {
        match why {
            Why::NoPayment if !self.offer => self.strikes.0 += 1,
            Why::NotShipped => self.strikes.1 += 1,
            _ => {}
        }
        if matches!(why, Why::NoPayment | Why::PaymentFailed) {
            match self.lot {
                Lot::NextContender if now < self.last_chance => {
                    self.lot = Lot::Asked;
                    self.requests += 1;
                }
                Lot::NextContender | Lot::Relist => self.relist(),
                Lot::Asked | Lot::Done => {}
            }
        }
    }

    fn relist(&mut self) {
        self.lot = Lot::Done;
        self.relistings += 1;
    }

    fn notices(&mut self, now: DateTime<Utc>) {
        match self.stage {
            _ if self.stuck => {}
            Stage::Failed if self.lot == Lot::Asked && now >= self.last_chance => self.relist(),
            Stage::Awaiting if self.is_late(now) => self.fail(Why::NoPayment, now),
            Stage::Escrowed if self.is_late(now) => self.refund(Why::NotShipped),
            Stage::Shipped if self.is_late(now) => self.receive(0),
            _ => {}
        }
    }

    fn nominated(&mut self, said: &Said) {
        if said.now >= self.last_chance {
            return self.relist();
        }
        *self = Self {
            offer: true,
            lot: Lot::NextContender,
            payment_due: said.now + TimeDelta::days(3),
            last_chance: self.last_chance,
            captured: self.captured,
            refunded: self.refunded,
            paid_out: self.paid_out,
            charged_back: self.charged_back,
            strikes: self.strikes,
            requests: self.requests,
            relistings: self.relistings,
            ..Self::sold(said.offered_at, self.commission_bps, true, said.now)
        };
    }

    fn off_from_outside(&mut self, now: DateTime<Utc>) {
        match self.stage {
            Stage::Escrowed if self.stuck => self.called_off = true,
            _ if self.stuck => {}
            Stage::Awaiting => self.fail(Why::Otherwise, now),
            Stage::Authorizing | Stage::Authorized => self.called_off = true,
            Stage::Escrowed => self.refund(Why::Otherwise),
            Stage::Shipped => self.stuck = true,
            _ => {}
        }
    }

    fn gateway(&mut self, said: &Said) {
        let now = said.now;
        let awaited = matches!(
            self.stage,
            Stage::Authorizing
                | Stage::Authorized
                | Stage::Voiding
                | Stage::Refunding
                | Stage::PartRefunding
                | Stage::Received
        );
        if self.stuck || !awaited {
            assert_eq!(said.heard, Heard::NotContacted);
            return;
        }
        let hold_ran_out = self.stage == Stage::Authorized && now >= self.hold_end;
        let paying = matches!(self.stage, Stage::Authorizing | Stage::Authorized);
        if self.sure && (paying && self.called_off || hold_ran_out) {
            assert_eq!(said.heard, Heard::NotContacted, "nobody wants the gateway to do it any more");
            match self.stage {
                Stage::Authorized if self.called_off => self.void(Why::Otherwise),
                Stage::Authorized => self.hold_is_gone(now),
                _ => self.fail(Why::Otherwise, now),
            }
            return;
        }
        self.contacts += 1;
        match said.heard {
            Heard::Did => self.done(now),
            Heard::Refused => self.refused(now),
            Heard::HoldGone => self.hold_is_gone(now),
            Heard::Away if self.stage == Stage::Authorizing && self.sure && self.contacts >= 8 => {
                self.payment_due = self.payment_due.max(now + TimeDelta::days(4));
                self.refused(now);
            }
            Heard::Away | Heard::Absent => {}
            Heard::Unsure => self.sure = false,
            Heard::NotContacted => panic!("the gateway was to be contacted"),
        }
    }

    fn done(&mut self, now: DateTime<Utc>) {
        match self.stage {
            Stage::Authorizing => {
                self.tell(Stage::Authorized);
                self.hold_end = now + TimeDelta::days(7);
                if self.called_off {
                    self.void(Why::Otherwise);
                }
            }
            Stage::Authorized => {
                self.captured += self.price;
                (self.stage, self.wish) = (Stage::Escrowed, None);
                self.ship_due = now + TimeDelta::days(7);
                if self.called_off {
                    self.refund(Why::Otherwise);
                } else {
                    self.stuck = self.stops_here();
                }
            }
            Stage::Voiding => self.fail(self.why, now),
            Stage::Refunding => {
                self.refunded += self.price;
                self.stage = Stage::Refunded;
                self.follow(self.why, now);
            }
            Stage::PartRefunding => {
                self.refunded += self.part;
                self.receive(self.part);
                self.stuck = self.stage == Stage::Received && self.stops_here();
            }
            Stage::Received => {
                self.paid_out += self.payout;
                self.stage = Stage::Completed;
            }
            _ => panic!("nothing was to be done"),
        }
    }

    fn refused(&mut self, now: DateTime<Utc>) {
        match self.stage {
            Stage::Authorizing => {
                (self.stage, self.wish) = (Stage::Awaiting, None);
                if self.called_off {
                    self.fail(Why::Otherwise, now);
                } else if now >= self.payment_due {
                    self.fail(Why::NoPayment, now);
                }
            }
            Stage::Authorized | Stage::Voiding if now >= self.hold_end => self.hold_is_gone(now),
            Stage::Authorized => self.void(if self.called_off { Why::Otherwise } else { Why::PaymentFailed }),
            Stage::Voiding | Stage::Refunding | Stage::PartRefunding | Stage::Received => {
                self.stuck = !self.tries_again();
            }
            _ => panic!("nothing was to be refused"),
        }
    }

    /// Up to five attempts, and one more at each word of the operator's.
    fn tries_again(&mut self) -> bool {
        let attempts = match self.stage {
            Stage::Voiding => &mut self.voids,
            Stage::Received => &mut self.payouts,
            _ => &mut self.refunds,
        };
        let again = *attempts < 5 || self.stuck;
        if again {
            *attempts += 1;
            (self.sure, self.contacts) = (true, 0);
        }
        again
    }

    fn hold_is_gone(&mut self, now: DateTime<Utc>) {
        if self.stage == Stage::Voiding {
            return self.fail(self.why, now);
        }
        if self.called_off {
            return self.fail(Why::Otherwise, now);
        }
        self.payment_due = self.payment_due.max(now + TimeDelta::days(4));
        if self.authorizations <= 5 {
            self.authorize();
        } else {
            (self.stage, self.wish) = (Stage::Awaiting, None);
        }
    }
}
