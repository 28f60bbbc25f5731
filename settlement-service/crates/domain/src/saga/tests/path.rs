//! The good path, its deadlines, and what the gateway's answers lead to.

use super::*;
use crate::settlement::FailureReason::{NotShipped, PaymentFailed, Unpaid};

#[test]
fn the_table_lists_every_step_in_its_place() {
    for (place, row) in SAGA.iter().enumerate() {
        assert_eq!((row.step as usize, row.step.row().step), (place, row.step));
    }
    assert_eq!(PayOut.next(), None);
    for (place, end) in ENDS.iter().enumerate() {
        assert_eq!((end.reason as usize, end.reason.row().reason), (place, end.reason));
    }
}

#[test]
fn every_act_has_its_party_in_a_table() {
    let who = "buyer".parse::<UserId>().unwrap();
    let evidence = Act::Evidence(who.clone(), say("x"));
    let acts =
        [pay(), ship(), Act::Receive, Act::Decline, dispute(), evidence, Act::Cancel(who), resolve(Verdict::Retry)];
    let parties = acts.map(|act| act.by());
    assert_eq!(parties, [Buyer, Seller, Buyer, Buyer, BuyerOrOperator, Parties, Parties, Operator]);
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
fn a_declined_payment_returns_to_the_buyer_who_pays_by_another_method() {
    let story = Story::new().pays().declines();
    let State::AwaitingPayment { declined: Some(decline), .. } = story.settlement.state() else { panic!() };
    assert_eq!(decline.code, "card_declined");
    assert!(story.transactions.is_empty());
    let story = story.pays();
    assert!(story.call.as_ref().unwrap().key().as_str().ends_with(":authorize:2"));
    assert_eq!(story.agrees().agrees().status(), Status::Escrowed);
}

#[test]
fn a_payment_is_tried_so_often_and_no_more_and_then_the_deadline_takes_its_course() {
    let declined = |times: u32| (0..times).fold(Story::new(), |story, _| story.pays().declines());
    assert_eq!(declined(MAX_PAYMENTS - 1).pays().agrees().agrees().status(), Status::Escrowed);
    let story = declined(MAX_PAYMENTS);
    assert_eq!(story.refuses(pay()), SagaError::PaymentsExhausted);
    assert_eq!(story.status(), Status::AwaitingPayment);
    let story = story.days_pass(4);
    assert_eq!((story.reason(), story.strikes.len()), (Some(Unpaid), 1));
}

#[test]
fn an_amount_that_no_method_pays_ends_the_sale_at_once_and_strikes_nobody() {
    let refused = |story: Story| story.pays().declines_as(Decline::AMOUNT_REFUSED);
    let story = refused(Story::without_contenders());
    assert_eq!((story.status(), story.reason()), (Status::Failed, Some(PaymentFailed)));
    assert_eq!(story.told(), ["started", "failed", "relist.requested"]);
    assert!(story.strikes.is_empty() && story.transactions.is_empty() && story.call.is_none());
    assert_eq!(refused(Story::with_contenders()).told(), ["started", "failed", "second_chance.requested"]);
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
fn who_paid_in_time_has_paid_however_late_the_gateway_answers() {
    let mut story = Story::new().pays().gateway(Report::Unknown);
    story.now += TimeDelta::days(5);
    let story = story.agrees().agrees();
    assert_eq!((story.status(), story.strikes.len()), (Status::Escrowed, 0));

    let mut never_sent = Story::new().pays();
    never_sent.now += TimeDelta::days(5);
    assert_eq!(never_sent.agrees().status(), Status::Authorized);
}

#[test]
fn a_decline_that_comes_after_the_deadline_fails_the_settlement() {
    let mut story = Story::new().pays().gateway(Report::Unknown);
    story.now += TimeDelta::days(5);
    assert_eq!(story.declines().status(), Status::Failed);
}

#[test]
fn a_capture_in_doubt_is_never_dropped_and_counts_when_it_turns_out_done() {
    let mut story = Story::new().pays().agrees().gateway(Report::Unknown);
    story.now += TimeDelta::days(8);
    let story = story.gateway(Report::Absent);
    assert_eq!(story.call.as_ref().unwrap().operation(), Operation::Capture);
    assert_eq!(story.agrees().status(), Status::Escrowed);
}

#[test]
fn a_refused_capture_lets_the_hold_go() {
    let story = Story::new().pays().agrees().declines();
    assert_eq!(story.call.as_ref().unwrap().operation(), Operation::Void);
    let story = story.agrees();
    assert_eq!((story.status(), story.reason()), (Status::Failed, Some(PaymentFailed)));
    assert!(story.strikes.is_empty(), "the buyer had paid");
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
    let mut story = Story::escrowed().ships().act(Act::Receive).paid_out();
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
    let State::AwaitingPayment { declined: Some(decline), .. } = story.settlement.state() else { panic!() };
    assert_eq!(decline.code, "gateway_unavailable");
}

#[test]
fn a_gateway_that_is_away_past_the_deadline_costs_the_buyer_nothing() {
    let mut story = Story::new();
    story.now = story.settlement.payment_due_at() - TimeDelta::seconds(1);
    story = story.pays();
    for _ in 0..8 {
        story = story.gateway(Report::Unavailable);
    }
    assert_eq!(story.status(), Status::AwaitingPayment);
    assert_eq!(story.settlement.payment_due_at(), story.now + TimeDelta::days(4));
}

#[test]
fn a_gateway_that_takes_no_payout_is_tried_for_a_day_before_it_counts_as_refused() {
    let mut story = Story::escrowed().ships().act(Act::Receive).paid_out();
    let began = story.now;
    for _ in 0..40 {
        assert_eq!(story.payout.as_ref().unwrap().attempts(), 1);
        story = story.gateway(Report::Unavailable);
    }
    assert_eq!(story.payout.as_ref().unwrap().attempts(), 2);
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
        lot: Lot::Units,
        closed_at: DateTime::UNIX_EPOCH,
    };
    let start = |sale| {
        let terms = Story::new().settlement.terms();
        Settlement::start(uuid::Uuid::nil().into(), sale, terms, &fees(1_000), DateTime::UNIX_EPOCH).map(|_| ())
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
        Story::escrowed().ships().act(Act::Receive),
        Story::escrowed().ships().act(Act::Receive).paid_out(),
        Story::escrowed().ships().act(Act::Receive).agrees(),
        Story::escrowed().days_pass(7),
        Story::disputed().act(Act::Evidence("seller".parse().unwrap(), say("It was whole."))),
        Story::disputed().decides(Verdict::PartRefund { amount: 50 }),
        Story::with_contenders().days_pass(4),
        Story::escrowed().act(cancel("buyer")),
        Story::escrowed().ships().charged_back("dp_1"),
    ];
    for story in stories {
        let stored = serde_json::to_value(&story.settlement).unwrap();
        assert_eq!(serde_json::from_value::<Settlement>(stored).unwrap(), story.settlement);
        let stored = serde_json::to_value(&story.call).unwrap();
        assert_eq!(serde_json::from_value::<Option<GatewayCall>>(stored).unwrap(), story.call);
    }
}
