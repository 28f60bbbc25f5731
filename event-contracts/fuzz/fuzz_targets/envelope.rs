//! Headers of any kind: they are an envelope or refused by name, and an envelope that was written is read again as the
//! same. An input is headers, one a line: `name: value`.
#![no_main]

use event_contracts::envelope::Envelope;
use libfuzzer_sys::fuzz_target;

fn read(headers: &[(&str, &str)]) -> Option<Envelope> {
    let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    Envelope::from_headers(header).ok()
}

fn written(envelope: &Envelope) -> Envelope {
    let headers = envelope.to_headers();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    read(&headers).expect("what was written can be read")
}

fuzz_target!(|input: &str| {
    let headers: Vec<_> = input.lines().filter_map(|line| line.split_once(": ")).collect();
    if let Some(envelope) = read(&headers) {
        // Times are written to the microsecond.
        let kept = written(&envelope);
        let same = Envelope { time: kept.time, ..envelope };
        assert_eq!(kept, same);
        assert_eq!(written(&kept), kept);
    }
});
