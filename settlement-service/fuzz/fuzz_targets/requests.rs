//! Any request to the service, as text: paths, queries with their cursors, headers and bodies. It is answered by what was
//! asked for or by a problem that is the request's fault, and nothing panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| settlement_fuzz::ask(text));
