//! What each service is told by its environment.

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
                    .env("OUTCRY_GATEWAY", "simulated")
                    .env("OUTCRY_SIMULATED_GATEWAY_FILE", self.data_dir.gateway_file())
            }
        })
    }
}
