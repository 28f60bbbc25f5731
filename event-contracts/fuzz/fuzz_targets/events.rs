//! Data of any event type: it is read or refused, and what was read can be written and is read again as the same.
//! The first line of an input is the type, the rest is the data.
#![no_main]

use event_contracts::{bidding::BiddingEvent, listing::ListingEvent, settlement::SettlementEvent};
use libfuzzer_sys::fuzz_target;

macro_rules! read_and_written {
    ($context:ident, $event_type:expr, $data:expr) => {
        if let Ok(Some(event)) = $context::decode($event_type, $data) {
            assert_eq!(event.event_type(), $event_type);
            assert!(!event.key().is_empty());
            let written = event.to_data().expect("what was read can be written").to_string();
            let again = $context::decode($event_type, written.as_bytes());
            assert_eq!(again.expect("what was written can be read"), Some(event), "{written}");
        }
    };
}

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(event_type) = std::str::from_utf8(&input[..end]) else { return };
    let data = &input[end + 1..];
    read_and_written!(ListingEvent, event_type, data);
    read_and_written!(BiddingEvent, event_type, data);
    read_and_written!(SettlementEvent, event_type, data);
});
