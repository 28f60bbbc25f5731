//! `endpoints.json`: where the running marketplace is. Written when all is ready, gone when it has stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::layout::{DataDir, Service};
use crate::services::simulated;

/// Addresses of a running marketplace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Endpoints {
    /// Base URL of listing's API.
    pub listing: String,
    /// Base URL of bidding's API.
    pub bidding: String,
    /// Base URL of settlement's API.
    pub settlement: String,
    /// The authority that clients trust, PEM.
    pub ca_file: PathBuf,
    /// Kafka's address, `host:port`; mutual TLS.
    pub kafka: String,
    /// Database URLs by context.
    pub postgres: BTreeMap<String, String>,
    /// Base URLs of the admin ports by context.
    pub admin: BTreeMap<String, String>,
    /// Process ids by context, and of `kafka` and `postgres-<context>`.
    pub pids: BTreeMap<String, i32>,
    /// Where the certificates are: `<name>.pem` and `<name>-key.pem`.
    pub tls_dir: PathBuf,
    /// Where the logs are.
    pub logs_dir: PathBuf,
    /// Who moves the money.
    #[serde(default = "simulated")]
    pub gateway: String,
}

impl Endpoints {
    /// Where the marketplace of `data_dir` is.
    ///
    /// # Errors
    /// When none runs there.
    pub fn read(data_dir: &DataDir) -> Result<Self> {
        let file = data_dir.endpoints_file();
        ensure!(
            file.exists(),
            "no marketplace runs on {}: start one with `outcry up`, or name its directory with --data-dir",
            data_dir.root().display()
        );
        serde_json::from_str(&files::read(&file)?).with_context(|| format!("{} is damaged", file.display()))
    }

    /// Base URL of `service`.
    pub fn api(&self, service: Service) -> &str {
        match service {
            Service::Listing => &self.listing,
            Service::Bidding => &self.bidding,
            Service::Settlement => &self.settlement,
        }
    }

    /// Replaces the file with these addresses and `pids`, keyed by context for the services.
    pub fn publish(&self, data_dir: &DataDir, pids: &BTreeMap<String, i32>) -> Result<()> {
        let named = |name: &String| name.strip_suffix("-service").unwrap_or(name).to_owned();
        let pids = pids.iter().map(|(name, &pid)| (named(name), pid)).collect();
        let content = serde_json::to_vec_pretty(&Self { pids, ..self.clone() })?;
        files::write_private(&data_dir.endpoints_file(), &content)
    }
}
