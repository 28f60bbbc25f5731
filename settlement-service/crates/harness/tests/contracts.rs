//! The doubles pass the contracts of the ports they stand for.

use std::sync::Arc;

use futures::executor::block_on;
use settlement_harness::{Faults, HandClock, MemoryGateway, MemoryStore, contract};

#[test]
fn the_store_in_memory_keeps_the_promises_of_a_store() {
    let store = MemoryStore::new(HandClock::default(), Faults::default());
    block_on(contract::units::all(&store));
    block_on(contract::store::all(&store));
    block_on(contract::ledger::all(&store, &store));
    block_on(contract::clearing::all(&store, &store));
}

#[test]
fn the_store_in_memory_keeps_the_promises_of_an_outbox() {
    let store = MemoryStore::new(HandClock::default(), Faults::default());
    block_on(contract::outbox::all(&store, &store));
}

#[test]
fn the_store_in_memory_keeps_its_promises_about_auctions_and_people() {
    let store = MemoryStore::new(HandClock::default(), Faults::default());
    block_on(contract::people::all(&store, &store));
}

#[test]
fn the_worker_keeps_its_promises_about_deadlines_over_the_store_in_memory() {
    let store = MemoryStore::new(HandClock::default(), Faults::default());
    block_on(contract::deadlines::all(Arc::new(store)));
}

#[test]
fn the_gateway_in_memory_keeps_the_promises_of_a_gateway() {
    let gateway = MemoryGateway::new(Faults::default(), Box::new(|_| {}));
    block_on(contract::gateway::all(&gateway));
    block_on(contract::statement::all(&gateway, &gateway));
}
