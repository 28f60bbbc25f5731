//! Random walks: people do anything in any order, time jumps, the neighbours answer or do not, a bank takes money back,
//! anything fails. Money is never made or lost on the way, and once the faults stop and time goes on, every sale comes to
//! an end, and the ledger reconciles with the gateway's list.
//!
//! `OUTCRY_SEEDS=100000` walks longer, `OUTCRY_SEED=<seed>` walks one way again.

use chrono::TimeDelta;
use futures::executor::block_on;
use settlement_domain::saga::Act;
use settlement_domain::settlement::{Decision, Verdict};
use settlement_domain::{Operation, Parcel, Settlement, SettlementId, Statement, Status};
use settlement_harness::seeds::{Dice, histories};
use settlement_harness::{Scene, When};
use settlement_ports::Notice;

/// Of the histories of a run, percent; the others are the model test's.
const SHARE: u64 = 5;

fn say(text: &str) -> Statement {
    Statement::try_from(text.to_owned()).unwrap()
}

fn decide(verdict: Verdict) -> Act {
    Act::Resolve(Decision { by: "root".parse().unwrap(), verdict, note: Some(say("so it is")), chargebacks_seen: None })
}

/// One request; whether it is refused or fails is part of the walk.
fn act(scene: &mut Scene, who: &str, act: &Act) {
    let key = scene.next_key(who);
    let _outcome = block_on(scene.request(&key, act));
}

fn people(scene: &mut Scene, dice: &mut Dice) {
    let buyer = scene.settlement().buyer_id().as_str().to_owned();
    let (seller, root) = ("seller", "root");
    match dice.roll(20) {
        0..=4 => {
            let method = dice.pick(&["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_unheard_of"]);
            act(scene, &buyer, &Act::Pay(method.parse().unwrap()));
        }
        5..=8 => act(scene, seller, &Act::Ship(Parcel::new("UPS", "1Z999").unwrap())),
        9 | 10 => act(scene, &buyer, &Act::Receive),
        11 => act(scene, &buyer, &Act::Decline),
        12 | 13 => act(scene, &buyer, &Act::Dispute(buyer.parse().unwrap(), say("broken"))),
        14 => act(scene, seller, &Act::Evidence(seller.parse().unwrap(), say("whole"))),
        15 => act(scene, &buyer, &Act::Cancel(buyer.parse().unwrap())),
        16 => act(scene, seller, &Act::Cancel(seller.parse().unwrap())),
        _ => {
            let part = Verdict::PartRefund { amount: i64::try_from(dice.roll(3_000)).unwrap() };
            let verdict = dice.pick(&[Verdict::Refund, part, Verdict::Release, Verdict::Retry, Verdict::Close]);
            act(scene, root, &decide(verdict));
        }
    }
}

fn make_a_move(scene: &mut Scene, dice: &mut Dice, unheard: &mut Vec<Notice>) {
    match dice.roll(20) {
        0..=7 => people(scene, dice),
        8..=12 => {
            let _progress = block_on(scene.worker.run_once(10));
        }
        13 => scene.time_passes(TimeDelta::hours(i64::try_from(dice.roll(120)).unwrap())),
        14 => scene.gateway.goes_away(dice.falls(50)),
        15 => {
            let operations = [Operation::Authorize, Operation::Capture, Operation::Void, Operation::Refund];
            scene.gateway.refuses(dice.falls(50).then(|| dice.pick(&operations)));
        }
        16 => scene.neighbours_answer(),
        17 if dice.falls(20) => scene.award_is_declined(),
        17 if dice.falls(20) => scene.seller_relists(),
        18 if dice.falls(20) => {
            let number = dice.roll(3);
            let (event, dispute) = (format!("evt_{number}"), format!("dp_{}", number / 2));
            let notice = scene.chargeback(&event, &dispute);
            if scene.bank_takes_it_back(&event, &dispute).is_err() {
                unheard.push(notice);
            }
        }
        _ => {
            let (ahead, when) = (dice.roll(12), dice.pick(&[When::Before, When::After]));
            scene.faults.at_call(scene.faults.calls() + usize::try_from(ahead).unwrap(), when);
        }
    }
}

/// What the operator decides about what nobody else can. What a bank has taken, no refund gives back.
fn operator_decides(scene: &mut Scene) {
    let decidable = |settlement: &Settlement| -> Option<(SettlementId, Verdict)> {
        let (actions, charged_back) = (settlement.actions(), !settlement.chargebacks().is_empty());
        let may = |verdict: Verdict| actions.contains(&verdict.name());
        let verdicts = [(charged_back, Verdict::Close), (true, Verdict::Retry), (true, Verdict::Refund)];
        let verdict = verdicts.into_iter().find_map(|(so, verdict)| (so && may(verdict)).then_some(verdict));
        verdict.map(|verdict| (settlement.id(), verdict))
    };
    for (id, verdict) in scene.store.all_settlements().iter().filter_map(decidable) {
        let key = scene.next_key("root");
        block_on(scene.request_about(id, &key, &decide(verdict))).unwrap();
    }
}

/// The faults stop, the gateway is back, tells what was not heard and does what it is told, the operator decides, and time
/// goes on.
fn heal(scene: &mut Scene, unheard: Vec<Notice>) {
    scene.faults.heal();
    scene.gateway.goes_away(false);
    scene.gateway.refuses(None);
    for notice in unheard {
        scene.gateway_tells(notice).unwrap();
    }
    for _ in 0..12 {
        operator_decides(scene);
        scene.days_change_the_world(8);
    }
}

fn walk(dice: &mut Dice) {
    let mut scene = match dice.roll(4) {
        0 => Scene::new(1, "USD"),
        1 => Scene::new(12_050, "KWD"),
        2 => Scene::without_contenders(),
        _ => Scene::with_contenders(&[("carol", 11_000), ("dave", 9_000)]),
    };
    scene.hammer_falls();
    let mut unheard = Vec::new();
    for _ in 0..dice.roll(60) {
        make_a_move(&mut scene, dice, &mut unheard);
        scene.books_are_sound();
    }
    heal(&mut scene, unheard);
    let open = scene.store.all_settlements().into_iter().find(|one| !one.status().is_end());
    assert!(open.is_none(), "{open:?} does not end");
    assert_ne!(scene.status(), Status::NeedsOperator);
    scene.books_agree_at_the_end();
    let report = scene.reconciled();
    assert!(report.agrees() && report.pending == 0, "{report:#?}");
}

#[test]
fn whatever_happens_money_is_kept_and_every_sale_ends() {
    histories(SHARE, walk);
}
