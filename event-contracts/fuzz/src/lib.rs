//! What comes out of Kafka, and what must hold whatever it is: the targets of the fuzzer (`make fuzz`). The crate's tests read
//! this file as well, so that its seeds, and all that it ever found, are inputs of them in every test run, too
//! (`tests/corpus.rs`).

use event_contracts::{bidding::BiddingEvent, envelope::Envelope, listing::ListingEvent, settlement::SettlementEvent};

macro_rules! read_and_written {
    ($context:ident, $event_type:expr, $data:expr) => {
        if let Ok(Some(event)) = $context::decode($event_type, $data) {
            assert_eq!(event.event_type(), $event_type);
            let written = event.to_data().expect("what was read can be written").to_string();
            let again = $context::decode($event_type, written.as_bytes());
            assert_eq!(again.expect("what was written can be read"), Some(event), "{written}");
            return true;
        }
    };
}

/// An event: the first line is its type, the rest its data. It is read or refused, and what was read can be written and is
/// read again as the same. Whether it was read.
pub fn event(input: &[u8]) -> bool {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return false };
    let Ok(event_type) = std::str::from_utf8(&input[..end]) else { return false };
    let data = &input[end + 1..];
    read_and_written!(ListingEvent, event_type, data);
    read_and_written!(BiddingEvent, event_type, data);
    read_and_written!(SettlementEvent, event_type, data);
    false
}

/// Headers, one a line: `name: value`. They are an envelope or refused by name, and an envelope that was written is read
/// again as the same. Whether they are one.
pub fn envelope(input: &[u8]) -> bool {
    let Ok(input) = std::str::from_utf8(input) else { return false };
    let headers: Vec<_> = input.lines().filter_map(|line| line.split_once(": ")).collect();
    let Some(envelope) = read(&headers) else { return false };
    // Times are written to the microsecond.
    let kept = written(&envelope);
    assert_eq!(kept, Envelope { time: kept.time, ..envelope });
    assert_eq!(written(&kept), kept);
    true
}

fn read(headers: &[(&str, &str)]) -> Option<Envelope> {
    Envelope::from_headers(|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)).ok()
}

fn written(envelope: &Envelope) -> Envelope {
    let headers = envelope.to_headers();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    read(&headers).expect("what was written can be read")
}
