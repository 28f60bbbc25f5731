//! A running marketplace as a test knows it: addresses, the authority to trust, the key that signs tokens.

use std::{
    collections::BTreeMap,
    fmt,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use reqwest::{Certificate, Url};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    answers::Answers,
    client::Person,
    token::{self, Signer},
};

/// The three services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// What is for sale.
    Listing,
    /// Who pays how much.
    Bidding,
    /// Money and goods.
    Settlement,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Listing, Self::Bidding, Self::Settlement];

    /// Its bounded context, e.g. `listing`.
    #[must_use]
    pub const fn context(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Bidding => "bidding",
            Self::Settlement => "settlement",
        }
    }

    /// e.g. `listing-service`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}-service", self.context())
    }

    /// e.g. `outcry.listing.v1`.
    #[must_use]
    pub fn topic(self) -> String {
        format!("outcry.{}.v1", self.context())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.context())
    }
}

/// What `endpoints.json` says.
#[derive(Debug, Clone, Deserialize)]
pub struct Endpoints {
    /// Base URL of listing's API.
    pub listing: String,
    /// Base URL of bidding's API.
    pub bidding: String,
    /// Base URL of settlement's API.
    pub settlement: String,
    /// PEM of the authority to trust.
    pub ca_file: PathBuf,
    /// Kafka's address.
    #[serde(default)]
    pub kafka: String,
    /// Database URLs by context.
    #[serde(default)]
    pub postgres: BTreeMap<String, String>,
    /// Base URLs of the operator's ports by context.
    pub admin: BTreeMap<String, String>,
    /// Process ids by context, and of `kafka` and `postgres-<context>`.
    #[serde(default)]
    pub pids: BTreeMap<String, i32>,
    /// Certificates of the parties.
    #[serde(default)]
    pub tls_dir: PathBuf,
    /// Logs of the parties.
    #[serde(default)]
    pub logs_dir: PathBuf,
    /// The key that signs tokens, as [`Signer::of_files`] reads it; otherwise the one that `outcry up` made beside `ca_file`.
    #[serde(default)]
    pub token_key_file: Option<PathBuf>,
    /// The key set that publishes its other half; otherwise the one beside `ca_file`.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
}

impl Endpoints {
    /// Reads the file.
    pub fn read(file: &Path) -> Result<Self> {
        let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&content).with_context(|| format!("{} is no endpoints file", file.display()))
    }

    /// Base URL of a service's API.
    #[must_use]
    pub fn api(&self, service: Service) -> &str {
        match service {
            Service::Listing => &self.listing,
            Service::Bidding => &self.bidding,
            Service::Settlement => &self.settlement,
        }
    }
}

/// A running marketplace.
pub struct World {
    /// Where it is.
    pub endpoints: Endpoints,
    /// Signs tokens that the services take.
    pub signer: Signer,
    /// Trusts the marketplace's authority and nobody else.
    pub http: reqwest::Client,
    /// Its data directory; of a marketplace in containers, what tests need of one.
    pub data_dir: Option<PathBuf>,
    /// Everything that its services answered.
    pub answers: Answers,
}

impl World {
    /// The marketplace of an `endpoints.json` in its data directory.
    pub fn of_file(file: &Path) -> Result<Self> {
        let endpoints = Endpoints::read(file)?;
        let data_dir = endpoints.ca_file.parent().context("ca_file is in no directory")?.to_owned();
        let key = endpoints.token_key_file.clone().unwrap_or_else(|| data_dir.join(token::KEY));
        let jwks = endpoints.jwks_file.clone().unwrap_or_else(|| data_dir.join(token::JWKS));
        let signer = Signer::of_files(&key, &jwks)?;
        Self::new(endpoints, signer, Some(data_dir))
    }

    /// A marketplace from its parts.
    pub fn new(endpoints: Endpoints, signer: Signer, data_dir: Option<PathBuf>) -> Result<Self> {
        let ca = std::fs::read(&endpoints.ca_file).context("the authority's certificate is missing")?;
        let http = reqwest::Client::builder()
            .tls_certs_only([Certificate::from_pem(&ca)?])
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(60))
            .build()?;
        Ok(Self { endpoints, signer, http, data_dir, answers: Answers::default() })
    }

    /// The service whose API an address belongs to.
    #[must_use]
    pub fn service_at(&self, url: &Url) -> Option<Service> {
        let is_of = |service: &Service| {
            Url::parse(self.endpoints.api(*service)).is_ok_and(|base| base.origin() == url.origin())
        };
        Service::ALL.into_iter().find(is_of)
    }

    /// Somebody new whose name begins with `name`, with these roles and an address of their own.
    #[must_use]
    pub fn person(&self, name: &str, roles: &[&str]) -> Person<'_> {
        let sub = format!("{name}-{}", &Uuid::now_v7().simple().to_string()[20..]);
        let token = self.signer.token(&sub, roles);
        Person::new(self, sub, token)
    }

    /// The process id of `name` as of now.
    pub fn pid(&self, name: &str) -> Result<i32> {
        let file = self.data_dir.as_ref().context("this marketplace has no processes here")?.join("endpoints.json");
        Endpoints::read(&file)?.pids.get(name).copied().with_context(|| format!("{name} has no process"))
    }

    /// The lines of a service's log that are complete by now.
    pub fn log(&self, service: Service) -> Result<Vec<String>> {
        let path = self.endpoints.logs_dir.join(format!("{}.log", service.name()));
        let content = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = String::from_utf8(content).context("a log is UTF-8")?;
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        Ok(text[..complete].lines().map(ToOwned::to_owned).collect())
    }
}

/// An address that nobody else has: limits of addresses count each test's requests apart.
pub(crate) fn fresh_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id() << 12);
    let [_, b, c, d] = number.to_be_bytes();
    Ipv4Addr::new(10, b, c, d)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{Ed25519KeyPair, KeyPair},
    };
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde_json::json;

    use super::World;

    #[test]
    fn the_key_of_the_tokens_and_its_set_are_where_the_endpoints_file_says() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, content: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            path
        };
        let key = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&key));
        let endpoints = json!({
            "listing": "", "bidding": "", "settlement": "", "admin": {},
            // Nobody is asked, so nobody has to be trusted.
            "ca_file": put("data/ca.pem", ""),
            "token_key_file": put("keys/signing-key.pem", &pem),
            "jwks_file": put("keys/published.json", r#"{"keys": [{"kid": "its-name"}]}"#),
        });

        let world = World::of_file(&put("endpoints.json", &endpoints.to_string())).unwrap();

        let pair = Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap();
        assert_eq!((world.signer.kid(), world.signer.public_key()), ("its-name", pair.public_key().as_ref()));
        assert_eq!(world.data_dir, Some(directory.path().join("data")));
    }
}
