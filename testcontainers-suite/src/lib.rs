//! Outcry seen from outside: what tests need to use a running marketplace as its clients do.
//!
//! [`target`] starts a marketplace or finds the one that runs, [`world`] is what a test gets to know of it,
//! [`client`] talks HTTPS, [`token`] makes good and forged tokens, [`story`] tells scenarios in the trade's words, on
//! [`terms`] of every format, with what happens on the [`floor`] besides plain bids; [`sse`] reads live streams,
//! [`receipt`] checks signed results, [`broker`] reads the published events and [`feed`] puts some there, [`collector`] takes
//! the services' traces, [`chance`] repeats itself, [`logs`] and [`secrets`] know what a log has to hold and must not, [`proxy`]
//! makes bad weather between services and servers, [`history`] decides whether what clients saw can have happened, [`served`]
//! whether a fault of one service was felt by users of another, [`harness`] runs the tests, [`containers`] on the services'
//! images, and [`needs`] says which of them take more than the APIs.
//!
//! Beside all of them two things look on: [`answers`] compares every answer with the services' documents ([`openapi`]), and
//! [`watch`] every event with the contracts; [`whole`] asks them when all is over.

pub mod answers;
pub mod broker;
pub mod chance;
pub mod client;
pub mod collector;
pub mod containers;
pub mod feed;
pub mod floor;
pub mod harness;
pub mod history;
pub mod logs;
pub mod needs;
pub mod openapi;
pub mod proxy;
pub mod receipt;
pub mod secrets;
pub mod served;
pub mod sse;
pub mod story;
pub mod target;
pub mod terms;
pub mod token;
pub mod wait;
pub mod watch;
pub mod whole;
pub mod world;
