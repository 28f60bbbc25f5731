//! Any document in place of a JSON Web Key Set: its keys are read, or it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use listing_fuzz::KeySets;

thread_local! {
    static KEY_SETS: KeySets = KeySets::default();
}

fuzz_target!(|document: &[u8]| {
    let _ = KEY_SETS.with(|key_sets| key_sets.takes(document));
});
