//! Any events of the payment gateway, well signed: each is taken in or cannot be read, and the ledger sums to zero.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use settlement_fuzz::Gateway;

thread_local! {
    static GATEWAY: RefCell<Gateway> = RefCell::default();
}

fuzz_target!(|body: &str| {
    let _ = GATEWAY.with_borrow_mut(|gateway| gateway.tells(body));
});
