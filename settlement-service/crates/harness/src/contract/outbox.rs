//! The outbox between a store and the relay.

use std::time::Duration;

use settlement_domain::saga::{self, Act};
use settlement_domain::{Parcel, SettlementId};
use settlement_ports::{Outbox, OutboxRecord, SettlementStore};

use super::samples::{begun, escrowed, now, somebody};

/// More than a shared outbox will hold.
const MANY: u32 = 10_000;

/// All checks of this file. The lease must be free, or run out within a second.
pub async fn all(store: &dyn SettlementStore, outbox: &dyn Outbox) {
    events_come_out_numbered_and_in_order_once_committed(store, outbox).await;
    one_relay_at_a_time_deletes(store, outbox).await;
    a_lease_is_given_back_by_its_holder_only(outbox).await;
}

async fn records_of(outbox: &dyn Outbox, id: SettlementId) -> Vec<OutboxRecord> {
    let key = id.to_string();
    outbox.batch(MANY).await.unwrap().into_iter().filter(|record| record.key == key).collect()
}

/// And not before.
pub async fn events_come_out_numbered_and_in_order_once_committed(store: &dyn SettlementStore, outbox: &dyn Outbox) {
    let now = now(store).await;
    let (settlement, started) = begun(now);
    let mut tx = store.begin().await.unwrap();
    tx.insert(&settlement).await.unwrap();
    let change = escrowed(settlement.clone(), now);
    let parcel = Parcel::new("UPS", "1Z999").unwrap();
    let shipped = saga::begin(change.settlement, Act::Ship(parcel), now).unwrap();
    tx.save(&[shipped.settlement]).await.unwrap();
    tx.record(&[started]).await.unwrap();
    tx.record(&[change.events, shipped.events].concat()).await.unwrap();
    assert!(records_of(outbox, settlement.id()).await.is_empty(), "not committed yet");
    tx.commit().await.unwrap();

    let records = records_of(outbox, settlement.id()).await;
    let told: Vec<_> = records.iter().map(|record| (record.sequence, record.event_type.as_str())).collect();
    let expected = [
        (1, "outcry.settlement.started.v1"),
        (2, "outcry.settlement.escrowed.v1"),
        (3, "outcry.settlement.shipped.v1"),
    ];
    assert_eq!(told, expected);
    assert!(records.iter().all(|record| record.topic == "outcry.settlement.v1" && record.data.is_object()));
    assert!(records.windows(2).all(|pair| pair[0].id < pair[1].id && pair[0].event_id != pair[1].event_id));
}

/// Who lost the lease deletes nothing.
pub async fn one_relay_at_a_time_deletes(store: &dyn SettlementStore, outbox: &dyn Outbox) {
    let (settlement, started) = begun(now(store).await);
    let mut tx = store.begin().await.unwrap();
    tx.insert(&settlement).await.unwrap();
    tx.record(&[started]).await.unwrap();
    tx.commit().await.unwrap();
    let id = records_of(outbox, settlement.id()).await[0].id;

    let (first, second) = (somebody("relay"), somebody("relay"));
    let held = outbox.acquire_lease(first.as_str(), Duration::ZERO).await.unwrap().expect("the lease is free");
    let taken = outbox.acquire_lease(second.as_str(), Duration::from_secs(60)).await.unwrap().expect("it ran out");
    assert!(taken > held, "a new holder has a higher epoch");
    assert_eq!(outbox.acquire_lease(first.as_str(), Duration::from_secs(60)).await.unwrap(), None);
    assert_eq!(outbox.acquire_lease(second.as_str(), Duration::from_secs(60)).await.unwrap(), Some(taken));
    assert!(!outbox.delete(held, &[id]).await.unwrap());
    assert_eq!(records_of(outbox, settlement.id()).await.len(), 1);
    assert!(outbox.delete(taken, &[id]).await.unwrap());
    assert!(records_of(outbox, settlement.id()).await.is_empty());
    // Leaves the lease to whoever comes next.
    outbox.release_lease(second.as_str()).await.unwrap();
}

/// Nobody else's is touched, not even one that has run out.
pub async fn a_lease_is_given_back_by_its_holder_only(outbox: &dyn Outbox) {
    const MINUTE: Duration = Duration::from_secs(60);
    let (first, second) = (somebody("relay"), somebody("relay"));
    let (first, second) = (first.as_str(), second.as_str());
    let held = outbox.acquire_lease(first, MINUTE).await.unwrap().expect("the lease is free");
    outbox.release_lease(second).await.unwrap();
    assert_eq!(outbox.acquire_lease(second, MINUTE).await.unwrap(), None, "another's is not given back");
    outbox.acquire_lease(first, Duration::ZERO).await.unwrap();
    outbox.release_lease(second).await.unwrap();
    let again = outbox.acquire_lease(first, MINUTE).await.unwrap();
    assert_eq!(again, Some(held), "one that has run out is not taken by giving it back");

    outbox.release_lease(first).await.unwrap();
    let taken = outbox.acquire_lease(second, MINUTE).await.unwrap().expect("it was given back");
    assert!(taken > held);
    outbox.release_lease(first).await.unwrap();
    assert_eq!(outbox.acquire_lease(first, MINUTE).await.unwrap(), None, "it is not the former holder's any more");
    outbox.release_lease(second).await.unwrap();
}
