//! Unpaid lots: strikes, second chances, relistings.

use super::*;
use crate::settlement::FailureReason::{OfferLapsed, OfferWithdrawn, PaymentFailed, Unpaid};

fn contender(name: &str) -> UserId {
    name.parse().unwrap()
}

/// Bidding names the next contender at a price; the story goes on with the offer, and this is what the asker told.
fn nominate(asker: &Story, name: &str, price: i64) -> (Story, Option<Story>) {
    let id = SettlementId::from(uuid::Uuid::from_u128(100 + u128::from(price.unsigned_abs())));
    let nomination =
        nominated(asker.settlement.clone(), id, (contender(name), usd(price)), &fees(1_000), asker.now).unwrap();
    let offer = nomination.offer.map(|(settlement, events)| Story::from(settlement, events, asker.now));
    let after = Story::from(asker.settlement.clone(), Vec::new(), asker.now).take(nomination.asker);
    (after, offer)
}

pub(super) fn offered() -> Story {
    nominate(&Story::with_contenders().days_pass(4), "carol", 11_000).1.expect("an offer")
}

#[test]
fn an_unpaid_lot_gives_the_buyer_a_strike_and_asks_for_the_next_contender() {
    let story = Story::with_contenders().days_pass(4);
    let [(who, strike)] = story.strikes.as_slice() else { panic!("{:?}", story.strikes) };
    assert_eq!((who.as_str(), strike.role, strike.settlement_id), ("buyer", Role::Buyer, story.settlement.id()));
    assert_eq!(story.told(), ["started", "failed", "second_chance.requested"]);
    assert_eq!(*story.last_event(), What::SecondChanceRequested { excluded: vec![contender("buyer")] });
}

#[test]
fn an_unpaid_lot_whose_seller_did_not_opt_in_is_listed_again() {
    let story = Story::without_contenders().days_pass(4);
    assert_eq!((story.told(), story.strikes.len()), (vec!["started", "failed", "relist.requested"], 1));
}

#[test]
fn unpaid_units_of_a_lot_of_many_give_a_strike_and_nothing_follows() {
    let story = Story::new().days_pass(4);
    assert_eq!((story.told(), story.strikes.len()), (vec!["started", "failed"], 1));
}

#[test]
fn a_payment_that_could_not_be_captured_is_no_strike_and_the_lot_goes_on() {
    let story = Story::with_contenders().pays().agrees().declines().agrees();
    assert_eq!((story.reason(), story.strikes.len()), (Some(PaymentFailed), 0));
    assert_eq!(story.told(), ["started", "failed", "second_chance.requested"]);
}

#[test]
fn a_seller_who_does_not_ship_gets_a_strike_and_the_lot_back() {
    let story = Story::with_contenders().pays().agrees().agrees().days_pass(7).agrees();
    let [(who, strike)] = story.strikes.as_slice() else { panic!("{:?}", story.strikes) };
    assert_eq!((who.as_str(), strike.role), ("seller", Role::Seller));
    assert_eq!(story.told(), ["started", "escrowed", "failed"]);
}

#[test]
fn a_contender_is_offered_the_lot_at_the_own_highest_bid_for_the_days_the_seller_gave() {
    let offer = offered();
    assert_eq!(offer.settlement.kind(), Kind::SecondChance);
    assert_eq!((offer.settlement.buyer_id().as_str(), offer.settlement.price()), ("carol", usd(11_000)));
    let expires_at = offer.now + TimeDelta::days(5);
    assert_eq!(due_at(&offer.settlement), Some(expires_at));
    assert_eq!(offer.told(), ["started", "second_chance.offered"]);
    let said = What::SecondChanceOffered { bidder_id: contender("carol"), amount: usd(11_000), expires_at };
    assert_eq!(*offer.last_event(), said);
}

#[test]
fn paying_is_accepting() {
    let story = offered().pays().agrees();
    assert_eq!(story.told(), ["started", "second_chance.offered"], "the money is held, not taken");
    let story = story.agrees();
    assert_eq!(story.told()[2..], ["escrowed", "second_chance.accepted"]);
    assert_eq!(story.ships().act(Act::Receive).agrees().status(), Status::Completed);
}

#[test]
fn an_offer_that_lapses_or_is_declined_is_no_strike_and_the_next_is_asked_for() {
    for story in [offered().days_pass(5), offered().act(Act::Decline)] {
        assert_eq!((story.reason(), story.strikes.len()), (Some(OfferLapsed), 0));
        assert_eq!(story.told()[2..], ["failed", "second_chance.lapsed", "second_chance.requested"]);
        let excluded = vec![contender("buyer"), contender("carol")];
        assert_eq!(*story.last_event(), What::SecondChanceRequested { excluded });
    }
}

#[test]
fn the_winner_cannot_decline_what_was_won() {
    let refused = Story::with_contenders().refuses(Act::Decline);
    assert_eq!(refused, SagaError::Refused(Refused { status: Status::AwaitingPayment, event: "decline" }));
}

#[test]
fn without_a_further_contender_the_lot_is_listed_again_once() {
    let asker = Story::with_contenders().days_pass(4);
    let first = exhausted(asker.settlement.clone(), asker.now);
    let story = asker.take(first);
    assert_eq!(*story.last_event(), What::RelistRequested);
    assert!(exhausted(story.settlement.clone(), story.now).events.is_empty());
}

#[test]
fn a_contender_is_named_once_and_only_when_asked_for() {
    let asker = Story::with_contenders().days_pass(4);
    let (answered, offer) = nominate(&asker, "carol", 11_000);
    assert!(offer.is_some() && answered.events.is_empty());
    assert!(nominate(&answered, "dave", 10_000).1.is_none(), "asked once, answered once");
    assert!(nominate(&Story::with_contenders(), "carol", 11_000).1.is_none(), "nobody asked");
}

#[test]
fn nobody_gets_a_second_second_chance() {
    let lapsed = offered().days_pass(5);
    let (asker, offer) = nominate(&lapsed, "carol", 11_000);
    assert!(offer.is_none());
    assert_eq!(asker.told(), ["relist.requested"]);
}

#[test]
fn sixty_days_after_the_close_nothing_is_offered_any_more() {
    let mut late = Story::with_contenders();
    late.now += TimeDelta::days(60);
    assert_eq!(late.days_pass(0).told()[1..], ["failed", "relist.requested"]);

    let asker = Story::with_contenders().days_pass(4);
    assert_eq!(due_at(&asker.settlement), Some(DateTime::UNIX_EPOCH + TimeDelta::days(60)));
    let mut slow = Story::from(asker.settlement.clone(), Vec::new(), asker.now + TimeDelta::days(56));
    assert!(nominate(&slow, "carol", 11_000).1.is_none());
    slow = slow.days_pass(0);
    assert_eq!(slow.told(), ["relist.requested"], "an answer that never came is waited for until then");
    assert_eq!((slow.status(), due_at(&slow.settlement)), (Status::Failed, None));
}

/// The seller lists the lot again.
fn relists(story: Story) -> Story {
    let change = relisted(story.settlement.clone(), story.now);
    story.take(change)
}

fn escrowed_offer() -> Story {
    offered().pays().agrees().agrees()
}

#[test]
fn a_relisting_by_the_seller_withdraws_the_offer_and_ends_the_search() {
    let story = relists(offered());
    assert_eq!((story.reason(), story.strikes.len()), (Some(OfferWithdrawn), 0));
    assert_eq!(story.told()[2..], ["failed", "second_chance.lapsed"]);

    let asker = relists(Story::with_contenders().days_pass(4));
    assert!(nominate(&asker, "carol", 11_000).1.is_none());
    assert_eq!(due_at(&asker.settlement), None);

    let paying = relists(offered().pays().gateway(Report::Unknown)).agrees().agrees();
    assert_eq!((paying.status(), paying.reason()), (Status::Failed, Some(OfferWithdrawn)));
}

#[test]
fn a_relisting_gives_a_contender_who_has_paid_all_of_it_back() {
    let story = relists(escrowed_offer());
    assert_eq!((story.status(), story.call.as_ref().unwrap().operation()), (Status::Refunding, Operation::Refund));
    let story = relists(story).agrees();
    assert_eq!((story.status(), story.strikes.len()), (Status::Refunded, 0));
    assert_eq!(*story.last_event(), What::Failed { reason: OfferWithdrawn, refunded: usd(11_000) });
    assert_eq!(story.told()[2..], ["escrowed", "second_chance.accepted", "failed"], "what was accepted does not lapse");
    assert_eq!((story.balance(AccountKind::GatewayClearing), story.balance(AccountKind::Escrow)), (0, 0));
    assert_eq!(due_at(&story.settlement), None, "nobody is asked for, and nothing is listed again");
}

#[test]
fn a_relisting_of_what_was_shipped_is_for_the_operator_to_decide() {
    let parked = || relists(escrowed_offer().ships());
    let State::NeedsOperator { reason, .. } = parked().settlement.state().clone() else { panic!() };
    assert_eq!(reason, "offer_withdrawn after the lot was shipped");
    assert_eq!(parked().settlement.actions(), ["refund", "release"]);
    assert_eq!(parked().decides(Verdict::Release).agrees().status(), Status::Completed);
    assert_eq!(parked().decides(Verdict::Refund).agrees().status(), Status::Refunded);
}

#[test]
fn a_relisting_does_not_touch_a_second_chance_whose_lot_is_disputed_or_received() {
    let shipped = || escrowed_offer().ships();
    let received = || shipped().act(Act::Receive);
    for story in [shipped().act(dispute()), received(), received().paid_out(), received().agrees()] {
        let (status, told) = (story.status(), story.told());
        let after = relists(story);
        assert_eq!((after.status(), after.told()), (status, told));
    }
}

#[test]
fn a_relisting_does_not_touch_the_winners_own_sale() {
    let story = relists(Story::with_contenders());
    assert_eq!(story.status(), Status::AwaitingPayment);
    let story = story.days_pass(4);
    assert_eq!((story.told(), story.reason()), (vec!["started", "failed"], Some(Unpaid)));
}
