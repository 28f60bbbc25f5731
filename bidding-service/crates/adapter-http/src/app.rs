//! The service's HTTP face, put together: open routes, guarded routes, and what every answer gets.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use bidding_application::Auctions;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    auctions::{self, Api, receipt::Signer},
    auth::{Guard, guard},
    deprecation::{self, RETIRING},
    health::{self, Checks},
    input::MAX_BODY_BYTES,
    limits::{Addresses, by_address},
    metrics, openapi,
    problem::ApiError,
    telemetry,
};

/// Most requests that are answered at once; more are told to come again. More than the bids that wait in a lane, so
/// that one hot auction leaves room for everything else.
const MAX_IN_FLIGHT: usize = 6_144;
/// A request that takes longer is answered 503; its write, once begun, still ends.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What the routes need.
pub struct App {
    /// The use cases.
    pub auctions: Auctions,
    /// Signs receipts.
    pub signer: Signer,
    /// Ends the streams, so that the service can.
    pub end_streams: CancellationToken,
    /// Tokens and the limits of principals.
    pub guard: Arc<Guard>,
    /// The limits of addresses.
    pub addresses: Arc<Addresses>,
    /// Probes.
    pub checks: Arc<Checks>,
}

/// All documented routes of the API.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    let mut routes =
        OpenApiRouter::with_openapi(openapi::Base::openapi()).merge(auctions::router()).merge(probes_document());
    deprecation::mark(routes.get_openapi_mut(), RETIRING);
    routes
}

/// The probes' part of the document; their routes have another state.
fn probes_document() -> OpenApiRouter<Api> {
    let probes: OpenApiRouter<Arc<Checks>> =
        OpenApiRouter::new().routes(routes!(health::live)).routes(routes!(health::ready));
    OpenApiRouter::with_openapi(probes.into_openapi())
}

/// The public API. Serve it with `ConnectInfo<SocketAddr>`.
pub fn router(app: App) -> Router {
    let (api, document) = routes().split_for_parts();
    let api = api.with_state(Api::new(app.auctions, app.end_streams, app.signer));
    let guarded = api.layer(middleware::from_fn_with_state(app.guard, guard));
    let json = document.to_pretty_json().unwrap_or_default();
    let open = Router::new()
        .route("/openapi.json", get(|| async move { ([(header::CONTENT_TYPE, "application/json")], json) }))
        .merge(SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json")));
    let limited = guarded
        .merge(open)
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::new(Semaphore::new(MAX_IN_FLIGHT)), bounded))
        .layer(middleware::from_fn_with_state(app.addresses, by_address));
    probes(app.checks)
        .method_not_allowed_fallback(wrong_method)
        .merge(limited)
        .layer(CatchPanicLayer::custom(|_| ApiError::internal().into_response()))
        .layer(middleware::from_fn_with_state(RETIRING, deprecation::announce))
        .layer(middleware::from_fn(security_headers))
        .layer(middleware::from_fn(telemetry::observe))
}

/// The operator's port: metrics and probes.
pub fn admin_router(checks: Arc<Checks>, auctions: Auctions) -> Router {
    let page = get(async move || metrics::page(&auctions));
    let routes = probes(checks).route("/metrics", page);
    // Last: it is for the routes that are there by now.
    routes.method_not_allowed_fallback(wrong_method).fallback(unknown_route)
}

fn probes(checks: Arc<Checks>) -> Router {
    Router::new()
        .route("/healthz/live", get(health::live))
        .route("/healthz/ready", get(health::ready))
        .with_state(checks)
}

async fn unknown_route() -> ApiError {
    ApiError::not_found("there is no such route; /openapi.json lists them all")
}

async fn wrong_method(method: Method) -> ApiError {
    let title = "The method is not allowed here";
    let detail = format!("this route does not take {method}; the header Allow names what it takes");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title, detail)
}

/// Sheds load early and ends waits: a queue without a bound helps nobody.
async fn bounded(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Result<Response, ApiError> {
    let _place = places.try_acquire().map_err(|_| ApiError::unavailable("the service is at its limit", 1))?;
    let answered = tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await;
    answered.map_err(|_| ApiError::unavailable("the answer took too long; repeat the request with the same key", 1))
}

/// Headers that keep browsers out of trouble (OWASP REST Security Cheat Sheet).
async fn security_headers(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, HeaderValue); 6] = [
        (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    let page = request.uri().path().starts_with("/docs");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    let policy = if page {
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    response
}
