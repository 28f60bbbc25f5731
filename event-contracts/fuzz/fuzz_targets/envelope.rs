//! Headers of any kind: they are an envelope or refused by name, and one that was written is read again as the same.
#![no_main]

use event_contracts_fuzz::envelope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = envelope(input);
});
