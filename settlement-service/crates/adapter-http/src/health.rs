//! Probes: live is "the process turns", ready is "it can work"; both say which part is not.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use futures::future::BoxFuture;
use serde::Serialize;
use utoipa::ToSchema;

/// One part's answer: `Ok`, or why not.
pub type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What the probes ask.
#[derive(Default)]
pub struct Checks {
    /// Parts of liveness. MUST NOT ask the database: a restart would not mend that.
    pub live: Vec<(&'static str, Check)>,
    /// Parts of readiness.
    pub ready: Vec<(&'static str, Check)>,
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `failing`.
    #[schema(example = "ok")]
    status: &'static str,
    /// Part by part.
    parts: Vec<Part>,
}

/// How one part is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthPart)]
struct Part {
    /// Its name.
    #[schema(example = "postgres")]
    name: &'static str,
    /// `ok` or what is wrong.
    #[schema(example = "ok")]
    status: String,
}

/// Whether the process turns.
#[utoipa::path(get, path = "/healthz/live", operation_id = "getLiveness", tag = "operations", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn live(State(checks): State<Arc<Checks>>) -> (StatusCode, Json<Health>) {
    ask(&checks.live).await
}

/// Whether it can work.
#[utoipa::path(get, path = "/healthz/ready", operation_id = "getReadiness", tag = "operations", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn ready(State(checks): State<Arc<Checks>>) -> (StatusCode, Json<Health>) {
    ask(&checks.ready).await
}

async fn ask(checks: &[(&'static str, Check)]) -> (StatusCode, Json<Health>) {
    let mut parts = Vec::with_capacity(checks.len());
    let mut well = true;
    for (name, check) in checks {
        let result = check().await;
        well &= result.is_ok();
        parts.push(Part { name, status: result.err().unwrap_or_else(|| "ok".into()) });
    }
    let (code, status) = if well { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "failing") };
    (code, Json(Health { status, parts }))
}
