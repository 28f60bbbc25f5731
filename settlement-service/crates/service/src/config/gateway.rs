//! The payment gateway's part of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use settlement_adapter_payments::{Faults, StripeConfig, StripeGateway};
use settlement_domain::{Currency, money::Unit};

use super::Env;

/// Where Stripe is.
const STRIPE: &str = "https://api.stripe.com";
/// Shorter webhook secrets can be guessed, bytes.
const MIN_SECRET: usize = 16;

/// Who moves the money, and how it is spoken with.
#[derive(Debug)]
pub struct GatewayConfig {
    pub provider: Provider,
    /// Most calls under way at once.
    pub at_once: usize,
    /// What signs webhooks; two while one is being replaced by another.
    pub webhook_secrets: Vec<SecretString>,
}

/// Who moves the money.
#[derive(Debug)]
pub enum Provider {
    /// Nobody: for development and tests.
    Simulated {
        /// Its journal.
        file: PathBuf,
        /// Whether an answer is on disk before it is given.
        durable: bool,
        /// What goes wrong.
        faults: Faults,
    },
    /// Stripe.
    Stripe(StripeConfig),
}

impl GatewayConfig {
    /// Of what amounts have to be multiples, where the gateway does not take each minor unit.
    pub fn units(&self) -> BTreeMap<Currency, Unit> {
        match self.provider {
            Provider::Simulated { .. } => BTreeMap::new(),
            Provider::Stripe(_) => StripeGateway::units(),
        }
    }
}

pub(super) fn read(env: &mut Env, production: bool) -> GatewayConfig {
    let name = "OUTCRY_GATEWAY";
    let named = env.required(name);
    let provider = if named == "stripe" {
        Provider::Stripe(stripe(env, production))
    } else {
        if !named.is_empty() && named != "simulated" {
            env.fault(name, format!("is {named:?}, and must be simulated or stripe"));
        } else if production && !named.is_empty() {
            env.fault(name, "is simulated, which moves no money: it is for OUTCRY_ENV=development only");
        }
        simulated(env, &named)
    };
    let webhook_secrets = secrets(env, named == "stripe");
    GatewayConfig { provider, at_once: env.within("OUTCRY_GATEWAY_CONCURRENCY", 64, 1, 1_000), webhook_secrets }
}

fn simulated(env: &mut Env, named: &str) -> Provider {
    // Without a gateway's name its file is not the fault to be told.
    let file = if named == "simulated" { env.required("OUTCRY_SIMULATED_GATEWAY_FILE") } else { String::new() };
    let durable = env.one_of("OUTCRY_SIMULATED_GATEWAY_DURABLE", "true", &["true", "false"]) == "true";
    let faults = env.parsed("OUTCRY_SIMULATED_GATEWAY_FAULTS", Faults::default());
    Provider::Simulated { file: PathBuf::from(file), durable, faults }
}

fn stripe(env: &mut Env, production: bool) -> StripeConfig {
    let key = env.secret("OUTCRY_STRIPE_KEY");
    let test_key = ["sk_test_", "rk_test_"].iter().any(|start| key.expose_secret().starts_with(start));
    if production && test_key {
        env.fault("OUTCRY_STRIPE_KEY", "is a test key, which moves no money: it is for OUTCRY_ENV=development only");
    }
    let place = env.optional("OUTCRY_STRIPE_URL").unwrap_or_else(|| STRIPE.to_owned());
    let fits = place.parse::<reqwest::Url>().is_ok_and(|url| {
        let secured = url.scheme() == "https" || url.scheme() == "http" && !production;
        secured && url.has_host() && url.path() == "/" && url.query().is_none()
    });
    if !fits {
        let must = "and must be an https URL without a path (in development http, too)";
        env.fault("OUTCRY_STRIPE_URL", format!("is {place:?}, {must}"));
    }
    StripeConfig { url: place, key, accounts_file: env.file("OUTCRY_STRIPE_ACCOUNTS_FILE") }
}

/// The simulated gateway needs none: what it sends, it sends within the process.
fn secrets(env: &mut Env, needed: bool) -> Vec<SecretString> {
    let names = ["OUTCRY_WEBHOOK_SECRET", "OUTCRY_WEBHOOK_SECRET_PREVIOUS"];
    let mut secrets = Vec::new();
    for name in names {
        let Some(secret) = env.optional_secret(name) else { continue };
        if secret.expose_secret().len() < MIN_SECRET {
            env.fault(name, format!("has fewer than {MIN_SECRET} bytes"));
        }
        secrets.push(secret);
    }
    if needed && secrets.is_empty() {
        env.fault(
            names[0],
            format!("is not set, nor is {}_FILE: without it nobody knows the gateway's webhooks", names[0]),
        );
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripe_moves_dinars_in_tens_of_fils_and_the_simulated_gateway_moves_each() {
        let stripe = StripeConfig { url: STRIPE.to_owned(), key: "sk_test_1".into(), accounts_file: PathBuf::new() };
        let simulated = Provider::Simulated { file: PathBuf::new(), durable: true, faults: Faults::default() };
        let dinar: Currency = "KWD".parse().unwrap();
        let units = [Provider::Stripe(stripe), simulated].map(|provider| {
            let gateway = GatewayConfig { provider, at_once: 1, webhook_secrets: Vec::new() };
            gateway.units().get(&dinar).copied()
        });
        assert_eq!(units, [Unit::new(10), None]);
    }
}
