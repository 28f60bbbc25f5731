//! When a process is ready: when it does what others need of it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::Connection;

use crate::kafka::admin::Admin;
use crate::supervise::poll;

/// What is asked of a process before anybody is sent to it.
pub enum Ready {
    /// A session can be opened.
    Postgres {
        /// URL of a database that is always there.
        url: String,
    },
    /// A broker answers over mutual TLS.
    Kafka(Admin),
    /// `/healthz/ready` answers 200.
    Service {
        /// Trusts the development authority.
        client: reqwest::Client,
        /// Base URL of the API.
        url: String,
    },
}

impl Ready {
    /// Waits until the process is ready.
    pub async fn wait(&self, within: Duration) -> Result<()> {
        match self {
            Self::Postgres { url } => poll(within, || session(url)).await,
            Self::Kafka(admin) => poll(within, || admin.answers()).await,
            Self::Service { client, url } => poll(within, || healthy(client, url)).await,
        }
    }
}

async fn session(url: &str) -> Result<()> {
    Ok(sqlx::PgConnection::connect(url).await?.close().await?)
}

async fn healthy(client: &reqwest::Client, url: &str) -> Result<()> {
    let response = client.get(format!("{url}/healthz/ready")).send().await.context("no answer")?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    bail!("it says {status}: {}", response.text().await.unwrap_or_default())
}
