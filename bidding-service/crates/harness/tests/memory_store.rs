//! The in-memory store keeps the promises of the ports.

use bidding_harness::{contract, world::World};

#[tokio::test]
async fn the_store_in_memory_keeps_every_promise() {
    let store = World::default().store;
    contract::holds(&store, &store).await.unwrap();
}
