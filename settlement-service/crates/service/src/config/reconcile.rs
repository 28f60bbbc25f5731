//! What the command `reconcile` needs of the configuration, and no more: it serves nothing.

use secrecy::SecretString;

use super::{Env, GatewayConfig, gateway};

/// Both sides of a reconciliation.
#[derive(Debug)]
pub struct ReconcileConfig {
    pub database_url: SecretString,
    pub gateway: GatewayConfig,
}

impl ReconcileConfig {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every fault, a line each.
    pub fn from_env() -> anyhow::Result<Self> {
        let mut env = Env::default();
        let production = env.production();
        let database_url = env.database_url("OUTCRY_DATABASE_URL", production);
        let gateway = gateway::read(&mut env, production);
        env.finish().map(|()| Self { database_url, gateway })
    }
}
