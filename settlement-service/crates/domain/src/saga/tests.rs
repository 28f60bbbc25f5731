//! The saga's decisions one by one: given a settlement that came this far, when this happens, then that.

use chrono::TimeDelta;

use super::*;
use crate::fees::Schedules;
use crate::ledger::{AccountKind, TrialBalance};
use crate::settlement::{Sale, Status, Terms};
use crate::{BasisPoints, Money};

const DAY_S: u32 = 86_400;

fn usd(amount: i64) -> Money {
    Money::new(amount, "USD".parse().unwrap()).unwrap()
}

/// A settlement, the call it waits for, and everything that was said and posted.
struct Story {
    now: DateTime<Utc>,
    settlement: Settlement,
    call: Option<GatewayCall>,
    events: Vec<SettlementEvent>,
    transactions: Vec<Transaction>,
}

impl Story {
    fn sold(price: i64, commission: u16) -> Self {
        let now = DateTime::UNIX_EPOCH;
        let sale = Sale {
            auction_id: uuid::Uuid::from_u128(1).into(),
            seller_id: "seller".parse().unwrap(),
            buyer_id: "buyer".parse().unwrap(),
            price: usd(price),
        };
        let terms = Terms { payment_due_s: 4 * DAY_S, ship_due_s: 7 * DAY_S, inspection_s: 3 * DAY_S };
        let fees = Schedules::only_commission(BasisPoints::try_from(commission).unwrap());
        let (settlement, started) =
            Settlement::start(uuid::Uuid::from_u128(2).into(), sale, terms, &fees, now).unwrap();
        Self { now, settlement, call: None, events: vec![started], transactions: Vec::new() }
    }

    fn new() -> Self {
        Self::sold(12_050, 1_000)
    }

    fn take(mut self, change: Change) -> Self {
        self.settlement = change.settlement;
        self.events.extend(change.events);
        self.transactions.extend(change.transactions);
        self.call = change.calls.into_iter().chain(self.call).find(|call| !call.is_over());
        self
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
        let call = self.call.take().expect("a call is planned");
        self.now = self.now.max(call.due_at().unwrap());
        match dispatch(self.settlement.clone(), call, self.now) {
            Dispatch::Contact(call, contact) => {
                let change = report(self.settlement.clone(), call, contact, outcome, self.now);
                self.take(change)
            }
            Dispatch::Overtaken(change) => self.take(*change),
        }
    }

    fn agrees(self) -> Self {
        let key = self.call.as_ref().expect("a call is planned").key();
        self.gateway(Report::Answered(Answer::Succeeded { reference: GatewayRef::from(format!("ref:{key}")) }))
    }

    fn declines(self) -> Self {
        let decline = Decline { code: "card_declined".into(), message: "Your card was declined.".into() };
        self.gateway(Report::Answered(Answer::Declined(decline)))
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

#[test]
fn the_table_lists_every_step_in_its_place() {
    for (place, row) in SAGA.iter().enumerate() {
        assert_eq!((row.step as usize, row.step.row().step), (place, row.step));
    }
    assert_eq!(PayOut.next(), None);
}

#[test]
fn the_good_path_pays_the_seller_and_the_platform() {
    let story = Story::new().pays();
    assert_eq!(story.status(), Status::Authorizing);
    let story = story.agrees();
    assert_eq!(story.status(), Status::Authorized);
    let story = story.agrees();
    assert_eq!(story.status(), Status::Escrowed);
    assert_eq!(story.balance(AccountKind::Escrow), -12_050);
    let story = story.ships().act(Act::Receive);
    assert_eq!(story.status(), Status::Received);
    assert_eq!(story.balance(AccountKind::SellerPayable), -10_845);
    let story = story.agrees();
    assert_eq!(story.status(), Status::Completed);
    assert_eq!(*story.last_event(), What::Completed { payout: usd(10_845), commission: usd(1_205) });
    assert_eq!(story.balance(AccountKind::GatewayClearing), 1_205);
    assert_eq!(story.balance(AccountKind::PlatformRevenue), -1_205);
    assert_eq!(story.balance(AccountKind::SellerPayable) + story.balance(AccountKind::Escrow), 0);
    assert!(story.call.is_none());
}

#[test]
fn events_are_numbered_without_a_gap_and_say_where_the_settlement_stands() {
    let story = Story::escrowed().ships().act(Act::Receive).agrees();
    let told: Vec<_> = story.events.iter().map(|event| (event.sequence, event.what.name(), event.status)).collect();
    assert_eq!(
        told,
        [
            (1, "started", Status::AwaitingPayment),
            (2, "escrowed", Status::Escrowed),
            (3, "shipped", Status::Shipped),
            (4, "completed", Status::Completed),
        ]
    );
    assert_eq!(story.settlement.sequence(), 4);
}

#[test]
fn an_act_out_of_turn_is_refused_naming_state_and_event() {
    let stories = [
        (Story::new(), "pay"),
        (Story::new().pays(), ""),
        (Story::new().pays().agrees(), ""),
        (Story::escrowed(), "ship"),
        (Story::escrowed().ships(), "receive"),
        (Story::escrowed().ships().act(Act::Receive), ""),
        (Story::escrowed().ships().act(Act::Receive).agrees(), ""),
        (Story::escrowed().days_pass(7), ""),
        (Story::escrowed().days_pass(7).agrees(), ""),
        (Story::new().days_pass(4), ""),
    ];
    for (story, legal) in stories {
        for act in [pay(), ship(), Act::Receive] {
            let name = act.name();
            let outcome = begin(story.settlement.clone(), act, story.now);
            if name == legal {
                assert!(outcome.is_ok(), "{name} in {}", story.status());
            } else {
                let refused = Refused { status: story.status(), event: name };
                assert_eq!(outcome, Err(SagaError::Refused(refused)));
            }
        }
    }
}

#[test]
fn a_declined_payment_returns_to_the_buyer_who_pays_by_another_method() {
    let story = Story::new().pays().declines();
    let State::AwaitingPayment { declined: Some(decline) } = story.settlement.state() else { panic!() };
    assert_eq!(decline.code, "card_declined");
    assert!(story.transactions.is_empty());
    let story = story.pays();
    assert!(story.call.as_ref().unwrap().key().as_str().ends_with(":authorize:2"));
    assert_eq!(story.agrees().agrees().status(), Status::Escrowed);
}

#[test]
fn unpaid_at_the_deadline_fails_at_that_very_moment_and_not_before() {
    assert_eq!(Story::new().days_pass(3).status(), Status::AwaitingPayment);
    let story = Story::new().days_pass(4);
    assert_eq!(story.status(), Status::Failed);
    assert_eq!(*story.last_event(), What::Failed { reason: Unpaid, refunded: usd(0) });
}

#[test]
fn a_payment_after_the_deadline_is_too_late_even_before_the_timer_ran() {
    let mut story = Story::new();
    story.now = story.settlement.payment_due_at();
    assert_eq!(story.refuses(pay()), SagaError::Late { event: "pay", deadline: story.now });
}

#[test]
fn a_shipment_after_the_deadline_is_too_late_and_a_late_receipt_is_not() {
    let mut story = Story::escrowed();
    story.now += TimeDelta::days(7);
    assert!(matches!(story.refuses(ship()), SagaError::Late { event: "ship", .. }));
    let mut story = Story::escrowed().ships();
    story.now += TimeDelta::days(30);
    assert_eq!(story.act(Act::Receive).status(), Status::Received);
}

#[test]
fn a_hold_that_comes_after_the_deadline_is_let_go() {
    let mut story = Story::new().pays().gateway(Report::Unknown);
    story.now += TimeDelta::days(5);
    let story = story.agrees();
    assert_eq!(story.status(), Status::Refunding);
    assert_eq!(story.call.as_ref().unwrap().operation(), Operation::Void);
    let story = story.agrees();
    assert_eq!(story.status(), Status::Failed);
    assert_eq!(*story.last_event(), What::Failed { reason: Unpaid, refunded: usd(0) });
    assert!(story.transactions.is_empty());
}

#[test]
fn a_decline_that_comes_after_the_deadline_fails_the_settlement() {
    let mut story = Story::new().pays().gateway(Report::Unknown);
    story.now += TimeDelta::days(5);
    assert_eq!(story.declines().status(), Status::Failed);
}

#[test]
fn a_call_never_sent_is_dropped_at_the_deadline() {
    let mut story = Story::new().pays();
    story.now += TimeDelta::days(4);
    assert_eq!(story.agrees().status(), Status::Failed);

    let mut story = Story::new().pays().agrees().gateway(Report::Unavailable);
    story.now += TimeDelta::days(4);
    let story = story.agrees();
    assert_eq!(story.call.as_ref().unwrap().operation(), Operation::Void);
    assert_eq!(story.agrees().status(), Status::Failed);
}

#[test]
fn a_capture_in_doubt_is_never_dropped_and_counts_when_it_turns_out_done() {
    let mut story = Story::new().pays().agrees().gateway(Report::Unknown);
    story.now += TimeDelta::days(4);
    let story = story.gateway(Report::Absent);
    assert_eq!(story.call.as_ref().unwrap().operation(), Operation::Capture);
    assert_eq!(story.agrees().status(), Status::Escrowed);
}

#[test]
fn a_refused_capture_lets_the_hold_go() {
    let story = Story::new().pays().agrees().declines();
    assert_eq!(story.call.as_ref().unwrap().operation(), Operation::Void);
    assert_eq!(story.agrees().status(), Status::Failed);
}

#[test]
fn a_lot_not_shipped_is_refunded_in_full() {
    let story = Story::escrowed().days_pass(7);
    assert_eq!(story.status(), Status::Refunding);
    let story = story.agrees();
    assert_eq!(story.status(), Status::Refunded);
    assert_eq!(*story.last_event(), What::Failed { reason: NotShipped, refunded: usd(12_050) });
    assert!(story.call.is_none(), "one refund is enough");
    assert_eq!(story.balance(AccountKind::GatewayClearing), 0);
    assert_eq!(story.balance(AccountKind::Escrow), 0);
}

#[test]
fn silence_until_the_end_of_the_inspection_counts_as_received() {
    let story = Story::escrowed().ships().days_pass(2);
    assert_eq!(story.status(), Status::Shipped);
    assert_eq!(story.days_pass(1).agrees().status(), Status::Completed);
}

#[test]
fn a_payout_refused_five_times_needs_an_operator() {
    let mut story = Story::escrowed().ships().act(Act::Receive);
    for attempt in 1..=5 {
        assert_eq!(story.call.as_ref().unwrap().attempt(), attempt);
        story = story.declines();
    }
    let State::NeedsOperator { stuck, reason, .. } = story.settlement.state() else { panic!() };
    assert_eq!(stuck.status(), Status::Received);
    assert!(reason.contains("pay_out") && reason.contains("card_declined"), "{reason}");
    assert!(story.call.is_none());
    assert_eq!(story.balance(AccountKind::SellerPayable), -10_845, "the seller is still owed");
}

#[test]
fn an_undo_refused_five_times_needs_an_operator() {
    for mut story in [Story::escrowed().days_pass(7), Story::new().pays().agrees().declines()] {
        for _ in 1..=5 {
            story = story.declines();
        }
        assert_eq!(story.status(), Status::NeedsOperator);
    }
}

#[test]
fn a_gateway_that_takes_no_authorization_sends_the_buyer_back_with_the_reason() {
    let mut story = Story::new().pays();
    for _ in 0..8 {
        assert_eq!(story.status(), Status::Authorizing);
        story = story.gateway(Report::Unavailable);
    }
    let State::AwaitingPayment { declined: Some(decline) } = story.settlement.state() else { panic!() };
    assert_eq!(decline.code, "gateway_unavailable");
}

#[test]
fn a_gateway_that_takes_no_payout_is_tried_for_a_day_before_it_counts_as_refused() {
    let mut story = Story::escrowed().ships().act(Act::Receive);
    let began = story.now;
    for _ in 0..40 {
        assert_eq!(story.settlement.attempts(Operation::PayOut), 1);
        story = story.gateway(Report::Unavailable);
    }
    assert_eq!(story.settlement.attempts(Operation::PayOut), 2);
    assert!(story.now - began > TimeDelta::days(1));
}

#[test]
fn a_call_in_doubt_is_asked_about_for_as_long_as_it_takes() {
    let mut story = Story::escrowed().ships().act(Act::Receive).gateway(Report::Unknown);
    for _ in 0..200 {
        story = story.gateway(Report::Unavailable);
    }
    assert_eq!(story.status(), Status::Received);
    assert_eq!(story.agrees().status(), Status::Completed);
}

#[test]
fn an_answer_that_comes_twice_changes_nothing_the_second_time() {
    let story = Story::new().pays();
    let (claimed, contact) = story.call.clone().unwrap().claim(story.now);
    let held = Report::Answered(Answer::Succeeded { reference: GatewayRef::from("hold".to_owned()) });
    let once = report(story.settlement, claimed, contact, held.clone(), story.now);
    let over = once.calls[0].clone();
    let twice = report(once.settlement.clone(), over, contact, held, story.now);
    assert_eq!(twice.settlement, once.settlement);
    assert!(twice.calls.is_empty() && twice.events.is_empty() && twice.transactions.is_empty());
}

#[test]
fn an_answer_to_an_older_attempt_is_stored_and_moves_nothing() {
    let first = Story::new().pays();
    let stray = first.call.clone().unwrap();
    let story = first.declines().pays();
    let (claimed, contact) = stray.claim(story.now);
    let held = Report::Answered(Answer::Succeeded { reference: GatewayRef::from("hold".to_owned()) });
    let change = report(story.settlement.clone(), claimed, contact, held, story.now);
    assert_eq!((change.settlement, change.calls.len()), (story.settlement, 1));
}

#[test]
fn a_sale_whose_commission_takes_all_completes_without_a_payout() {
    let story = Story::sold(1, 10_000).pays().agrees().agrees().ships().act(Act::Receive);
    assert_eq!(story.status(), Status::Completed);
    assert!(story.call.is_none());
    assert_eq!(story.balance(AccountKind::PlatformRevenue), -1);
}

#[test]
fn a_sale_for_nothing_or_to_oneself_does_not_start() {
    use crate::settlement::InvalidSale;
    let sale = |seller: &str, price| Sale {
        auction_id: uuid::Uuid::from_u128(1).into(),
        seller_id: seller.parse().unwrap(),
        buyer_id: "buyer".parse().unwrap(),
        price: usd(price),
    };
    let start = |sale| {
        let terms = Story::new().settlement.terms();
        let fees = Schedules::only_commission(BasisPoints::try_from(1_000).unwrap());
        Settlement::start(uuid::Uuid::nil().into(), sale, terms, &fees, DateTime::UNIX_EPOCH).map(|_| ())
    };
    assert_eq!(start(sale("seller", 0)), Err(InvalidSale::NoPrice));
    assert_eq!(start(sale("buyer", 1)), Err(InvalidSale::SellerIsBuyer));
}

#[test]
fn time_moves_only_what_waits_for_a_person() {
    let due = |story: &Story| due_at(&story.settlement);
    assert_eq!(due(&Story::new()), Some(DateTime::UNIX_EPOCH + TimeDelta::days(4)));
    assert_eq!(due(&Story::new().pays()), None);
    assert_eq!(due(&Story::escrowed()), Some(DateTime::UNIX_EPOCH + TimeDelta::days(7)));
    assert_eq!(due(&Story::escrowed().ships()), Some(DateTime::UNIX_EPOCH + TimeDelta::days(3)));
    assert_eq!(due(&Story::new().days_pass(4)), None);
}

#[test]
fn a_settlement_is_the_same_after_it_was_stored_and_read() {
    let stories = [
        Story::new().pays().declines(),
        Story::new().pays(),
        Story::escrowed().ships().act(Act::Receive).agrees(),
        Story::escrowed().days_pass(7),
    ];
    for story in stories {
        let stored = serde_json::to_value(&story.settlement).unwrap();
        assert_eq!(serde_json::from_value::<Settlement>(stored).unwrap(), story.settlement);
        let stored = serde_json::to_value(&story.call).unwrap();
        assert_eq!(serde_json::from_value::<Option<GatewayCall>>(stored).unwrap(), story.call);
    }
}
