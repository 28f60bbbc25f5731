//! Disputes, agreed cancellations, awards given up, and what the operator decides.

use super::*;
use crate::settlement::FailureReason::{Agreed, AwardDeclined, CalledOff, DisputeRefunded};
use crate::settlement::MAX_EVIDENCE;

fn evidence(who: &str) -> Act {
    Act::Evidence(who.parse().unwrap(), say("See the picture."))
}

#[test]
fn a_dispute_stops_the_time_and_both_parties_are_heard() {
    let story = Story::disputed().days_pass(365);
    assert_eq!((story.status(), due_at(&story.settlement)), (Status::Disputed, None));
    let story = story.act(evidence("seller")).act(evidence("buyer"));
    let dispute = story.settlement.dispute().unwrap();
    assert_eq!(dispute.reason.as_str(), "It is broken.");
    assert_eq!(dispute.evidence.iter().map(|one| one.by).collect::<Vec<_>>(), [Role::Seller, Role::Buyer]);
}

#[test]
fn a_dispute_after_the_inspection_is_too_late_even_before_the_timer_ran() {
    let mut story = Story::escrowed().ships();
    story.now += TimeDelta::days(3);
    assert!(matches!(story.refuses(dispute()), SagaError::Late { event: "dispute", .. }));
}

#[test]
fn a_dispute_knows_which_operator_opened_it_and_is_opened_once() {
    let by = |who: &str| Act::Dispute(who.parse().unwrap(), say("The bank took the payment back."));
    for (who, operator) in [("buyer", None), ("root", Some("root"))] {
        let story = Story::escrowed().ships().act(by(who));
        assert_eq!(story.settlement.dispute().unwrap().operator.as_ref().map(UserId::as_str), operator);
        assert_eq!(story.told().last(), Some(&"disputed"));
        let refused = Refused { status: Status::Disputed, event: "dispute" };
        assert_eq!(story.refuses(by("root")), SagaError::Refused(refused));
    }
}

#[test]
fn a_dispute_takes_so_much_evidence_and_no_more() {
    let mut story = Story::disputed();
    for _ in 0..MAX_EVIDENCE {
        story = story.act(evidence("buyer"));
    }
    assert_eq!(story.refuses(evidence("seller")), SagaError::EvidenceFull);
}

#[test]
fn a_dispute_decided_for_the_buyer_gives_all_of_it_back() {
    let story = Story::disputed().decides(Verdict::Refund).agrees();
    assert_eq!((story.status(), story.reason()), (Status::Refunded, Some(DisputeRefunded)));
    assert_eq!((story.balance(AccountKind::GatewayClearing), story.balance(AccountKind::Escrow)), (0, 0));
    assert!(story.strikes.is_empty());
}

#[test]
fn a_dispute_decided_for_the_seller_pays_out_in_full() {
    let story = Story::disputed().decides(Verdict::Release).agrees();
    assert_eq!(*story.last_event(), What::Completed { payout: usd(10_845), commission: usd(1_205) });
}

#[test]
fn a_part_refund_comes_out_of_the_sellers_share_and_the_rest_is_paid() {
    let story = Story::disputed().decides(Verdict::PartRefund { amount: 2_000 });
    assert_eq!((story.status(), story.balance(AccountKind::Escrow)), (Status::Refunding, -12_050));
    let story = story.agrees();
    assert_eq!((story.status(), story.balance(AccountKind::Escrow)), (Status::Received, 0));
    assert_eq!(story.balance(AccountKind::SellerPayable), -8_845);
    let story = story.agrees();
    assert_eq!(*story.last_event(), What::Completed { payout: usd(8_845), commission: usd(1_205) });
    assert_eq!(story.balance(AccountKind::GatewayClearing), 1_205);
}

#[test]
fn a_part_refund_is_at_least_one_unit_and_at_most_the_sellers_share() {
    for amount in [-1, 0, 10_846, i64::MAX] {
        let refused = Story::disputed().refuses(resolve(Verdict::PartRefund { amount }));
        assert_eq!(refused, SagaError::NoPart { most: 10_845, unit: Unit::MIN }, "{amount}");
    }
    let all = Story::disputed().decides(Verdict::PartRefund { amount: 10_845 }).agrees();
    assert_eq!((all.status(), all.call.is_none()), (Status::Completed, true), "there is nothing left to pay out");
    assert_eq!(all.balance(AccountKind::PlatformRevenue), -1_205);
}

#[test]
fn a_part_refund_is_one_that_the_gateway_can_move() {
    let mut story = Story::disputed();
    let mut stored = serde_json::to_value(&story.settlement).unwrap();
    stored["quote"]["unit"] = 10.into();
    story.settlement = serde_json::from_value(stored).unwrap();
    let refused = story.refuses(resolve(Verdict::PartRefund { amount: 1_005 }));
    assert_eq!(refused, SagaError::NoPart { most: 10_845, unit: Unit::new(10).unwrap() });
    assert_eq!(story.decides(Verdict::PartRefund { amount: 1_000 }).agrees().status(), Status::Received);
}

#[test]
fn all_of_a_price_without_commission_may_be_the_part() {
    let disputed = Story::sold(100, 0).pays().agrees().agrees().ships().act(dispute());
    let story = disputed.decides(Verdict::PartRefund { amount: 100 }).agrees();
    assert_eq!((story.status(), story.balance(AccountKind::Escrow)), (Status::Completed, 0));
}

#[test]
fn a_decision_goes_into_the_audit_trail_with_who_and_why() {
    let story = Story::disputed().decides(Verdict::Refund);
    let [resolution] = story.resolutions.as_slice() else { panic!("{:?}", story.resolutions) };
    assert_eq!((resolution.by.as_str(), resolution.verdict), ("root", Verdict::Refund));
    assert_eq!(
        (resolution.status, resolution.note.as_ref().unwrap().as_str()),
        (Status::Disputed, "So it is decided.")
    );
}

#[test]
fn both_parties_together_call_an_unpaid_sale_off_and_one_alone_does_not() {
    for (first, second) in [("buyer", "seller"), ("seller", "buyer")] {
        let story = Story::without_contenders().act(cancel(first)).act(cancel(first));
        assert_eq!(story.status(), Status::AwaitingPayment);
        assert_eq!(story.settlement.cancel_wish().map(Role::name), Some(first));
        let story = story.act(cancel(second));
        assert_eq!((story.status(), story.reason()), (Status::Failed, Some(Agreed)));
        assert!(story.strikes.is_empty());
        assert_eq!(story.told(), ["started", "failed"], "the lot is the seller's business");
    }
}

#[test]
fn an_agreed_cancellation_of_a_paid_sale_gives_the_money_back() {
    let story = Story::escrowed().act(cancel("seller")).act(cancel("buyer"));
    assert_eq!(story.status(), Status::Refunding);
    let story = story.agrees();
    assert_eq!((story.status(), story.reason()), (Status::Refunded, Some(Agreed)));
}

#[test]
fn a_wish_to_cancel_is_forgotten_when_the_sale_goes_on() {
    let story = Story::new().act(cancel("seller")).pays().agrees().agrees();
    assert_eq!(story.settlement.cancel_wish(), None);
    assert_eq!(story.act(cancel("buyer")).status(), Status::Escrowed);
}

#[test]
fn an_award_given_up_is_called_off_wherever_the_money_is() {
    let given_up = |story: Story| {
        let change = award_declined(story.settlement.clone(), story.now);
        story.take(change)
    };
    assert_eq!(given_up(Story::new()).reason(), Some(AwardDeclined));
    let refunding = given_up(Story::escrowed());
    assert_eq!((refunding.status(), refunding.agrees().status()), (Status::Refunding, Status::Refunded));

    let authorizing = given_up(Story::new().pays().gateway(Report::Unknown));
    assert_eq!(authorizing.status(), Status::Authorizing);
    let voiding = authorizing.agrees();
    assert_eq!(voiding.call.as_ref().unwrap().operation(), Operation::Void);
    assert_eq!(voiding.agrees().reason(), Some(AwardDeclined));

    let capturing = given_up(Story::new().pays().agrees().gateway(Report::Unknown));
    let refunded = capturing.agrees().agrees();
    assert_eq!((refunded.status(), refunded.reason()), (Status::Refunded, Some(AwardDeclined)));

    let never_sent = given_up(Story::new().pays()).agrees();
    assert_eq!((never_sent.status(), never_sent.call.is_none()), (Status::Failed, true));
    for code in ["card_declined", Decline::AMOUNT_REFUSED] {
        let declined = given_up(Story::new().pays().gateway(Report::Unknown)).declines_as(code);
        assert_eq!(declined.reason(), Some(AwardDeclined), "{code}");
    }
    let hold_expired =
        given_up(Story::new().pays().agrees().gateway(Report::Unknown)).declines_as(Decline::HOLD_EXPIRED);
    assert_eq!((hold_expired.status(), hold_expired.reason()), (Status::Failed, Some(AwardDeclined)));
}

#[test]
fn an_award_given_up_after_shipping_is_for_the_operator_to_decide() {
    let stuck = || {
        let story = Story::escrowed().ships();
        let change = award_declined(story.settlement.clone(), story.now);
        story.take(change)
    };
    assert_eq!(stuck().settlement.actions(), ["refund", "release"]);
    let refunded = stuck().decides(Verdict::Refund).agrees();
    assert_eq!(refunded.reason(), Some(CalledOff));
    assert_eq!(refunded.told(), ["started", "escrowed", "shipped", "failed"]);
    assert_eq!(stuck().decides(Verdict::Release).agrees().status(), Status::Completed);
}

/// The gateway refuses until a person is needed.
fn refused_until_stuck(mut story: Story) -> Story {
    while story.status() != Status::NeedsOperator {
        story = story.declines();
    }
    story
}

#[test]
fn what_is_stuck_is_tried_once_more_at_the_operators_word() {
    let story = refused_until_stuck(Story::escrowed().ships().act(Act::Receive)).decides(Verdict::Retry).paid_out();
    assert!(story.call.as_ref().unwrap().key().as_str().ends_with(":pay_out:1"), "another payout");
    assert_eq!(refused_until_stuck(story).decides(Verdict::Retry).agrees().status(), Status::Completed);
    let story = refused_until_stuck(Story::escrowed().days_pass(7)).decides(Verdict::Retry).agrees();
    assert_eq!(story.status(), Status::Refunded);
    assert_eq!(story.told(), ["started", "escrowed", "failed"]);
}

#[test]
fn a_hold_that_is_not_let_go_may_be_closed_for_it_runs_out_by_itself() {
    let story = refused_until_stuck(Story::new().pays().agrees().declines()).decides(Verdict::Close);
    assert_eq!((story.status(), story.transactions.len()), (Status::Failed, 0));
}

#[test]
fn a_part_that_cannot_be_given_back_may_be_released_instead() {
    let stuck = refused_until_stuck(Story::disputed().decides(Verdict::PartRefund { amount: 5 }));
    let story = stuck.decides(Verdict::Release).agrees();
    assert_eq!(*story.last_event(), What::Completed { payout: usd(10_845), commission: usd(1_205) });
}

#[test]
fn a_decision_without_a_note_is_taken_in_a_dispute_only() {
    let without =
        |verdict| Act::Resolve(Decision { by: "root".parse().unwrap(), verdict, note: None, chargebacks_seen: None });
    assert_eq!(Story::disputed().act(without(Verdict::Release)).status(), Status::Received);
    let stuck = refused_until_stuck(Story::escrowed().days_pass(7));
    assert_eq!(stuck.refuses(without(Verdict::Retry)), SagaError::NoNote);
}
