//! What strangers send, and what must hold whatever it is: the targets of the fuzzer (`fuzz/`, `make fuzz`). Its seeds, and
//! all that it ever found, are inputs of these in every test run, too (`tests/corpus.rs`).

// This crate is test code: what does not hold panics, and panicking is its interface.
#![allow(clippy::missing_panics_doc)]

mod http;
mod jwks;
mod requests;

pub use http::Answer;
pub use jwks::KeySets;
pub use requests::Door;
