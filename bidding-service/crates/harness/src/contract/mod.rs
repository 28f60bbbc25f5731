//! The contract of the storage ports: what every adapter has to promise. Each function is one promise;
//! the in-memory store and the database's store run them all.
//!
//! No promise needs the clock to be moved: auctions are made due, or not, relative to the store's time.
//! Other auctions may lie in the store; nobody else may write to it meanwhile.

mod due;
mod idempotency;
mod outbox;
mod reads;
mod units_of_work;

use std::time::Duration;

use bidding_domain::{
    auction::{Auction, Decision},
    bid::{Bid, Order},
    ids::{AuctionId, BidId},
};
use bidding_ports::{
    error::StoreError,
    outbox::Outbox,
    store::{AuctionStore, Locked},
};
use chrono::TimeDelta;
use uuid::Uuid;

use crate::world::{self, amount, user};

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

    reads::a_history_is_read_from_the_latest_bid_in_pages(store).await?;
    reads::events_are_read_in_order_from_anywhere_without_a_gap(store).await?;
    reads::what_is_not_there_is_not_found(store).await?;

    due::an_auction_is_due_at_its_start_and_then_at_its_end(store).await?;
    due::what_is_locked_elsewhere_is_left_out_and_nobody_waits(store).await?;
    due::the_longest_due_come_first_and_no_more_than_asked_for(store).await?;
    due::the_wait_is_until_the_next_one_due(store).await?;

    idempotency::an_answer_is_replayed_to_the_same_request_only(store).await?;
    idempotency::keys_of_other_principals_do_not_meet(store).await?;
    idempotency::a_key_in_use_is_running_and_free_again_when_its_unit_of_work_is_dropped(store).await?;
    idempotency::an_incoming_event_is_new_once_and_gaps_are_named(store).await?;
    idempotency::a_dropped_receipt_was_never_received(store).await?;

    outbox::events_wait_in_order_until_they_are_deleted(store, relay).await?;
    outbox::events_of_a_dropped_unit_of_work_never_wait(store, relay).await?;
    outbox::one_holder_has_the_lease_and_a_deposed_one_deletes_nothing(store, relay).await
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

/// An auction that opens after a while, not stored yet.
async fn scheduled(store: &dyn AuctionStore, opens_in: TimeDelta) -> Result<Auction, StoreError> {
    let now = store.begin().await?.now().await?;
    Ok(Auction::schedule(fresh_id(), world::terms(world::lot(), now + opens_in)))
}

async fn insert(store: &dyn AuctionStore, auction: &Auction) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.insert(auction).await?;
    tx.commit().await
}

/// An open auction, stored with its first event.
async fn open(store: &dyn AuctionStore) -> Result<Auction, StoreError> {
    let scheduled = scheduled(store, TimeDelta::zero()).await?;
    let mut tx = store.begin().await?;
    let now = tx.now().await?;
    let opened = scheduled.open(now).expect("its start has come");
    tx.insert(&opened.auction).await?;
    tx.record(&opened.events).await?;
    tx.commit().await?;
    Ok(opened.auction)
}

fn decide(locked: Locked, bidder: &str, max: i64) -> Decision {
    let order = Order { bid_id: BidId(Uuid::now_v7()), bidder: user(bidder), max: amount(max), suspended: false };
    locked.auction.place_bid(order, locked.now)
}

/// Places a bid in a unit of work of its own; `None` when it is refused.
async fn bid(store: &dyn AuctionStore, id: AuctionId, bidder: &str, max: i64) -> Result<Option<Bid>, StoreError> {
    let mut tx = store.begin().await?;
    let locked = tx.lock(id).await?.expect("it is there");
    let decision = decide(locked, bidder, max);
    let Ok(bid) = decision.answer else { return Ok(None) };
    tx.save(&decision.auction, std::slice::from_ref(&bid)).await?;
    tx.record(&decision.events).await?;
    tx.commit().await?;
    Ok(Some(bid))
}

async fn read(store: &dyn AuctionStore, id: AuctionId) -> Result<Option<Auction>, StoreError> {
    Ok(store.find(id).await?.map(|found| found.auction))
}
