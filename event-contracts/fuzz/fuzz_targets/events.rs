//! Data of any event type: it is read or refused, and what was read can be written and is read again as the same.
#![no_main]

use event_contracts_fuzz::event;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = event(input);
});
