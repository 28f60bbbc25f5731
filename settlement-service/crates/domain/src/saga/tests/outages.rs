//! What people have to do is put off after an outage, and nothing else.

use super::*;
use crate::outage::Grace;

/// Settlement was away for so many days, is back, and gives as many.
fn back(mut story: Story, days: u32) -> Story {
    story.now += TimeDelta::days(days.into());
    story.settlement = story.settlement.given(Grace::lasting(TimeDelta::days(days.into()), story.now));
    story
}

#[test]
fn who_could_not_pay_ship_or_complain_may_do_it_now() {
    assert_eq!(back(Story::new(), 4).pays().status(), Status::Authorizing);
    assert_eq!(back(Story::escrowed(), 7).ships().status(), Status::Shipped);
    assert_eq!(back(Story::escrowed().ships(), 3).act(dispute()).status(), Status::Disputed);
}

#[test]
fn a_deadline_is_acted_on_once_the_time_has_passed_again() {
    for (story, term, then) in [
        (Story::new(), 4, Status::Failed),
        (Story::escrowed(), 7, Status::Refunding),
        (Story::escrowed().ships(), 3, Status::Received),
    ] {
        let before = story.status();
        let story = back(story, term).days_pass(term - 1);
        assert_eq!(story.status(), before);
        assert_eq!(story.days_pass(1).status(), then);
    }
}

#[test]
fn a_deadline_that_is_later_anyway_or_was_set_after_the_outage_stays() {
    let story = Story::new();
    let due_at = story.settlement.payment_due_at();
    assert_eq!(back(story, 1).settlement.payment_due_at(), due_at);

    let outage = Grace::lasting(TimeDelta::days(30), Story::new().now);
    for story in [Story::new(), Story::escrowed(), Story::escrowed().ships()] {
        let settlement = story.settlement.clone();
        assert_eq!(story.settlement.given(outage), settlement, "each is set at the return, or later");
    }
}

#[test]
fn nobody_gets_more_time_than_there_is_at_all_however_often_it_is_given() {
    for (story, days) in
        [(Story::new(), 4), (cascade::offered(), 5), (Story::escrowed(), 7), (Story::escrowed().ships(), 3)]
    {
        let Story { now, settlement, .. } = back(story, 30);
        assert_eq!(due_at(&settlement), Some(now + TimeDelta::days(days)));
        let again = settlement.clone().given(Grace::lasting(TimeDelta::days(30), now));
        assert_eq!(again, settlement);
    }
}

#[test]
fn a_payment_that_was_under_way_and_is_refused_leads_back_to_the_buyer() {
    let late = back(Story::new().pays(), 4).declines();
    assert_eq!((late.status(), late.strikes.len()), (Status::AwaitingPayment, 0));
    assert_eq!(late.pays().status(), Status::Authorizing);
}

#[test]
fn holds_offers_that_are_asked_for_and_payouts_are_due_when_they_were() {
    let received = Story::escrowed().ships().act(Act::Receive);
    for story in [Story::new().pays().agrees(), Story::with_contenders().days_pass(4), received] {
        let settlement = story.settlement.clone();
        assert_eq!(back(story, 90).settlement, settlement);
    }
}
