//! What comes at the same time is decided in one unit of work, and each as if it had come alone.

mod calls;
mod market;

use std::task::Poll;

use chrono::DateTime;
use futures::executor::block_on;
use futures::future::join_all;
use futures::poll;
use settlement_application::{Answered, Outcome, UseError};
use settlement_domain::call::CallStatus;
use settlement_domain::saga::Act;
use settlement_domain::settlement::Parcel;
use settlement_domain::{AuctionId, GatewayCall, Instruction, Money, Settlement, Status, UserId};
use settlement_harness::When;
use settlement_ports::{Fact, FactHandler, HandleError, Handled, RequestKey, SettlementStore};
use uuid::Uuid;

use crate::market::{Market, all_pay, key, pay, sold, status, told, user};

#[test]
fn requests_that_come_while_one_is_decided_are_decided_in_one_unit_of_work() {
    let (market, sales) = Market::sells(9);
    let before = market.count("tx.commit");
    let answers = market.act_together(&sales[0], &all_pay(&sales[1..]));
    assert!(answers.iter().all(|answer| status(answer) == Some(Status::Authorizing)), "{answers:?}");
    assert!(sales.iter().all(|sale| market.status(sale.id()) == Status::Authorizing));
    assert_eq!((market.store.all_calls().len(), market.count("tx.commit") - before), (9, 2));
}

#[test]
fn what_both_parties_wish_in_the_same_moment_counts_as_if_it_had_come_one_after_the_other() {
    let (market, sales) = Market::sells(2);
    let sale = &sales[1];
    let cancel = |who: &UserId, n| (key(who, n), sale.id(), Act::Cancel(who.clone()));
    let answers = market.act_together(&sales[0], &[cancel(sale.buyer_id(), 1), cancel(sale.seller_id(), 2)]);
    assert_eq!(answers.iter().filter_map(status).collect::<Vec<_>>(), [Status::AwaitingPayment, Status::Failed]);
    assert_eq!(market.status(sale.id()), Status::Failed);
}

#[test]
fn everybody_is_answered_as_if_alone() {
    let (market, sales) = Market::sells(5);
    let paid_before = (key(sales[1].buyer_id(), 1), sales[1].id(), pay());
    block_on(market.act(std::slice::from_ref(&paid_before)));
    let other_body = RequestKey { fingerprint: [9; 32], ..paid_before.0.clone() };
    let twin = (key(sales[2].buyer_id(), 2), sales[2].id(), pay());
    let requests = [
        paid_before.clone(),
        (other_body, sales[1].id(), pay()),
        twin.clone(),
        twin,
        (key(&user("stranger"), 4), sales[3].id(), pay()),
        (key(sales[3].seller_id(), 5), sales[3].id(), pay()),
        (key(sales[3].buyer_id(), 6), sales[3].id(), Act::Receive),
        (key(sales[4].buyer_id(), 7), sales[4].id(), pay()),
        paid_before,
    ];
    let answers = market.act_together(&sales[0], &requests);
    for again in [&answers[0], &answers[8]] {
        assert!(matches!(again, Ok(Answered { replayed: true, .. })), "{again:?}");
    }
    assert_eq!(answers[1], Err(UseError::KeyReused));
    assert_eq!((status(&answers[2]), &answers[3]), (Some(Status::Authorizing), &Err(UseError::KeyRunning)));
    assert_eq!(answers[4], Err(UseError::NotFound));
    assert_eq!(answers[5], Err(UseError::Forbidden("the buyer")));
    assert!(matches!(&answers[6], Ok(Answered { outcome: Outcome::Refused { .. }, replayed: false })));
    assert_eq!(status(&answers[7]), Some(Status::Authorizing));
    assert_eq!(market.store.all_calls().len(), 4, "one for each lot that was paid for");
}

#[test]
fn a_unit_of_work_that_is_spoilt_is_done_for_each_request_alone() {
    for when in [When::Before, When::After] {
        let (market, sales) = Market::sells(4);
        // The commit of the one who came before comes first.
        market.faults.at("tx.commit", market.count("tx.commit") + 1, when);
        let answers = market.act_together(&sales[0], &all_pay(&sales[1..]));
        assert!(answers.iter().all(|answer| status(answer) == Some(Status::Authorizing)), "{when:?}: {answers:?}");
        assert_eq!(market.store.all_calls().len(), 4, "{when:?}: each took effect once");
    }
}

#[test]
fn a_bug_that_panics_costs_the_request_that_it_belongs_to_and_no_other() {
    let (market, sales) = Market::sells(4);
    // After the one who came before: all of them together, and then the first of them alone.
    let saved = market.count("tx.save");
    market.faults.at("tx.save", saved + 1, When::Panics);
    market.faults.at("tx.save", saved + 2, When::Panics);
    let answers = market.act_together(&sales[0], &all_pay(&sales[1..]));
    assert!(matches!(answers[0], Err(UseError::Defect(_))), "{answers:?}");
    assert!(answers[1..].iter().all(|answer| status(answer) == Some(Status::Authorizing)), "{answers:?}");
    assert_eq!(market.status(sales[1].id()), Status::AwaitingPayment);
}

/// Whether it leads the others or is led by one of them.
#[test]
fn a_settlement_that_somebody_keeps_locked_delays_only_who_asks_for_it() {
    for kept in 1..4 {
        let (market, sales) = Market::sells(5);
        let requests = all_pay(&sales);
        block_on(async {
            let mut elsewhere = market.store.begin().await.unwrap();
            elsewhere.lock(sales[kept].id()).await.unwrap();
            let closed = market.store.closed().await;
            let mut waiting: Vec<_> = requests[..4].chunks(1).map(|request| Box::pin(market.act(request))).collect();
            for one in &mut waiting {
                assert!(poll!(one).is_pending());
            }
            let mut delayed = waiting.remove(kept);
            drop(closed);
            let (mut others, mut answers) = (Box::pin(join_all(waiting)), None);
            // All of them have their turns, as a runtime would give them.
            for _ in 0..3 {
                assert!(poll!(&mut delayed).is_pending());
                if answers.is_none()
                    && let Poll::Ready(all) = poll!(&mut others)
                {
                    answers = Some(all);
                }
            }
            let answers = answers.unwrap_or_else(|| panic!("{kept}: the others wait, too"));
            assert!(
                answers.iter().all(|answer| status(&answer[0]) == Some(Status::Authorizing)),
                "{kept}: {answers:?}"
            );
            let mut late = Box::pin(market.act(&requests[4..]));
            assert!(poll!(&mut late).is_ready(), "{kept}: nor does anybody wait who comes now");
            assert!(poll!(&mut delayed).is_pending());
            drop(elsewhere);
            assert_eq!(status(&delayed.await[0]), Some(Status::Authorizing), "{kept}");
        });
        assert_eq!(market.store.all_calls().len(), 5, "{kept}");
    }
}

#[test]
fn who_shared_a_unit_of_work_with_one_that_went_away_asks_again() {
    let (market, sales) = Market::sells(3);
    let requests = all_pay(&sales);
    block_on(async {
        let closed = market.store.closed().await;
        let mut waiting: Vec<_> = requests.chunks(1).map(|request| Box::pin(market.act(request))).collect();
        for one in &mut waiting {
            assert!(poll!(one).is_pending());
        }
        let (third, mut second, first) = (waiting.pop().unwrap(), waiting.pop().unwrap(), waiting.pop().unwrap());
        drop(closed);
        assert_eq!(status(&first.await[0]), Some(Status::Authorizing));
        let closed = market.store.closed().await;
        assert!(poll!(&mut second).is_pending(), "it decides for the third one, too");
        drop(second);
        assert_eq!(third.await[0], Err(UseError::Unknown));
        drop(closed);
        for request in requests[1..].chunks(1) {
            assert_eq!(status(&market.act(request).await[0]), Some(Status::Authorizing));
        }
    });
    assert_eq!(market.store.all_calls().len(), 3, "each took effect once");
}

#[test]
fn what_follows_from_an_answer_is_taken_up_with_it() {
    let (market, sales) = Market::sells(1);
    block_on(market.act(&all_pay(&sales)));
    let before = market.count("tx.commit");
    market.makes_calls();
    let commits = market.count("tx.commit") - before;
    assert_eq!(
        (market.status(sales[0].id()), commits),
        (Status::Escrowed, 3),
        "one before each call, and the last answer's"
    );
}

#[test]
fn answers_that_cannot_be_taken_in_together_are_taken_in_one_by_one() {
    let (market, sales) = Market::sells(3);
    block_on(market.act(&all_pay(&sales)));
    market.faults.at("tx.call", market.count("tx.call"), When::Before);
    market.makes_calls();
    let escrowed = sales.iter().filter(|sale| market.status(sale.id()) == Status::Escrowed).count();
    assert_eq!(escrowed, 3, "nobody waits until the call is asked for");
}

#[test]
fn sales_that_are_told_together_begin_in_one_unit_of_work() {
    let (market, sales) = Market::sells(20);
    assert_eq!((sales.len(), market.count("tx.commit")), (20, 1));
    assert_eq!(market.store.events().len(), 20);
}

#[test]
fn what_is_told_of_a_lot_in_the_same_run_finds_what_was_told_before() {
    let declined = |auction, buyer: &str| Fact::AwardDeclined { auction_id: auction, buyer_id: user(buyer) };
    for early in [false, true] {
        let market = Market::new();
        let auctions = [(); 2].map(|()| AuctionId::from(Uuid::now_v7()));
        let mut events = vec![sold(auctions[0], 0), told(auctions[0], 2, declined(auctions[0], "buyer-0"))];
        if early {
            // It comes by another way than the sale and has a number of its own.
            events[1].receipt.source = "/outcry/listing-service".to_owned();
            events.swap(0, 1);
        }
        events.push(sold(auctions[1], 1));
        assert_eq!(block_on(market.facts.handle_all(&events)), Ok(vec![Handled::Applied; 3]), "early: {early}");
        let statuses = auctions.map(|auction| {
            let of_auction = |it: &Settlement| it.auction_id() == auction;
            market.store.all_settlements().into_iter().find(of_auction).unwrap().status()
        });
        assert_eq!(statuses, [Status::Failed, Status::AwaitingPayment], "early: {early}");
        let again = block_on(market.facts.handle_all(&events));
        assert_eq!(again, Ok(vec![Handled::Duplicate; 3]), "early: {early}");
    }
}

#[test]
fn a_run_with_poison_in_it_has_no_effect_until_it_is_taken_one_by_one() {
    let market = Market::new();
    let mut events: Vec<_> = (0..3).map(|lot| sold(AuctionId::from(Uuid::now_v7()), lot)).collect();
    let Fact::AuctionSold(sales) = &mut events[1].fact else { panic!() };
    sales[0].price = Money::zero(sales[0].price.currency());
    assert!(matches!(block_on(market.facts.handle_all(&events)), Err(HandleError::Poison(_))));
    assert!(market.store.all_settlements().is_empty());
    let alone = events.iter().map(|event| block_on(market.facts.handle_all(std::slice::from_ref(event))).is_ok());
    assert_eq!(alone.collect::<Vec<_>>(), [true, false, true]);
}

/// Calls that nothing depends on any more are rare; none may undo what another answer to the same settlement brings.
#[test]
fn two_answers_for_one_settlement_both_count_also_when_one_of_them_is_its_payout() {
    let (market, sales) = Market::sells(1);
    let id = sales[0].id();
    let stray = |attempt| {
        let hold = "a hold of long ago".to_owned().into();
        GatewayCall::plan(id, attempt, Instruction::Void { hold }, DateTime::UNIX_EPOCH)
    };
    let add_stray = |attempt| {
        block_on(async {
            let mut tx = market.store.begin().await.unwrap();
            tx.lock(id).await.unwrap();
            tx.save_calls(&[stray(attempt)]).await.unwrap();
            tx.commit().await.unwrap();
        });
    };
    let act = |who: &UserId, n, act| {
        let answers = block_on(market.act(&[(key(who, n), id, act)]));
        assert!(status(&answers[0]).is_some(), "{answers:?}");
    };
    let over = |attempt| market.store.committed_call(&stray(attempt).key()).unwrap().is_over();
    act(sales[0].buyer_id(), 1, pay());
    add_stray(1);
    market.works();
    assert_eq!((market.status(id), over(1)), (Status::Escrowed, true));

    act(sales[0].seller_id(), 2, Act::Ship(Parcel::new("UPS", "1Z999").unwrap()));
    act(sales[0].buyer_id(), 3, Act::Receive);
    block_on(market.worker.pass_time(10)).unwrap();
    add_stray(2);
    market.makes_calls();
    assert_eq!((market.status(id), over(2)), (Status::Completed, true), "both were answered in one round");
    assert!(market.store.all_calls().iter().all(|call| matches!(call.status(), CallStatus::Answered(_))));
}
