//! What strangers send, and what must hold whatever it is: the target of the fuzzer (`fuzz/`, `make fuzz`). Its seeds, and
//! all that it ever found, are inputs of it in every test run, too (`tests/corpus.rs`).

// This crate is test code: what does not hold panics, and panicking is its interface.
#![allow(clippy::missing_panics_doc)]

mod http;
mod requests;

pub use http::Answer;
pub use requests::Door;
