//! What an operator does besides: leads a service to another database, and holds the ledger against the gateway's list.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testcontainers_suite::world::Service;

use super::{Extra, Stage, cluster::Cluster, here};

impl Stage {
    /// A service's database is this one from now on: new connections lead there.
    pub fn database_is_at(&self, service: Service, cluster: &Cluster) -> Result<()> {
        self.witness().moved(service, &cluster.url()?)?;
        self.links(service).database.leads_to(&[here(cluster.port())]);
        Ok(())
    }

    /// A service is going to forget events that it has published: in the end nobody asks how its events are numbered.
    pub fn forgets_events(&mut self, service: Service) {
        self.forgetful.push(service);
    }

    /// What settlement's own command says of the ledger and the gateway's list.
    pub async fn reconciled(&self) -> Result<Value> {
        let mut command = self.command(Service::Settlement, 0, &Extra::new())?;
        let ended = command.args(["reconcile", "--json"]).output().await?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!([Some(0), Some(3)].contains(&ended.status.code()), "`reconcile` ended with {}: {said}", ended.status);
        serde_json::from_slice(&ended.stdout).context("what `reconcile` says is no JSON")
    }
}
