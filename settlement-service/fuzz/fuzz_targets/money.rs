//! Money and fee schedules as JSON: sums stay within the bounds, and no sale loses or makes a minor unit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use settlement_fuzz::money;

fuzz_target!(|input: &[u8]| {
    let _ = money(input);
});
