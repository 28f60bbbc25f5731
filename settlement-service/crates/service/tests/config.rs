//! `check-config` names every fault of the gateway's configuration at once, and never a secret.

use std::path::Path;
use std::process::Command;

/// What it says to these variables beside a sound rest.
fn check(folder: &Path, gateway: &[(&str, &str)]) -> (bool, String) {
    let file = folder.join("any");
    std::fs::write(&file, "any").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_settlement-service"));
    command.arg("check-config").env_clear();
    for name in ["TLS_CERT", "TLS_KEY", "KAFKA_CA", "KAFKA_CERT", "KAFKA_KEY"] {
        command.env(format!("OUTCRY_{name}_FILE"), &file);
    }
    command.env("OUTCRY_JWKS", &file).env("OUTCRY_STRIPE_ACCOUNTS_FILE", &file);
    command.env("OUTCRY_DATABASE_URL", "postgres://any@db.invalid/any?sslmode=verify-full");
    for name in ["KAFKA_BROKERS", "JWT_ISSUER", "JWT_AUDIENCE"] {
        command.env(format!("OUTCRY_{name}"), "any");
    }
    let output = command.envs(gateway.iter().copied()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

const STRIPE: [(&str, &str); 3] = [
    ("OUTCRY_GATEWAY", "stripe"),
    ("OUTCRY_STRIPE_KEY", "sk_live_secret"),
    ("OUTCRY_WEBHOOK_SECRET", "whsec_long_enough_to_hold"),
];

#[test]
fn stripe_with_its_key_its_secret_and_its_accounts_is_sound_in_production() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, said) = check(folder.path(), &STRIPE);
    assert!(sound, "{said}");
}

#[test]
fn all_faults_are_listed_at_once_and_no_secret_is() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, said) = check(
        folder.path(),
        &[
            ("OUTCRY_GATEWAY", "stripe"),
            ("OUTCRY_STRIPE_KEY", "sk_test_secret"),
            ("OUTCRY_STRIPE_URL", "http://api.stripe.com"),
            ("OUTCRY_STRIPE_ACCOUNTS_FILE", "/nowhere"),
            ("OUTCRY_WEBHOOK_SECRET", "short_secret"),
            ("OUTCRY_GATEWAY_CONCURRENCY", "0"),
        ],
    );
    assert!(!sound);
    for name in ["STRIPE_KEY", "STRIPE_URL", "STRIPE_ACCOUNTS_FILE", "WEBHOOK_SECRET", "GATEWAY_CONCURRENCY"] {
        assert!(said.contains(&format!("OUTCRY_{name} ")), "{name} is not named: {said}");
    }
    assert!(!said.contains("sk_test_secret") && !said.contains("short_secret"), "{said}");
    let (_, said) = check(folder.path(), &STRIPE[..1]);
    assert!(said.contains("OUTCRY_STRIPE_KEY ") && said.contains("OUTCRY_WEBHOOK_SECRET "), "{said}");
}

#[test]
fn the_simulated_gateway_is_for_development_only() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = [("OUTCRY_GATEWAY", "simulated"), ("OUTCRY_SIMULATED_GATEWAY_FILE", "journal")];
    let (sound, said) = check(folder.path(), &simulated);
    assert!(!sound && said.contains("OUTCRY_GATEWAY is simulated"), "{said}");
    let development = [&simulated[..], &[("OUTCRY_ENV", "development")]].concat();
    let (sound, said) = check(folder.path(), &development);
    assert!(sound, "{said}");
    let faults = ("OUTCRY_SIMULATED_GATEWAY_FAULTS", "slow=5");
    let (sound, said) = check(folder.path(), &[&development[..], &[faults]].concat());
    assert!(!sound && said.contains("OUTCRY_SIMULATED_GATEWAY_FAULTS "), "{said}");
    let (sound, said) = check(folder.path(), &[("OUTCRY_GATEWAY", "paypal"), ("OUTCRY_ENV", "development")]);
    assert!(!sound && said.contains("must be simulated or stripe"), "{said}");
}
