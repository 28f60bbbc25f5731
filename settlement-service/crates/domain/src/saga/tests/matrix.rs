//! Every state against everything that can happen to it: what is legal leads where the table here says, all else is
//! refused naming state and event. The table is written by hand, not made from the saga's own.

use super::*;

/// What people do. `-` is refused; `x` is not among the operator's allowed actions; else where it leads.
const ACTS: &str = "
                    pay         ship    receive  decline dispute  evidence cancel           refund    part_refund release  retry      close
awaiting_payment    authorizing -       -        -       -        -        awaiting_payment -         -           -        -          -
wished_off          authorizing -       -        -       -        -        failed           -         -           -        -          -
offered             authorizing -       -        failed  -        -        awaiting_payment -         -           -        -          -
authorizing         -           -       -        -       -        -        -                -         -           -        -          -
authorized          -           -       -        -       -        -        -                -         -           -        -          -
escrowed            -           shipped -        -       -        -        escrowed         -         -           -        -          -
escrowed_wished_off -           shipped -        -       -        -        refunding        -         -           -        -          -
offer_escrowed      -           shipped -        -       -        -        escrowed         -         -           -        -          -
shipped             -           -       received -       disputed -        -                -         -           -        -          -
offer_shipped       -           -       received -       disputed -        -                -         -           -        -          -
disputed            -           -       -        -       -        disputed -                refunding refunding   received x          x
charged_back        -           -       -        -       -        disputed -                refunding refunding   received x          refunded
stopped_escrowed    -           -       -        -       -        -        -                refunding x           x        escrowed   refunded
owed                -           -       -        -       -        -        -                -         -           -        -          -
stopped_owed        -           -       -        -       -        -        -                x         x           x        received   x
received            -           -       -        -       -        -        -                -         -           -        -          -
completed           -           -       -        -       -        -        -                -         -           -        -          -
voiding             -           -       -        -       -        -        -                -         -           -        -          -
refunding           -           -       -        -       -        -        -                -         -           -        -          -
part_refunding      -           -       -        -       -        -        -                -         -           -        -          -
refunded            -           -       -        -       -        -        -                -         -           -        -          -
failed              -           -       -        -       -        -        -                -         -           -        -          -
asking              -           -       -        -       -        -        -                -         -           -        -          -
stuck_voiding       -           -       -        -       -        -        -                x         x           x        refunding  failed
stuck_refunding     -           -       -        -       -        -        -                x         x           x        refunding  x
stuck_part_refund   -           -       -        -       -        -        -                x         x           received refunding  x
stuck_shipped       -           -       -        -       -        -        -                refunding x           received x          x
stuck_received      -           -       -        -       -        -        -                x         x           x        received   x
taken_voiding       -           -       -        -       -        -        -                x         x           x        refunding  failed
taken_refunding     -           -       -        -       -        -        -                x         x           x        refunding  refunded
taken_part_refund   -           -       -        -       -        -        -                x         x           received refunding  refunded
taken_shipped       -           -       -        -       -        -        -                refunding x           received x          refunded
taken_received      -           -       -        -       -        -        -                x         x           x        received   x
";

/// What comes from outside: nothing of it is refused. `=` changes nothing.
const EVENTS: &str = "
                    far_too_late gateway_does gateway_refuses  award_declined relisted       charged_back
awaiting_payment    failed       =            =                failed         =              =
wished_off          failed       =            =                failed         =              =
offered             failed       =            =                failed         failed         =
authorizing         =            authorized   awaiting_payment =              =              =
authorized          authorizing  escrowed     refunding        =              =              =
escrowed            refunding    =            =                refunding      =              needs_operator
escrowed_wished_off refunding    =            =                refunding      =              needs_operator
offer_escrowed      refunding    =            =                refunding      refunding      needs_operator
shipped             received     =            =                needs_operator =              disputed
offer_shipped       received     =            =                needs_operator needs_operator disputed
disputed            =            =            =                =              =              =
charged_back        =            =            =                =              =              =
stopped_escrowed    =            =            =                =              =              =
owed                =            =            =                =              =              needs_operator
stopped_owed        =            =            =                =              =              =
received            =            completed    =                =              =              =
completed           =            =            =                =              =              =
voiding             =            failed       =                =              =              =
refunding           =            refunded     =                =              =              =
part_refunding      =            received     =                =              =              =
refunded            =            =            =                =              =              =
failed              =            =            =                =              =              =
asking              =            =            =                =              =              =
stuck_voiding       =            =            =                =              =              =
stuck_refunding     =            =            =                =              =              =
stuck_part_refund   =            =            =                =              =              =
stuck_shipped       =            =            =                =              =              =
stuck_received      =            =            =                =              =              =
taken_voiding       =            =            =                =              =              =
taken_refunding     =            =            =                =              =              =
taken_part_refund   =            =            =                =              =              =
taken_shipped       =            =            =                =              =              =
taken_received      =            =            =                =              =              =
";

fn stuck(mut story: Story) -> Story {
    while story.status() != Status::NeedsOperator {
        story = story.declines();
    }
    story
}

fn story(state: &str) -> Story {
    let part = Verdict::PartRefund { amount: 5 };
    match state {
        "awaiting_payment" => Story::new(),
        "wished_off" => Story::new().act(cancel("seller")),
        "offered" => {
            let asker = Story::with_contenders().days_pass(4);
            let id = uuid::Uuid::from_u128(9).into();
            let nomination =
                nominated(asker.settlement, id, ("buyer2".parse().unwrap(), usd(100)), &fees(1_000), asker.now)
                    .unwrap();
            let (settlement, events) = nomination.offer.unwrap();
            Story::from(settlement, events, asker.now)
        }
        "authorizing" => Story::new().pays(),
        "authorized" => Story::new().pays().agrees(),
        "escrowed" => Story::escrowed(),
        "escrowed_wished_off" => Story::escrowed().act(cancel("seller")),
        "offer_escrowed" => story("offered").pays().agrees().agrees(),
        "offer_shipped" => story("offer_escrowed").ships(),
        "shipped" => Story::escrowed().ships(),
        "disputed" => Story::disputed(),
        "charged_back" => Story::escrowed().ships().charged_back("dp_1"),
        "stopped_escrowed" => Story::escrowed().charged_back("dp_1"),
        "owed" => Story::escrowed().ships().act(Act::Receive),
        "stopped_owed" => story("owed").charged_back("dp_1"),
        "received" => Story::escrowed().ships().act(Act::Receive).paid_out(),
        "completed" => Story::escrowed().ships().act(Act::Receive).agrees(),
        "voiding" => Story::new().pays().agrees().declines(),
        "refunding" => Story::disputed().decides(Verdict::Refund),
        "part_refunding" => Story::disputed().decides(part),
        "refunded" => Story::disputed().decides(Verdict::Refund).agrees(),
        "failed" => Story::new().days_pass(4),
        "asking" => Story::with_contenders().days_pass(4),
        "stuck_voiding" => stuck(story("voiding")),
        "stuck_refunding" => stuck(story("refunding")),
        "stuck_part_refund" => stuck(story("part_refunding")),
        "stuck_shipped" => {
            let shipped = story("shipped");
            let change = award_declined(shipped.settlement.clone(), shipped.now);
            shipped.take(change)
        }
        "stuck_received" => stuck(story("received")),
        "taken_voiding" => story("stuck_voiding").charged_back("dp_1"),
        "taken_refunding" => story("stuck_refunding").charged_back("dp_1"),
        "taken_part_refund" => story("stuck_part_refund").charged_back("dp_1"),
        "taken_shipped" => story("stuck_shipped").charged_back("dp_1"),
        "taken_received" => story("stuck_received").charged_back("dp_1"),
        unknown => panic!("no story leads to {unknown}"),
    }
}

/// In a matrix the buyer acts wherever both may, and the operator leaves a note.
fn act(name: &str, story: &Story) -> Act {
    let buyer = story.settlement.buyer_id().clone();
    match name {
        "pay" => pay(),
        "ship" => ship(),
        "receive" => Act::Receive,
        "decline" => Act::Decline,
        "dispute" => dispute(),
        "evidence" => Act::Evidence(buyer, say("See the picture.")),
        "cancel" => Act::Cancel(buyer),
        "refund" => resolve(Verdict::Refund),
        "part_refund" => resolve(Verdict::PartRefund { amount: 5 }),
        "release" => resolve(Verdict::Release),
        "retry" => resolve(Verdict::Retry),
        "close" => resolve(Verdict::Close),
        unknown => panic!("nobody can {unknown}"),
    }
}

/// A contact's outcome: of the call that is waited for, or of a stray one where none is.
fn contact(story: Story, answer: Answer) -> Story {
    if story.call.is_some() {
        return story.gateway(Report::Answered(answer));
    }
    let hold = GatewayRef::from("stray".to_owned());
    let stray = GatewayCall::plan(story.settlement.id(), 99, crate::Instruction::Void { hold }, story.now);
    let (stray, contact) = stray.claim(story.now);
    let before = story.settlement.clone();
    let change = report(story.settlement.clone(), stray, contact, Report::Answered(answer), story.now);
    assert_eq!(change.settlement, before, "a stray answer moves nothing");
    story.take(change)
}

fn happens(event: &str, mut story: Story) -> Story {
    match event {
        "far_too_late" => {
            story.now += TimeDelta::days(400);
            if let Some(call) = story.call.take() {
                return match dispatch(story.settlement.clone(), call, story.now) {
                    Dispatch::Overtaken(change) => story.take(*change),
                    Dispatch::Contact(..) => story,
                };
            }
            story.days_pass(0)
        }
        "gateway_does" => contact(story, Answer::Succeeded { reference: GatewayRef::from("done".to_owned()) }),
        "gateway_refuses" => {
            contact(story, Answer::Declined(Decline { code: "refused".into(), message: "Refused.".into() }))
        }
        "award_declined" => {
            let change = award_declined(story.settlement.clone(), story.now);
            story.take(change)
        }
        "relisted" => {
            let change = relisted(story.settlement.clone(), story.now);
            story.take(change)
        }
        "charged_back" => story.charged_back("dp_2"),
        unknown => panic!("{unknown} does not happen"),
    }
}

/// State, event and what is expected, cell by cell.
fn cells(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let mut lines = table.lines().filter(|line| !line.trim().is_empty());
    let columns: Vec<_> = lines.next().expect("a head").split_whitespace().collect();
    lines.flat_map(move |line| {
        let mut words = line.split_whitespace();
        let state = words.next().expect("a state");
        let cells: Vec<_> = words.collect();
        assert_eq!(cells.len(), columns.len(), "{state}");
        columns.clone().into_iter().zip(cells).map(move |(event, expected)| (state, event, expected))
    })
}

#[test]
fn every_act_in_every_state_leads_where_it_may_or_is_refused_naming_both() {
    for (state, name, expected) in cells(ACTS) {
        let story = story(state);
        let (status, act) = (story.status(), act(name, &story));
        let event = act.name();
        match (begin(story.settlement.clone(), act, story.now), expected) {
            (Ok(change), expected) => assert_eq!(change.settlement.status().name(), expected, "{name} in {state}"),
            (Err(SagaError::Refused(refused)), "-") => {
                assert_eq!(refused, Refused { status, event }, "{name} in {state}");
                let said = refused.to_string();
                assert!(said.contains(status.name()) && said.contains(event), "{said}");
            }
            (Err(SagaError::NotAllowed { verdict, allowed }), "x") => {
                assert!(verdict == name && !allowed.contains(&name), "{name} in {state}");
            }
            (error, expected) => panic!("{name} in {state}: {error:?}, and expected {expected}"),
        }
    }
}

#[test]
fn whatever_comes_from_outside_in_any_state_leads_where_the_table_says() {
    for (state, event, expected) in cells(EVENTS) {
        let before = story(state);
        let status = before.status();
        let after = happens(event, before);
        let expected = if expected == "=" { status.name() } else { expected };
        assert_eq!(after.status().name(), expected, "{event} in {state}");
        assert!(TrialBalance::of(&after.transactions).is_balanced());
    }
}

#[test]
fn both_tables_have_every_status() {
    for table in [ACTS, EVENTS] {
        let states: std::collections::BTreeSet<_> = cells(table).map(|(state, ..)| story(state).status()).collect();
        assert_eq!(states.len(), Status::ALL.len());
    }
}
