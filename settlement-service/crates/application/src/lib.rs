//! Settlement's use cases: what people do ([`Settlements`]) and read of the ledger ([`Books`]), what other services tell
//! ([`Facts`]), what time and the gateway bring ([`Worker`]), and what the gateway tells unasked ([`Notices`]). Each opens
//! a unit of work, loads under lock, lets the domain decide, stores the whole change and commits. [`Reconciliation`] holds
//! the ledger against the gateway's own list, and changes nothing.

mod batch;
mod books;
mod called;
mod command;
mod facts;
mod lane;
mod notices;
mod once;
mod outcome;
mod query;
mod reconciliation;
mod retry;
mod standing;
mod view;
mod worker;

pub use books::{Books, StatementPage};
pub use command::Settlements;
pub use facts::Facts;
pub use notices::{Effect, NoticeError, Noticed, Notices, SOURCE as NOTICE_SOURCE};
pub use outcome::{Answered, Outcome, UseError};
pub use query::Page;
pub use reconciliation::{
    Amount, Clearing, Difference, GRACE_MIN, LOOK_BACK_DAYS, Line, MAX_NAMED, Name, ReconcileError, Reconciliation,
    Report, Sum,
};
pub use standing::Reinstated;
pub use view::SettlementView;
pub use worker::{Progress, Worker};
