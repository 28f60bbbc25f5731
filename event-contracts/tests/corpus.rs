//! The fuzzer's inputs as tests: what it starts from is what the contracts know, and what broke them once breaks them no
//! more.

use std::{fs, path::Path};

use event_contracts::{bidding::BiddingEvent, listing::ListingEvent, settlement::SettlementEvent};

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

/// The inputs of a target, each with its name: `seeds` to start from, or `findings` that broke it once.
fn inputs(kind: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind).join(target);
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let paths = files.map(|file| file.expect("a file").path());
    paths.map(|path| (path.display().to_string(), fs::read(path).expect("an input"))).collect()
}

#[test]
fn every_seed_of_events_is_read_and_every_type_has_one() {
    let seeds = inputs("seeds", "events");
    for (name, input) in &seeds {
        assert!(fuzz::event(input), "{name}");
    }
    for event_type in [ListingEvent::TYPES, BiddingEvent::TYPES, SettlementEvent::TYPES].concat() {
        let line = format!("{event_type}\n");
        assert!(seeds.iter().any(|(_, input)| input.starts_with(line.as_bytes())), "fuzz/seeds/events: {event_type}?");
    }
}

#[test]
fn every_seed_of_envelopes_is_read() {
    let seeds = inputs("seeds", "envelope");
    assert!(!seeds.is_empty());
    for (name, input) in seeds {
        assert!(fuzz::envelope(&input), "{name}");
    }
}

#[test]
fn what_broke_the_contracts_once_does_so_no_more() {
    for (name, input) in inputs("findings", "events") {
        println!("{name}");
        let _ = fuzz::event(&input);
    }
    for (name, input) in inputs("findings", "envelope") {
        println!("{name}");
        let _ = fuzz::envelope(&input);
    }
}
