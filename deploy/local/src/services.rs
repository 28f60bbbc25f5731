//! What each service is told by its environment.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use crate::ca::{Identity, Purpose};
use crate::dev_key::{self, AUDIENCE, ISSUER};
use crate::files;
use crate::layout::{DataDir, Ports, Service};
use crate::process::Spec;

/// Deadlines of sales in a marketplace for demonstrations, seconds.
const QUICK_DEADLINES_S: [(&str, &str); 4] = [
    ("OUTCRY_PAYMENT_DUE_S", "15"),
    ("OUTCRY_SHIP_DUE_S", "15"),
    ("OUTCRY_INSPECTION_S", "30"),
    // Of a day in which a second chance is open; it is open for three unless the seller says otherwise.
    ("OUTCRY_OFFER_DAY_S", "10"),
];

/// Names who moves the money.
pub const GATEWAY: &str = "OUTCRY_GATEWAY";

/// The gateway that moves none, unless our own environment names another.
pub fn simulated() -> String {
    "simulated".to_owned()
}

/// Who moves the money by `given`, the value of [`GATEWAY`]. Whether there is such a gateway, and whether all that it
/// needs is there, is for settlement to say.
pub fn gateway(given: Option<OsString>) -> String {
    let named = given.map(|name| name.to_string_lossy().trim().to_owned());
    named.filter(|name| !name.is_empty()).unwrap_or_else(simulated)
}

/// What all services share.
pub struct Wiring {
    /// The data directory.
    pub data_dir: DataDir,
    /// All ports.
    pub ports: Ports,
    /// Kafka's address.
    pub kafka: String,
    /// Who signed the broker's certificate.
    pub kafka_ca: PathBuf,
    /// Whether the services limit rates.
    pub rate_limit: bool,
    /// Whether deadlines of sales last seconds.
    pub quick: bool,
    /// Who moves the money.
    pub gateway: String,
}

impl Wiring {
    /// `binary` as `service`, told everything that it needs; the rest of its settings it may find in our own environment.
    pub fn spec(&self, service: Service, binary: PathBuf, database_url: &str) -> Result<Spec> {
        let server = Identity::of(&self.data_dir, &service.name(), Purpose::Server);
        let url_file = self.data_dir.secret(&format!("{}-url", service.database()));
        files::write_private(&url_file, database_url.as_bytes())?;
        let Identity { cert, key } = Identity::of(&self.data_dir, &service.name(), Purpose::Client);
        let mut spec = Spec::new(&self.data_dir, &service.name(), binary)
            .env("OUTCRY_ENV", "development")
            .env("OUTCRY_HTTP_ADDR", format!("127.0.0.1:{}", self.ports.api(service)))
            .env("OUTCRY_ADMIN_ADDR", format!("127.0.0.1:{}", self.ports.admin(service)))
            .env("OUTCRY_TLS_CERT_FILE", server.cert)
            .env("OUTCRY_TLS_KEY_FILE", server.key)
            .env("OUTCRY_DATABASE_URL_FILE", url_file)
            .env("OUTCRY_KAFKA_BROKERS", &self.kafka)
            .env("OUTCRY_KAFKA_CA_FILE", &self.kafka_ca)
            .env("OUTCRY_KAFKA_CERT_FILE", cert)
            .env("OUTCRY_KAFKA_KEY_FILE", key)
            .env("OUTCRY_INSTANCE", format!("{}-1", service.name()))
            .env("OUTCRY_JWT_ISSUER", ISSUER)
            .env("OUTCRY_JWT_AUDIENCE", AUDIENCE)
            .env("OUTCRY_JWKS", self.data_dir.jwks_file());
        // A service refuses a setting that is given both as a value and as a file.
        spec.without = vec!["OUTCRY_DATABASE_URL", "OUTCRY_ALIAS_SECRET", "OUTCRY_RECEIPT_KEY"];
        if !self.rate_limit {
            for limit in ["PRINCIPAL_PER_S", "PRINCIPAL_BURST", "ADDRESS_PER_S", "ADDRESS_BURST"] {
                spec = spec.env(&format!("OUTCRY_RATE_{limit}"), "0");
            }
        }
        Ok(match service {
            Service::Listing => spec,
            Service::Bidding => {
                let secret = self.data_dir.secret("alias");
                files::read_or_create_private(&secret, || files::random_hex(32))?;
                let receipt_key = self.data_dir.secret("receipt-key.pem");
                files::read_or_create_private(&receipt_key, dev_key::new_pem)?;
                spec.env("OUTCRY_ALIAS_SECRET_FILE", secret).env("OUTCRY_RECEIPT_KEY_FILE", receipt_key)
            }
            Service::Settlement => {
                let deadlines = QUICK_DEADLINES_S.iter().filter(|_| self.quick);
                deadlines
                    .fold(spec, |spec, (name, seconds)| spec.env(name, seconds))
                    .env(GATEWAY, &self.gateway)
                    .env("OUTCRY_SIMULATED_GATEWAY_FILE", self.data_dir.gateway_file())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_of_yours_reaches_settlement_and_what_belongs_to_it_is_left_to_you() {
        for (given, told) in [(None, "simulated"), (Some(" "), "simulated"), (Some("stripe"), "stripe")] {
            let dir = tempfile::tempdir().unwrap();
            let data_dir = DataDir::new(dir.path().to_owned());
            files::create_dir(&data_dir.secret("")).unwrap();
            let wiring = Wiring {
                ports: Ports::new(8440),
                kafka: "127.0.0.1:8460".to_owned(),
                kafka_ca: data_dir.ca_file(),
                data_dir,
                rate_limit: true,
                quick: false,
                gateway: gateway(given.map(OsString::from)),
            };

            let spec = wiring.spec(Service::Settlement, "settlement-service".into(), "postgres://nowhere").unwrap();

            let values: Vec<_> = spec.env.iter().filter(|(name, _)| name == GATEWAY).map(|(_, value)| value).collect();
            assert_eq!(values, [told], "with {given:?}");
            let of_stripe = |name: &str| name.contains("STRIPE") || name.contains("WEBHOOK");
            assert!(!spec.env.iter().any(|(name, _)| of_stripe(name)), "{:?}", spec.env);
            assert!(!spec.without.iter().any(|name| of_stripe(name)), "{:?}", spec.without);
        }
    }
}
