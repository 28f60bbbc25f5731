//! All that is around the service: a database of its own, the broker, a gateway with a memory, people; and the watch
//! between them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use secrecy::SecretString;
use serde_json::{Value, json};
use settlement_adapter_payments::Secret;
use tempfile::TempDir;

use crate::broker::{Access, Broker};
use crate::database::Database;
use crate::gateway::Gateway;
use crate::party::Party;
use crate::people::{AUDIENCE, ISSUER, People};
use crate::postgres;
use crate::process::Service;
use crate::watch::Watch;

/// What the small Stripe is spoken to with.
const KEY: &str = "sk_test_123";
const WEBHOOK_SECRET: &str = "whsec_of_the_crash_points";

/// The world.
pub struct World {
    pub database: Database,
    pub broker: Broker,
    pub gateway: Gateway,
    pub people: People,
    pub service: Arc<Service>,
    pub watch: Arc<Watch>,
    pub webhook_secret: Secret,
    folder: TempDir,
}

impl World {
    /// Makes it, with a migrated database and a service that is not started yet.
    pub async fn create() -> Result<Self> {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (access, folder) = (Access::from_env()?, tempfile::tempdir()?);
        let database = Database::create().await?;
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("crash_points.log");
        std::fs::write(&log, "")?;
        let service = Arc::new(Service::new(log));
        let watch = Arc::new(Watch::new(Arc::clone(&service)));
        let gateway = Gateway::start(Arc::clone(&watch)).await?;
        let people =
            People::new(Arc::clone(&service), &access.folder.join("ca.pem"), &folder.path().join("jwks.json"))?;
        let server = postgres::Server::of(database.server())?;
        let database_url = database.url_by(postgres::stand_before(server, Arc::clone(&watch)).await?)?;

        let file = |name: &str| access.folder.join(name).to_string_lossy().into_owned();
        let own = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(own("accounts.json"), "{}")?;
        service.configure(BTreeMap::from([
            ("OUTCRY_ENV", "development".to_owned()),
            ("OUTCRY_TLS_CERT_FILE", file("settlement-service-server.pem")),
            ("OUTCRY_TLS_KEY_FILE", file("settlement-service-server-key.pem")),
            ("OUTCRY_DATABASE_URL", database_url),
            ("OUTCRY_DATABASE_MAX_CONNECTIONS", "12".to_owned()),
            ("OUTCRY_KAFKA_BROKERS", access.brokers.clone()),
            ("OUTCRY_KAFKA_CA_FILE", file("ca.pem")),
            ("OUTCRY_KAFKA_CERT_FILE", file("settlement-service.pem")),
            ("OUTCRY_KAFKA_KEY_FILE", file("settlement-service-key.pem")),
            ("OUTCRY_JWT_ISSUER", ISSUER.to_owned()),
            ("OUTCRY_JWT_AUDIENCE", AUDIENCE.to_owned()),
            ("OUTCRY_JWKS", own("jwks.json")),
            ("OUTCRY_RATE_PRINCIPAL_PER_S", "0".to_owned()),
            ("OUTCRY_RATE_ADDRESS_PER_S", "0".to_owned()),
            ("OUTCRY_GATEWAY", "stripe".to_owned()),
            ("OUTCRY_STRIPE_KEY", KEY.to_owned()),
            ("OUTCRY_STRIPE_URL", format!("http://{}", gateway.address)),
            ("OUTCRY_STRIPE_ACCOUNTS_FILE", own("accounts.json")),
            ("OUTCRY_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ]));
        service.migrate().await?;
        let webhook_secret = Secret::from(SecretString::from(WEBHOOK_SECRET));
        let broker = Broker::connect(&access)?;
        Ok(Self { database, broker, gateway, people, service, watch, webhook_secret, folder })
    }

    /// The gateway has an account for each of the sellers.
    pub fn sellers_have_accounts<'a>(&self, parties: impl IntoIterator<Item = &'a Party>) -> Result<()> {
        let accounts = parties.into_iter().map(|party| (party.seller.clone(), json!(party.account)));
        let accounts = Value::Object(accounts.collect());
        // Read by the service at any time: whole, before or after.
        let (new, file) = (self.folder.path().join("accounts.new"), self.folder.path().join("accounts.json"));
        std::fs::write(&new, accounts.to_string())?;
        Ok(std::fs::rename(new, file)?)
    }
}
