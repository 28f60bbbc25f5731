//! What instances tell by their metrics.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testcontainers_suite::world::Service;

use super::{Stage, here, instance::Instance};

/// An instance that does not tell its figures by then does not tell them.
const METRICS_WITHIN: Duration = Duration::from_secs(3);

impl Stage {
    /// How many times a consumer found that events are missing.
    pub async fn missed(&self) -> Result<f64> {
        let mut missed = self.missed;
        for (service, number) in self.instances.keys() {
            missed += self.missed_by(*service, *number).await?;
        }
        Ok(missed)
    }

    async fn missed_by(&self, service: Service, number: usize) -> Result<f64> {
        self.metric(service, number, r#"outcry_events_consumed_total{result="after_gap"}"#).await
    }

    /// Keeps what an instance has found, before it ends. One that lives and does not tell is a finding.
    pub(super) async fn keep_missed(&mut self, service: Service, number: usize) {
        match self.missed_by(service, number).await {
            Ok(missed) => self.missed += missed,
            Err(fault) => {
                // It listens before it consumes: what does not listen yet has found nothing.
                if self.instances.get(&(service, number)).is_some_and(Instance::is_up) {
                    self.silent.push(format!("{service} did not tell its figures before it ended: {fault:#}"));
                }
            }
        }
    }

    /// What was not to be learnt of instances since somebody asked last.
    pub fn take_silent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.silent)
    }

    /// One figure of an instance's metrics: the sum of all lines that begin with `name`. Without a label that is not told
    /// yet it is 0; without any line of that name nobody counts any more, or under another name.
    pub async fn metric(&self, service: Service, number: usize, name: &str) -> Result<f64> {
        let url = format!("https://{}/metrics", here(self.admin_port(service, number)));
        let page = self.world.ask(self.world.http.get(url).timeout(METRICS_WITHIN)).await;
        let page = page.with_context(|| format!("the metrics of {service}, instance {number}"))?;
        ensure!(page.status == 200, "the metrics of {service} are answered {}: {}", page.status, page.text);
        let family = name.split('{').next().unwrap_or(name);
        let is_of_family = |line: &&str| line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let lines: Vec<&str> = page.text.lines().filter(is_of_family).collect();
        ensure!(!lines.is_empty(), "{service} tells no {family}");
        let lines = lines.into_iter().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>().context("a figure")).sum()
    }
}
