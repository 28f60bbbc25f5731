//! Tests that need more of a marketplace than its APIs. Where that cannot be reached they are left out, and it is said.

use libtest_mimic::Trial;

use crate::world::Endpoints;

/// They read the broker, write into it, or start programs that need it. By a part of their names, as all of these.
const OF_THE_BROKER: &[&str] = &[
    "conformance::a_hundred_at_once_have_one_effect::what_takes_no_key",
    "conformance::startup::",
    "conformance::tls::kafka_",
    "conformance::traces::a_",
    "scenarios::events::",
    "scenarios::privacy::a_maximum",
    "scenarios::tolerance::",
];
/// They look into what the services logged.
const OF_THE_LOGS: &[&str] = &["::logs_", "conformance::traces::a_", "scenarios::privacy::a_maximum"];
/// They start programs of this machine with a database of the marketplace.
const OF_THE_DATABASES: &[&str] = &["conformance::startup::"];

/// Those of the trials whose needs are met.
#[must_use]
pub fn met(mut trials: Vec<Trial>, endpoints: &Endpoints) -> Vec<Trial> {
    for (missing, what, names) in [
        (endpoints.kafka.is_empty(), "the broker", OF_THE_BROKER),
        (endpoints.logs_dir.as_os_str().is_empty(), "the services' logs", OF_THE_LOGS),
        (endpoints.postgres.is_empty(), "the databases", OF_THE_DATABASES),
    ] {
        if missing {
            println!("LEFT OUT: {}, because {what} cannot be reached from here.", names.join(", "));
            trials.retain(|trial| !names.iter().any(|name| trial.name().contains(*name)));
        }
    }
    trials
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(endpoints: &str) -> Vec<String> {
        let names =
            ["bad_input::bids::a", "scenarios::events::a", "conformance::startup::listing::a", "a::listing::logs_b"];
        let trials = names.map(|name| Trial::test(name, || Ok(()))).into();
        let endpoints: Endpoints = serde_json::from_str(endpoints).expect("endpoints");
        met(trials, &endpoints).iter().map(|trial| trial.name().to_owned()).collect()
    }

    #[test]
    fn what_needs_the_apis_alone_always_runs_and_the_rest_where_it_can() {
        let apis = r#""listing": "", "bidding": "", "settlement": "", "ca_file": "ca.pem", "admin": {}"#;
        assert_eq!(left(&format!("{{{apis}}}")), ["bad_input::bids::a"]);
        let reached = format!(r#"{{{apis}, "kafka": "127.0.0.1:1", "logs_dir": "logs"}}"#);
        assert_eq!(left(&reached), ["bad_input::bids::a", "scenarios::events::a", "a::listing::logs_b"]);
    }
}
