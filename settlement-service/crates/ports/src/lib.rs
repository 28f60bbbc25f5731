//! What settlement's core needs from the world. Every port is a promise: its doc says MUST, and one contract test
//! in `settlement-harness` runs against each implementation.

mod error;
mod facts;
mod gateway;
mod idempotency;
mod inbox;
mod ledger;
mod notice;
mod outbox;
mod retries;
mod statement;
mod store;

pub use error::StoreError;
pub use facts::{Fact, FactHandler, HandleError, Handled, Incoming};
pub use gateway::{GatewayResult, Lookup, PaymentGateway};
pub use idempotency::{Claim, RequestKey};
pub use inbox::{Receipt, Seen};
pub use ledger::{LedgerReads, StatementQuery};
pub use notice::{Incident, News, Notice, NoticeVerifier, TOLERANCE_S, Unsigned};
pub use outbox::{Epoch, Outbox, OutboxRecord};
pub use retries::Retries;
pub use statement::{
    Booked, ClearingPlace, ClearingReads, GatewayStatement, KnownCall, STATEMENT_PAGE, StatementError, StatementPage,
};
pub use store::{
    Early, Free, FreeStandings, Inserted, ListFilter, Locked, PendingCall, PendingPayout, SettlementStore,
    SettlementTx, Viewer, WholePayout,
};

#[cfg(feature = "mock")]
pub use {
    facts::MockFactHandler, gateway::MockPaymentGateway, ledger::MockLedgerReads, notice::MockNoticeVerifier,
    outbox::MockOutbox, retries::MockRetries, statement::MockClearingReads, statement::MockGatewayStatement,
    store::MockSettlementStore, store::MockSettlementTx,
};
