//! What a service is told by its environment here: the settings of `outcry up`, through the proxies, with deadlines that
//! outlast a fault, without limits of rates, and with a payment gateway that loses calls and answers.

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::{
    rand::{SecureRandom, SystemRandom},
    signature::Ed25519KeyPair,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Url;
use testcontainers_suite::{
    target::built,
    token::{AUDIENCE, ISSUER},
    world::Service,
};
use tokio::process::Command;

use super::{Extra, Stage};

/// What is given by a file here; a service refuses a setting that it has twice.
const GIVEN_BY_FILE: [&str; 3] = ["OUTCRY_DATABASE_URL", "OUTCRY_ALIAS_SECRET", "OUTCRY_RECEIPT_KEY"];

const SETTINGS: [(&str, &str); 11] = [
    ("OUTCRY_ENV", "development"),
    ("OUTCRY_JWT_ISSUER", ISSUER),
    ("OUTCRY_JWT_AUDIENCE", AUDIENCE),
    ("OUTCRY_RATE_PRINCIPAL_PER_S", "0"),
    ("OUTCRY_RATE_PRINCIPAL_BURST", "0"),
    ("OUTCRY_RATE_ADDRESS_PER_S", "0"),
    ("OUTCRY_RATE_ADDRESS_BURST", "0"),
    ("OUTCRY_AUCTION_MIN_S", "1"),
    ("OUTCRY_PAYMENT_DUE_S", "600"),
    ("OUTCRY_SHIP_DUE_S", "600"),
    ("OUTCRY_INSPECTION_S", "600"),
];

/// Places for sessions with the database in each instance.
pub(super) const PLACES: usize = 20;

/// What the payment gateway does wrong: of a hundred calls eight are lost on their way, and of eight the answer is lost. Each
/// of them is asked for, or sent again by the same key, a second later. Too few for the circuit breaker to open, which takes
/// half of them.
const GATEWAY_FAULTS: &str = "seed=7,slow_ms=5,timeout_before=80,timeout_after=80";

/// Secrets that the services share with nobody, made once.
pub fn make_secrets(data_dir: &Path) -> Result<()> {
    let mut alias = [0; 32];
    SystemRandom::new().fill(&mut alias).map_err(|_| anyhow!("no random numbers"))?;
    write(data_dir, "alias", &STANDARD.encode(alias))?;
    let key = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_| anyhow!("no key can be made"))?;
    let key = STANDARD.encode(key.as_ref());
    write(data_dir, "receipt-key.pem", &format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"))
}

fn write(data_dir: &Path, name: &str, content: &str) -> Result<()> {
    let path = data_dir.join("secrets").join(name);
    fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?)
}

impl Stage {
    /// An instance's program with everything that it is told, to which its command is to be added.
    pub(super) fn command(&self, service: Service, number: usize, extra: &Extra) -> Result<Command> {
        let (data_dir, endpoints, links) = (self.local.data_dir(), &self.world.endpoints, self.links(service));
        let mut url = Url::parse(&endpoints.postgres[service.context()])?;
        let port = Some(links.database.address().port());
        url.set_port(port).map_err(|()| anyhow!("the database's URL takes no port"))?;
        let url_file = format!("{}-url-through-proxy", service.context());
        write(&data_dir, &url_file, url.as_str())?;

        let secret = |name: &str| data_dir.join("secrets").join(name).into_os_string();
        let tls = |name: &str| endpoints.tls_dir.join(format!("{}{name}.pem", service.name())).into_os_string();
        let address = |port: u16| OsString::from(format!("127.0.0.1:{port}"));
        let log = endpoints.logs_dir.join(format!("{}-{number}.log", service.name()));
        let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(built(&service.name())?);
        for name in GIVEN_BY_FILE {
            command.env_remove(name);
        }
        command
            .envs(SETTINGS)
            .env("OUTCRY_HTTP_ADDR", address(self.api_port(service, number)))
            .env("OUTCRY_ADMIN_ADDR", address(self.admin_port(service, number)))
            .env("OUTCRY_TLS_CERT_FILE", tls("-server"))
            .env("OUTCRY_TLS_KEY_FILE", tls("-server-key"))
            .env("OUTCRY_DATABASE_URL_FILE", secret(&url_file))
            .env("OUTCRY_DATABASE_MAX_CONNECTIONS", PLACES.to_string())
            .env("OUTCRY_KAFKA_BROKERS", links.broker.address().to_string())
            .env("OUTCRY_KAFKA_CA_FILE", &endpoints.ca_file)
            .env("OUTCRY_KAFKA_CERT_FILE", tls(""))
            .env("OUTCRY_KAFKA_KEY_FILE", tls("-key"))
            .env("OUTCRY_INSTANCE", format!("{}-{number}", service.name()))
            .env("OUTCRY_JWKS", data_dir.join("jwks.json"))
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        match service {
            Service::Listing => {}
            Service::Bidding => {
                command.env("OUTCRY_ALIAS_SECRET_FILE", secret("alias"));
                command.env("OUTCRY_RECEIPT_KEY_FILE", secret("receipt-key.pem"));
            }
            Service::Settlement => {
                command.env("OUTCRY_GATEWAY", "simulated");
                command.env("OUTCRY_SIMULATED_GATEWAY_FILE", data_dir.join("gateway.journal"));
                command.env("OUTCRY_SIMULATED_GATEWAY_FAULTS", GATEWAY_FAULTS);
            }
        }
        command.envs(extra.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}
