//! The buyer's bank takes the money back.

use super::*;
use crate::ledger::EntryKind;
use crate::settlement::FailureReason::{AwardDeclined, CalledOff, DisputeRefunded, NotShipped};
use crate::settlement::MAX_CHARGEBACKS;

/// The lot was received, and its seller is not being paid yet.
fn owed() -> Story {
    Story::escrowed().ships().act(Act::Receive)
}

fn part_refunding(amount: i64) -> Story {
    Story::disputed().decides(Verdict::PartRefund { amount })
}

/// The gateway refuses until a person is needed.
fn refused_until_stuck(mut story: Story) -> Story {
    while story.status() != Status::NeedsOperator {
        story = story.declines();
    }
    story
}

fn known(story: &Story) -> Vec<&str> {
    story.settlement.chargebacks().iter().map(|chargeback| chargeback.id.as_str()).collect()
}

#[test]
fn what_is_in_escrow_is_stopped_until_the_operator_decides() {
    let story = Story::escrowed().charged_back("dp_1");
    let State::NeedsOperator { stuck, reason, .. } = story.settlement.state() else { panic!("{:?}", story.status()) };
    assert_eq!(stuck.status(), Status::Escrowed);
    assert!(reason.contains("chargeback"), "{reason}");
    let refused = Refused { status: Status::NeedsOperator, event: "ship" };
    assert_eq!(story.refuses(ship()), SagaError::Refused(refused));
    assert_eq!(story.told(), ["started", "escrowed"]);
    assert_eq!(story.settlement.actions(), ["retry", "refund", "close"]);
    let story = story.days_pass(365);
    assert_eq!((story.status(), due_at(&story.settlement)), (Status::NeedsOperator, None));
}

#[test]
fn what_was_stopped_in_escrow_goes_on_with_the_whole_time_to_ship() {
    let story = Story::escrowed().charged_back("dp_1").days_pass(30).decides(Verdict::Retry);
    assert_eq!((story.status(), story.strikes.len()), (Status::Escrowed, 0));
    assert_eq!(due_at(&story.settlement), Some(story.now + TimeDelta::days(7)));
    assert_eq!(story.ships().act(Act::Receive).agrees().status(), Status::Completed);
}

#[test]
fn what_was_stopped_in_escrow_may_be_given_back() {
    let story = Story::escrowed().charged_back("dp_1").decides(Verdict::Refund).agrees();
    assert_eq!((story.status(), story.reason()), (Status::Refunded, Some(CalledOff)));
    assert_eq!((story.balance(AccountKind::GatewayClearing), story.balance(AccountKind::Escrow)), (0, 0));
    assert!(story.strikes.is_empty());
}

/// It was given up, or its lot listed again, after it was shipped.
fn off_after_shipping() -> Story {
    let story = Story::escrowed().ships();
    let change = award_declined(story.settlement.clone(), story.now);
    story.take(change)
}

#[test]
fn what_the_bank_keeps_of_the_money_in_escrow_is_closed_without_a_call_and_tells_what_a_refund_tells() {
    let refunding = Story::escrowed().days_pass(7).charged_back("dp_1");
    for (story, reason) in [
        (Story::escrowed().charged_back("dp_1"), CalledOff),
        (Story::escrowed().ships().charged_back("dp_1"), DisputeRefunded),
        (Story::disputed().charged_back("dp_1"), DisputeRefunded),
        (off_after_shipping().charged_back("dp_1"), CalledOff),
        (refused_until_stuck(refunding), NotShipped),
        (refused_until_stuck(part_refunding(5).charged_back("dp_1")), DisputeRefunded),
        (refused_until_stuck(Story::escrowed().charged_back("dp_1").decides(Verdict::Refund)), CalledOff),
    ] {
        let from = format!("{:?}", story.settlement.state());
        assert_eq!(story.settlement.actions().last(), Some(&"close"), "{from}");
        let story = story.decides(Verdict::Close);
        assert_eq!((story.status(), story.reason()), (Status::Refunded, Some(reason)), "{from}");
        assert_eq!(*story.last_event(), What::Failed { reason, refunded: usd(12_050) }, "{from}");
        assert!(story.call.is_none(), "{from}: the gateway is told nothing");
        let kinds: Vec<_> = story.transactions.iter().map(Transaction::kind).collect();
        assert_eq!(kinds, [EntryKind::Captured, EntryKind::ChargedBack], "{from}");
        assert_eq!((story.balance(AccountKind::GatewayClearing), story.balance(AccountKind::Escrow)), (0, 0), "{from}");
        assert_eq!(story.resolutions.last().unwrap().verdict, Verdict::Close, "{from}");
        assert_eq!(story.settlement.actions(), [""; 0], "{from}");
    }
}

#[test]
fn a_strike_that_a_refund_would_have_given_is_given_where_the_bank_keeps_the_money() {
    let story = refused_until_stuck(Story::escrowed().days_pass(7).charged_back("dp_1")).decides(Verdict::Close);
    let [(who, strike)] = story.strikes.as_slice() else { panic!("{:?}", story.strikes) };
    assert_eq!((who.as_str(), strike.role), ("seller", Role::Seller));
}

#[test]
fn nothing_is_closed_that_no_bank_took_back_or_that_is_not_in_escrow_any_more() {
    let close = || resolve(Verdict::Close);
    let unpaid = refused_until_stuck(Story::escrowed().days_pass(7));
    for story in [Story::disputed(), off_after_shipping(), unpaid, refused_until_stuck(part_refunding(5))] {
        assert!(
            matches!(story.refuses(close()), SagaError::NotAllowed { verdict: "close", .. }),
            "{:?}",
            story.status()
        );
    }
    for story in [owed().charged_back("dp_1"), refused_until_stuck(owed().paid_out().charged_back("dp_1"))] {
        assert!(
            matches!(story.refuses(close()), SagaError::NotAllowed { verdict: "close", .. }),
            "{:?}",
            story.status()
        );
    }
    let going_on = Story::escrowed().charged_back("dp_1").decides(Verdict::Retry);
    assert!(matches!(going_on.refuses(close()), SagaError::Refused(_)));
    let closed = Story::escrowed().charged_back("dp_1").decides(Verdict::Close);
    assert!(matches!(closed.refuses(close()), SagaError::Refused(_)), "once");
    assert_eq!(closed.charged_back("dp_2").transactions.len(), 2, "what comes later is noted");
}

#[test]
fn a_hold_that_is_not_let_go_is_closed_as_before_whatever_the_bank_told() {
    let stuck = refused_until_stuck(Story::new().pays().agrees().charged_back("dp_1").declines());
    assert_eq!(stuck.settlement.actions(), ["retry", "close"]);
    let story = stuck.decides(Verdict::Close);
    assert_eq!((story.status(), story.transactions.len()), (Status::Failed, 0));
}

#[test]
fn what_is_shipped_is_disputed_by_the_bank_and_both_parties_are_heard() {
    let story = Story::escrowed().ships().charged_back("dp_1").days_pass(365);
    assert_eq!((story.status(), story.told()), (Status::Disputed, vec!["started", "escrowed", "shipped", "disputed"]));
    let evidence = Act::Evidence("seller".parse().unwrap(), say("It was delivered."));
    let story = story.act(evidence);
    let dispute = story.settlement.dispute().unwrap();
    assert_eq!((dispute.opened_by(), dispute.operator.as_ref(), dispute.evidence.len()), ("bank", None, 1));
    assert!(dispute.reason.as_str().contains("bank"), "{:?}", dispute.reason);
    assert_eq!(story.decides(Verdict::Release).agrees().status(), Status::Completed);
}

#[test]
fn a_lot_whose_inspection_has_passed_unnoticed_is_not_paid_for_either() {
    let mut story = Story::escrowed().ships();
    story.now += TimeDelta::days(3);
    assert_eq!(story.charged_back("dp_1").days_pass(1).status(), Status::Disputed);
}

#[test]
fn what_waits_for_the_sellers_next_payout_is_not_paid_before_the_operator_says_so() {
    let story = owed().charged_back("dp_1");
    assert_eq!((story.status(), waiting(&story.settlement)), (Status::NeedsOperator, None));
    assert_eq!(gather(vec![story.settlement.clone()], &PayoutRules::default(), story.now), PayoutChange::default());
    assert_eq!(story.settlement.actions(), ["retry"]);
    assert_eq!(story.balance(AccountKind::SellerPayable), -10_845, "the seller is owed it still");
    let story = story.decides(Verdict::Retry);
    assert_eq!(story.status(), Status::Received);
    assert_eq!(*story.agrees().last_event(), What::Completed { payout: usd(10_845), commission: usd(1_205) });
}

#[test]
fn a_payout_that_is_under_way_or_was_made_stays_and_the_chargeback_is_noted() {
    for story in [owed().paid_out(), owed().agrees()] {
        let (status, told) = (story.status(), story.told());
        let story = story.charged_back("dp_1");
        assert_eq!((story.status(), story.told(), known(&story)), (status, told, vec!["dp_1"]));
    }
    assert_eq!(owed().paid_out().charged_back("dp_1").agrees().status(), Status::Completed);
    let refused = refused_until_stuck(owed().paid_out().charged_back("dp_1"));
    assert_eq!((refused.settlement.actions(), known(&refused)), (&["retry"][..], vec!["dp_1"]));
}

#[test]
fn the_same_chargeback_again_changes_nothing() {
    let stories = [Story::escrowed(), Story::escrowed().ships(), owed(), owed().paid_out(), Story::new().pays()];
    for story in stories.map(|story| story.charged_back("dp_1")) {
        let again = charged_back(story.settlement.clone(), claim("dp_1"), story.now + TimeDelta::days(1));
        assert_eq!((again.settlement, again.events.len()), (story.settlement, 0));
    }
    let decided = Story::escrowed().charged_back("dp_1").decides(Verdict::Retry);
    assert_eq!(decided.charged_back("dp_1").status(), Status::Escrowed, "the operator has decided about it");
}

#[test]
fn another_chargeback_stops_what_went_on() {
    let story = Story::escrowed().charged_back("dp_1").decides(Verdict::Retry).charged_back("dp_2");
    assert_eq!((story.status(), known(&story)), (Status::NeedsOperator, vec!["dp_1", "dp_2"]));
    let story = story.charged_back("dp_3");
    assert_eq!((story.status(), known(&story).len()), (Status::NeedsOperator, 3));
}

#[test]
fn whoever_has_not_seen_the_last_chargeback_decides_nothing() {
    let charged_back = || Story::escrowed().charged_back("dp_1").charged_back("dp_2");
    for seen in [0, 1] {
        let refused = charged_back().refuses(resolve_seeing(Some(seen), Verdict::Retry));
        assert_eq!(refused, SagaError::ChargebackUnseen { seen, noted: 2 });
    }
    for seen in [None, Some(2), Some(3)] {
        let story = charged_back().act(resolve_seeing(seen, Verdict::Retry));
        assert_eq!(story.status(), Status::Escrowed, "{seen:?}");
    }
    assert_eq!(Story::disputed().act(resolve_seeing(Some(0), Verdict::Release)).status(), Status::Received);
}

#[test]
fn that_a_chargeback_was_not_seen_is_told_before_what_may_be_decided_since() {
    let close = || resolve_seeing(Some(0), Verdict::Close);
    assert!(matches!(Story::disputed().refuses(close()), SagaError::NotAllowed { .. }));
    let refused = owed().charged_back("dp_1").refuses(close());
    assert_eq!(refused, SagaError::ChargebackUnseen { seen: 0, noted: 1 });
}

#[test]
fn so_many_chargebacks_are_noted_and_no_more() {
    let full = (0..MAX_CHARGEBACKS).fold(Story::disputed(), |story, n| story.charged_back(&format!("dp_{n}")));
    assert_eq!(known(&full).len(), MAX_CHARGEBACKS);
    let settlement = full.settlement.clone();
    assert_eq!(full.charged_back("one more").settlement, settlement);
}

#[test]
fn a_chargeback_that_is_told_before_the_capture_stops_the_sale_once_that_is_known() {
    for story in [Story::new().pays().agrees().charged_back("dp_1"), Story::new().charged_back("dp_1").pays().agrees()]
    {
        assert_eq!((story.status(), known(&story)), (Status::Authorized, vec!["dp_1"]));
        let story = story.agrees();
        assert_eq!((story.status(), story.balance(AccountKind::Escrow)), (Status::NeedsOperator, -12_050));
        assert_eq!(story.told(), ["started", "escrowed"]);
        let story = story.decides(Verdict::Retry).ships();
        assert_eq!(story.status(), Status::Shipped, "it is stopped once");
        assert_eq!(story.act(Act::Receive).agrees().status(), Status::Completed);
    }
}

#[test]
fn what_is_called_off_anyway_is_given_back_and_not_stopped() {
    let story = Story::new().pays().agrees().gateway(Report::Unknown).charged_back("dp_1");
    let change = award_declined(story.settlement.clone(), story.now);
    let story = story.take(change).agrees();
    assert_eq!((story.status(), story.reason()), (Status::Refunding, Some(AwardDeclined)));
    let story = Story::disputed().decides(Verdict::Refund).charged_back("dp_1").agrees();
    assert_eq!((story.status(), story.reason()), (Status::Refunded, Some(DisputeRefunded)));
}

#[test]
fn what_is_called_off_while_it_is_stopped_in_escrow_is_given_back_whatever_the_operator_decides() {
    for (verdict, reason) in [(Verdict::Retry, AwardDeclined), (Verdict::Refund, CalledOff)] {
        let story = Story::escrowed().charged_back("dp_1");
        let change = award_declined(story.settlement.clone(), story.now);
        let story = story.take(change);
        assert_eq!(story.status(), Status::NeedsOperator);
        let story = story.decides(verdict).agrees();
        assert_eq!((story.status(), story.reason()), (Status::Refunded, Some(reason)));
    }
    let story = owed().charged_back("dp_1");
    let change = award_declined(story.settlement.clone(), story.now);
    let story = story.take(change).decides(Verdict::Retry).agrees();
    assert_eq!(story.status(), Status::Completed, "what was received is sold");
}

#[test]
fn while_a_part_is_given_back_a_chargeback_stops_the_rest() {
    let story = part_refunding(2_000).charged_back("dp_1");
    assert_eq!(story.status(), Status::Refunding);
    let story = story.agrees();
    assert_eq!((story.status(), story.balance(AccountKind::SellerPayable)), (Status::NeedsOperator, -8_845));
    let story = story.decides(Verdict::Retry).agrees();
    assert_eq!(*story.last_event(), What::Completed { payout: usd(8_845), commission: usd(1_205) });
}

#[test]
fn where_nothing_is_left_to_pay_there_is_nothing_to_stop() {
    assert_eq!(part_refunding(10_845).charged_back("dp_1").agrees().status(), Status::Completed);
}

#[test]
fn an_operator_who_decides_about_a_part_that_is_stuck_has_decided_about_the_rest() {
    let stuck = || refused_until_stuck(part_refunding(5).charged_back("dp_1"));
    assert_eq!(stuck().decides(Verdict::Release).agrees().status(), Status::Completed);
    assert_eq!(stuck().decides(Verdict::Retry).agrees().status(), Status::Received);
}

#[test]
fn a_settlement_without_chargebacks_is_stored_as_it_was_before_there_were_any() {
    let stored = serde_json::to_value(&Story::escrowed().settlement).unwrap();
    assert!(stored.get("chargebacks").is_none() && stored.get("to_be_held").is_none(), "{stored}");
    let stored = serde_json::to_value(Story::disputed().settlement.dispute()).unwrap();
    assert!(stored.get("reason").is_some() && stored.get("bank").is_none(), "{stored}");
    for story in [Story::escrowed(), Story::escrowed().ships(), Story::new().pays()] {
        let story = story.charged_back("dp_1");
        let stored = serde_json::to_value(&story.settlement).unwrap();
        assert_eq!(serde_json::from_value::<Settlement>(stored).unwrap(), story.settlement);
    }
    let stored = serde_json::to_value(&Story::new().pays().charged_back("dp_1").settlement).unwrap();
    assert_eq!(stored["to_be_held"], true, "its name in the database stays: {stored}");
}
