//! Settlements in the states the contracts need, made by the saga itself.

use chrono::{DateTime, TimeDelta, Utc};
use settlement_domain::saga::{self, Act, Change, Dispatch};
use settlement_domain::settlement::{Lot, Sale, Terms};
use settlement_domain::{Answer, GatewayCall, GatewayRef, Money, Report, Settlement, SettlementEvent, UserId};
use settlement_ports::{Inserted, RequestKey, SettlementStore, Viewer};
use uuid::Uuid;

/// A settlement that began at a moment, with its first event; everybody in it is new.
pub fn begun(now: DateTime<Utc>) -> (Settlement, SettlementEvent) {
    begun_of(Lot::Units, now)
}

/// The same, of a lot.
pub fn begun_of(lot: Lot, now: DateTime<Utc>) -> (Settlement, SettlementEvent) {
    let sale = Sale {
        auction_id: Uuid::now_v7().into(),
        seller_id: somebody("seller"),
        buyer_id: somebody("buyer"),
        price: Money::new(12_050, "USD".parse().unwrap()).unwrap(),
        lot,
        closed_at: now,
    };
    let terms = Terms { payment_due_s: 60, ..crate::terms() };
    Settlement::start(Uuid::now_v7().into(), sale, terms, &crate::fees(), now).unwrap()
}

/// A settlement whose payment was due this long ago.
pub fn overdue(now: DateTime<Utc>, by: TimeDelta) -> Settlement {
    begun(now - by - TimeDelta::seconds(60)).0
}

/// The buyer paid: a call is planned.
pub fn paid(settlement: Settlement, now: DateTime<Utc>) -> (Settlement, GatewayCall) {
    let change = saga::begin(settlement, Act::Pay("pm_card_visa".parse().unwrap()), now).unwrap();
    let call = change.calls.into_iter().next().unwrap();
    (change.settlement, call)
}

/// The gateway did what a call was for.
pub fn succeeded(settlement: Settlement, call: GatewayCall, now: DateTime<Utc>) -> Change {
    let Dispatch::Contact(call, contact) = saga::dispatch(settlement.clone(), call, now) else { panic!("overtaken") };
    let reference = GatewayRef::from(format!("ref_{}", call.key()));
    saga::report(settlement, call, contact, Report::Answered(Answer::Succeeded { reference }), now)
}

/// The money is in escrow.
pub fn escrowed(settlement: Settlement, now: DateTime<Utc>) -> Change {
    let (settlement, call) = paid(settlement, now);
    let authorized = succeeded(settlement, call, now);
    let capture = authorized.calls.into_iter().find(|call| !call.is_over()).unwrap();
    succeeded(authorized.settlement, capture, now)
}

/// Somebody new.
pub fn somebody(role: &str) -> UserId {
    format!("{role}-{}", Uuid::now_v7()).parse().unwrap()
}

/// A request key of somebody new.
pub fn request() -> RequestKey {
    RequestKey { principal: somebody("principal"), key: "key".to_owned(), fingerprint: [1; 32] }
}

pub fn ordinary(user: &UserId) -> Viewer {
    Viewer { user: user.clone(), admin: false }
}

/// The store's time.
pub async fn now(store: &dyn SettlementStore) -> DateTime<Utc> {
    store.begin().await.unwrap().now().await.unwrap()
}

/// Stores a settlement and perhaps a call, and commits.
pub async fn stored(store: &dyn SettlementStore, settlement: &Settlement, calls: &[GatewayCall]) {
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.insert(settlement).await.unwrap(), Inserted::New);
    if !calls.is_empty() {
        tx.save_calls(calls).await.unwrap();
    }
    tx.commit().await.unwrap();
}
