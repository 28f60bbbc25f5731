//! Holds on the buyer's method run out after seven days.

use super::*;

fn operation(story: &Story) -> Operation {
    story.call.as_ref().expect("a call is planned").operation()
}

/// The gateway takes no contact until the hold has run out.
fn away_until_the_hold_ran_out(story: Story) -> Story {
    let mut story = story.gateway(Report::Unavailable);
    story.now += TimeDelta::days(7);
    story.agrees()
}

#[test]
fn a_hold_not_captured_in_seven_days_is_authorized_again_by_the_same_method() {
    let story = away_until_the_hold_ran_out(Story::new().pays().agrees());
    assert_eq!(story.status(), Status::Authorizing);
    let call = story.call.as_ref().unwrap();
    assert!(call.key().as_str().ends_with(":authorize:2"), "{}", call.key());
    assert!(serde_json::to_string(call.instruction()).unwrap().contains("pm_card_visa"));
    assert_eq!(story.agrees().agrees().status(), Status::Escrowed);
}

#[test]
fn a_gateway_that_is_away_is_tried_until_the_hold_runs_out_and_not_longer() {
    let mut story = Story::new().pays().agrees();
    let held_at = story.now;
    while story.status() == Status::Authorized {
        story = story.gateway(Report::Unavailable);
    }
    assert!(story.now - held_at >= TimeDelta::days(7));
    assert_eq!(story.status(), Status::Authorizing);
}

#[test]
fn a_capture_refused_because_the_hold_ran_out_is_authorized_again() {
    let story = Story::new().pays().agrees().declines_as(Decline::HOLD_EXPIRED);
    assert_eq!((story.status(), operation(&story)), (Status::Authorizing, Operation::Authorize));
}

#[test]
fn a_buyer_whose_hold_ran_out_has_time_to_pay_anew() {
    let story = away_until_the_hold_ran_out(Story::new().pays().agrees()).declines();
    assert_eq!(story.status(), Status::AwaitingPayment);
    assert!(story.settlement.payment_due_at() > story.now + TimeDelta::days(3));
    assert_eq!(story.pays().agrees().agrees().status(), Status::Escrowed);
}

#[test]
fn holds_that_run_out_again_and_again_lead_back_to_the_buyer() {
    let mut story = Story::new().pays().agrees();
    let mut authorizations = 1;
    loop {
        story = story.declines_as(Decline::HOLD_EXPIRED);
        if story.status() == Status::AwaitingPayment {
            break;
        }
        authorizations += 1;
        story = story.agrees();
    }
    assert_eq!(authorizations, 6);
    let State::AwaitingPayment { declined: Some(decline), .. } = story.settlement.state() else { panic!() };
    assert!(decline.is_expired_hold());
}

#[test]
fn a_hold_that_ran_out_before_it_was_let_go_is_gone_all_the_same() {
    let voiding = || Story::new().pays().agrees().declines();
    let mut late = voiding();
    late.now += TimeDelta::days(7);
    assert_eq!(late.declines().status(), Status::Failed);
    assert_eq!(voiding().declines_as(Decline::HOLD_EXPIRED).status(), Status::Failed);
    assert_eq!(voiding().declines().status(), Status::Refunding, "refused for another reason: tried again");
}
