//! The contract of the storage ports: what every adapter has to promise. Each function is one promise;
//! the in-memory store and the database's store run them all.
//!
//! No promise needs the clock to be moved, but it has to run: auctions are made due, or not, relative to the
//! store's time. Other auctions may lie in the store; nobody else may write to it meanwhile.

mod chances;
mod due;
mod floor;
mod halts;
mod idempotency;
mod log;
mod outbox;
mod reads;
mod units_of_work;
mod writes;

use std::time::Duration;

use bidding_domain::{
    auction::{Auction, Decision, Refused, Transition},
    bid::{Ask, Bid, Order},
    ids::{AuctionId, BidId},
};
use bidding_ports::{
    error::StoreError,
    idempotency::RequestKey,
    outbox::Outbox,
    store::{AuctionStore, Changes, Locked, Request},
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    lots::{Lot, lot},
    world::{self, one, user},
};

/// Runs every promise against a store and its outbox.
///
/// # Errors
/// The store's own.
///
/// # Panics
/// When a promise is broken.
pub async fn holds(store: &dyn AuctionStore, relay: &dyn Outbox) -> Result<(), StoreError> {
    units_of_work::what_is_committed_is_read_back(store).await?;
    units_of_work::every_state_is_read_back(store).await?;
    units_of_work::what_is_dropped_leaves_nothing(store).await?;
    units_of_work::an_id_is_inserted_once(store).await?;
    units_of_work::no_update_is_lost_between_two_that_read_and_write(store).await?;
    units_of_work::two_bids_are_never_read_and_then_both_inserted(store).await?;
    units_of_work::a_bidder_is_suspended_until_reinstated(store).await?;

    floor::a_floor_has_the_auctions_that_there_are_and_no_other(store).await?;
    floor::a_floor_is_of_one_moment_after_its_last_lock(store).await?;
    floor::a_floor_locks_its_auctions_until_the_unit_of_work_ends(store).await?;
    floor::floors_that_cross_never_wait_for_each_other(store).await?;
    floor::what_another_unit_of_work_keeps_is_left_out_when_nobody_waits_for_it(store).await?;
    floor::a_floor_knows_each_requests_key_and_bidder_in_their_order(store).await?;

    writes::many_auctions_entries_and_answers_are_written_at_once(store).await?;
    writes::of_two_answers_to_one_key_the_later_conflicts(store).await?;
    writes::what_conflicts_leaves_nothing(store).await?;

    log::a_log_is_read_back_entry_by_entry_and_proves_its_auction(store).await?;
    log::a_unit_of_work_reads_the_standing_bids_of_what_it_has_locked(store).await?;

    chances::the_suspended_of_many_bidders_are_named_in_their_order(store).await?;
    chances::an_answer_is_kept_in_the_log_with_what_everybody_may_know_and_waits_to_be_published(store, relay).await?;

    reads::a_history_is_read_from_the_latest_bid_in_pages(store).await?;
    reads::a_sealed_history_is_read_in_the_order_of_the_bids(store).await?;
    reads::of_some_bids_those_are_named_that_were_taken_back(store).await?;
    reads::events_are_read_in_order_from_anywhere_without_a_gap(store).await?;
    reads::events_of_one_decision_are_read_from_the_middle(store).await?;
    reads::what_is_not_there_is_not_found(store).await?;

    due::an_auction_is_due_at_its_start_and_then_at_its_end(store).await?;
    due::what_is_locked_elsewhere_is_left_out_and_nobody_waits(store).await?;
    due::the_longest_due_come_first_and_no_more_than_asked_for(store).await?;
    due::a_paused_auction_is_not_due(store).await?;
    due::the_wait_is_until_the_next_one_due(store).await?;

    idempotency::an_answer_is_replayed_to_the_same_request_only(store).await?;
    idempotency::keys_of_other_principals_do_not_meet(store).await?;
    idempotency::an_incoming_event_is_new_once_known_from_then_on_and_gaps_are_named(store).await?;
    idempotency::a_dropped_receipt_was_never_received(store).await?;

    outbox::events_wait_in_order_until_they_are_deleted(store, relay).await?;
    outbox::events_of_one_decision_wait_and_go_together(store, relay).await?;
    outbox::a_decision_that_tells_nothing_leaves_nothing(store, relay).await?;
    outbox::events_of_a_dropped_unit_of_work_never_wait(store, relay).await?;
    outbox::one_holder_has_the_lease_and_a_deposed_one_deletes_nothing(store, relay).await?;
    outbox::a_lease_is_given_back_by_its_holder_only(relay).await?;

    // Halts stay in the store, and auctions that are open meanwhile have to follow them.
    halts::a_time_without_a_sign_of_life_becomes_one_halt(store).await?;
    halts::two_that_wake_at_once_make_one_halt_of_it(store).await?;
    halts::a_pause_of_all_begins_once_and_ends_once(store).await?;
    halts::an_outage_during_a_pause_of_all_is_a_halt_of_its_own(store).await?;
    halts::everybody_who_decides_is_given_the_halts(store).await?;
    halts::what_was_decided_before_a_halt_began_or_ended_is_not_written_after_it(store).await?;
    halts::an_auction_whose_end_passed_during_a_pause_of_all_gets_the_time_back(store).await
}

/// A store undoes a dropped unit of work at once or a moment later: tries again until `so`.
async fn soon(so: impl AsyncFn() -> Result<bool, StoreError>) -> Result<(), StoreError> {
    for _ in 0..500 {
        if so().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what was dropped is not undone after five seconds");
}

fn fresh_id() -> AuctionId {
    AuctionId(Uuid::now_v7())
}

fn fresh(what: &str) -> String {
    format!("{what}-{}", Uuid::now_v7())
}

fn fresh_key() -> RequestKey {
    RequestKey { principal: user("ann"), key: fresh("key"), fingerprint: [1; 32] }
}

/// A request about an auction, under a key of its own.
fn request(auction: AuctionId) -> Request {
    Request { auction, key: fresh_key() }
}

async fn now(store: &dyn AuctionStore) -> Result<DateTime<Utc>, StoreError> {
    store.begin().await?.now().await
}

/// An auction that opens after a while, not stored yet.
async fn scheduled(store: &dyn AuctionStore, opens_in: TimeDelta) -> Result<Auction, StoreError> {
    Ok(Auction::schedule(fresh_id(), world::terms(lot(), now(store).await? + opens_in)))
}

async fn insert(store: &dyn AuctionStore, auction: &Auction) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.insert(auction).await?;
    tx.commit().await
}

/// An open auction, stored with its first event.
async fn open(store: &dyn AuctionStore) -> Result<Auction, StoreError> {
    open_lot(store, lot()).await
}

async fn open_lot(store: &dyn AuctionStore, lot: impl Lot) -> Result<Auction, StoreError> {
    let auction = Auction::schedule(fresh_id(), world::terms(lot, now(store).await?));
    insert(store, &auction).await?;
    change(store, auction.id(), Auction::open).await
}

/// Makes a transition in a unit of work of its own.
async fn change(
    store: &dyn AuctionStore,
    id: AuctionId,
    transition: impl FnOnce(Auction, DateTime<Utc>) -> Result<Transition, Refused>,
) -> Result<Auction, StoreError> {
    let mut tx = store.begin().await?;
    let Locked { auction, now, .. } = tx.lock(id).await?.expect("it is there");
    let Transition { auction, entries } = transition(auction, now).expect("the transition is allowed");
    tx.save(Changes::of(auction.clone(), entries)).await?;
    tx.commit().await?;
    Ok(auction)
}

/// Ends an auction whenever its end is.
fn close(auction: Auction, now: DateTime<Utc>) -> Result<Transition, Refused> {
    let end = auction.ends_at().max(now);
    auction.close(end)
}

fn decide(auction: Auction, now: DateTime<Utc>, bidder: &str, ask: Ask) -> Decision {
    auction.place_bid(&Order { bid_id: BidId(Uuid::now_v7()), bidder: user(bidder), ask, suspended: false }, now)
}

/// What an accepted bid changes.
fn changes(decision: Decision) -> Changes {
    Changes::of(decision.auction, decision.entry.into_iter().collect())
}

/// Places a bid in a unit of work of its own; `None` when it is refused.
async fn bid(store: &dyn AuctionStore, id: AuctionId, bidder: &str, max: i64) -> Result<Option<Bid>, StoreError> {
    ask(store, id, bidder, one(max)).await
}

async fn ask(store: &dyn AuctionStore, id: AuctionId, bidder: &str, ask: Ask) -> Result<Option<Bid>, StoreError> {
    let mut tx = store.begin().await?;
    let Locked { auction, now, .. } = tx.lock(id).await?.expect("it is there");
    let decision = decide(auction, now, bidder, ask);
    let Ok(bid) = decision.answer.clone() else { return Ok(None) };
    tx.save(changes(decision)).await?;
    tx.commit().await?;
    Ok(Some(bid))
}

async fn read(store: &dyn AuctionStore, id: AuctionId) -> Result<Option<Auction>, StoreError> {
    Ok(store.find(id).await?.map(|found| found.auction))
}
