//! When a process is ready: when it does what others need of it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
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
    /// `/healthz/ready` answers 200, and what others do is heard of: the broker has given it partitions.
    Service {
        /// Trusts the development authority.
        client: reqwest::Client,
        /// Base URL of the API.
        api: String,
        /// Base URL of the operator's port.
        admin: String,
    },
}

impl Ready {
    /// Waits until the process is ready.
    pub async fn wait(&self, within: Duration) -> Result<()> {
        match self {
            Self::Postgres { url } => poll(within, || session(url)).await,
            Self::Kafka(admin) => poll(within, || admin.answers()).await,
            Self::Service { client, api, admin } => {
                poll(within, || async {
                    healthy(client, api).await?;
                    hears(client, admin).await
                })
                .await
            }
        }
    }
}

async fn session(url: &str) -> Result<()> {
    Ok(sqlx::PgConnection::connect(url).await?.close().await?)
}

async fn healthy(client: &reqwest::Client, api: &str) -> Result<()> {
    let response = client.get(format!("{api}/healthz/ready")).send().await.context("no answer")?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    bail!("it says {status}: {}", response.text().await.unwrap_or_default())
}

async fn hears(client: &reqwest::Client, admin: &str) -> Result<()> {
    let page = client.get(format!("{admin}/metrics")).send().await.context("no metrics")?.text().await?;
    ensure!(partitions(&page) > 0, "the broker has given it no partition to take events from");
    Ok(())
}

/// From how many partitions a service takes events, as its metrics tell.
fn partitions(page: &str) -> u64 {
    let value = page.lines().find_map(|line| line.strip_prefix("outcry_consumer_partitions "));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_say_from_how_many_partitions_has_none() {
        let told = |value: &str| partitions(&format!("# HELP outcry_consumer_partitions How many.\n{value}\n"));
        assert_eq!(told("outcry_consumer_partitions 24"), 24);
        assert_eq!(told("outcry_consumer_partitions 0"), 0);
        assert_eq!(told("outcry_consumer_lag_messages 24"), 0);
    }
}
