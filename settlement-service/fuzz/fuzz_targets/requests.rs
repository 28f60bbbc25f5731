//! Any requests to the service, one after the other, as text: paths, queries with their cursors, headers and bodies. Each
//! is answered by what was asked for or by a problem that is the request's fault, and nothing panics.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use settlement_fuzz::Door;

thread_local! {
    static DOOR: RefCell<Door> = RefCell::default();
}

fuzz_target!(|text: &[u8]| {
    let _ = DOOR.with_borrow_mut(|door| door.takes(text));
});
