//! Wires the adapters to the core, runs them, and ends them in order.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use axum_server::Handle;
use futures::FutureExt;
use secrecy::ExposeSecret;
use settlement_adapter_http::{
    app::{self, Api, App},
    auth::{Guard, Verifier},
    health::{Check, Checks},
    jwks::KeySet,
    limits::{Addresses, Limiter},
};
use settlement_adapter_kafka::{
    client::Probe,
    consumer::{self, Progress},
    relay,
};
use settlement_adapter_postgres::{
    database, ledger,
    outbox::PgOutbox,
    session::Sessions,
    start,
    store::{PgSettlements, Wakers},
};
use settlement_application::{Books, Facts, Notices, Reconciliation, Settlements, Worker};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{certificate::Certificate, config::Config, gateway, reconcile, telemetry, tls, work};

/// A probe is answered within this time: who asks has other things to do.
const PROBED_WITHIN: Duration = Duration::from_secs(2);
/// Requests under way have so long to end after the signal.
const FINISH_REQUESTS_WITHIN: Duration = Duration::from_secs(15);
/// Then the consumer, the worker and the relay have so long.
const FINISH_EVENTS_WITHIN: Duration = Duration::from_secs(10);
const REFRESH_KEYS_EVERY: Duration = Duration::from_secs(300);
const TIDY_EVERY: Duration = Duration::from_secs(600);

/// Serves until SIGTERM or SIGINT; a second one ends at once.
///
/// # Errors
/// What keeps the service from starting, or a part that ended by itself.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&config)?;
    let certificate = Certificate::load(&config.tls_cert_file, &config.tls_key_file).await?;
    let tls_config = certificate.served();
    let keys = Arc::new(KeySet::load(config.jwks.clone()).await?);
    if config.production && keys.has_development_key() {
        anyhow::bail!("OUTCRY_JWKS holds a development key and OUTCRY_ENV is production: give the real keys");
    }
    // Of the connections that are allowed, a third is kept for events: no request keeps relay, consumer or worker
    // waiting.
    let url = config.database_url.expose_secret();
    let for_events = (config.database_max_connections / 3).max(1);
    let pool = database::connect(url, config.database_max_connections - for_events)?.named("requests");
    let event_pool = database::connect(url, for_events)?.named("events");
    let mut signals = Signals::new()?;
    tokio::select! {
        usable = start::usable(&pool, start::WAITS_FOR) => usable?,
        () = signals.next() => {
            tracing::info!("settlement-service ends before its database was there");
            return Ok(());
        }
    }

    let payments = gateway::open(&config.gateway).await?;

    let wakers = Wakers::default();
    let store = Arc::new(PgSettlements::new(pool.clone(), wakers.clone()));
    let api = Api { settlements: Settlements::new(store.clone()), books: Books::new(store.clone(), store.clone()) };
    let notices = Notices::new(store, Arc::clone(&payments.verifier), Arc::clone(&payments.statement));
    let progress = Arc::new(Progress::default());
    let draining = Arc::new(AtomicBool::new(false));
    let guard = Arc::new(Guard {
        verifier: Verifier::new(Arc::clone(&keys), config.jwt_issuer.clone(), config.jwt_audience.clone()),
        principals: Limiter::new("principal", config.principal_rate),
    });
    let addresses = Arc::new(Addresses {
        limiter: Limiter::new("address", config.address_rate),
        trusted_proxies: config.trusted_proxies.clone(),
    });
    let mut checks = checks(&pool, Probe::new(&config.kafka)?, &progress, &draining);
    checks.ready.push(("gateway", payments.ready));
    let checks = Arc::new(checks);

    let public = tls::bind(config.http_addr)?;
    let admin = tls::bind(config.admin_addr)?;
    let (public_handle, admin_handle) = (Handle::<SocketAddr>::new(), Handle::<SocketAddr>::new());
    let stop_events = CancellationToken::new();

    let mut servers = JoinSet::new();
    let app =
        App { api, notices, guard: Arc::clone(&guard), addresses: Arc::clone(&addresses), checks: Arc::clone(&checks) };
    servers.spawn(tls::serve(public, tls_config.clone(), public_handle.clone(), app::router(app)));
    servers.spawn(tls::serve(admin, tls_config, admin_handle.clone(), app::admin_router(checks)));

    let mut events = JoinSet::new();
    let store = Arc::new(PgSettlements::new(event_pool.clone(), wakers.clone()));
    let facts = Arc::new(Facts::new(store.clone(), config.terms(), config.fees.clone()));
    let worker = Worker::new(store.clone(), payments.gateway, config.payouts.clone());
    let reconciliation = Reconciliation::new(store.clone(), Arc::clone(&payments.statement));
    let notices = Notices::new(store.clone(), payments.verifier, payments.statement);
    let outbox = Arc::new(PgOutbox::new(event_pool.clone()));
    events.spawn(relay::run(config.kafka.clone(), outbox, wakers.recorded, stop_events.clone()));
    events.spawn(consumer::run(config.kafka.clone(), facts, store, progress, stop_events.clone()));
    events.spawn(work::run(worker, wakers.planned, config.gateway.at_once, stop_events.clone()).map(Ok));
    let every = Duration::from_secs(config.reconcile_every_s.into());
    events.spawn(reconcile::run(reconciliation, event_pool.clone(), every, stop_events.clone()).map(Ok));
    if let Some(posts) = payments.posts {
        events.spawn(gateway::deliver(posts, notices, stop_events.clone()).map(Ok));
    }
    let mut housekeeping = JoinSet::new();
    housekeeping.spawn(refresh(keys, guard, addresses));
    housekeeping.spawn(certificate.renew());
    housekeeping.spawn(tidy(pool.clone()));
    tracing::info!(http = %config.http_addr, admin = %config.admin_addr, "settlement-service serves");

    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        Some(server) = servers.join_next() => Err(anyhow::anyhow!("a listener ended by itself: {server:?}")),
        Some(part) = events.join_next() => Err(anyhow::anyhow!("the event part ended by itself: {part:?}")),
    };
    tracing::info!("settlement-service ends: no new requests, those under way are finished");
    draining.store(true, Ordering::Relaxed);
    let orderly = async {
        public_handle.graceful_shutdown(Some(FINISH_REQUESTS_WITHIN));
        admin_handle.graceful_shutdown(Some(FINISH_REQUESTS_WITHIN));
        while servers.join_next().await.is_some() {}
        stop_events.cancel();
        let finished = async { while events.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH_EVENTS_WITHIN, finished).await.is_err() {
            tracing::warn!("the events' way was cut off; what was not acknowledged comes again");
            events.abort_all();
        }
        housekeeping.abort_all();
        let both = async { tokio::join!(pool.close(), event_pool.close()) };
        let _ = tokio::time::timeout(Duration::from_secs(1), both).await;
    };
    tokio::select! {
        () = orderly => tracing::info!("settlement-service has ended"),
        () = signals.next() => anyhow::bail!("ended at once by a second signal"),
    }
    ended
}

fn checks(pool: &Sessions, probe: Probe, progress: &Arc<Progress>, draining: &Arc<AtomicBool>) -> Checks {
    let (pool, draining, probe) = (pool.clone(), Arc::clone(draining), Arc::new(probe));
    let progress = Arc::clone(progress);
    let live: Check = Box::new(move || {
        let moves = progress.is_live();
        async move { if moves { Ok(()) } else { Err("events wait and none is taken".into()) } }.boxed()
    });
    let serving: Check = Box::new(move || {
        let drains = draining.load(Ordering::Relaxed);
        async move { if drains { Err("the service is shutting down".into()) } else { Ok(()) } }.boxed()
    });
    let postgres: Check = Box::new(move || {
        let pool = pool.clone();
        async move {
            let checked = tokio::time::timeout(PROBED_WITHIN, database::check(&pool)).await;
            let silent = |_| format!("the database has not answered within {PROBED_WITHIN:?}");
            checked.map_err(silent)?.map_err(|error| error.to_string())
        }
        .boxed()
    });
    let kafka: Check = Box::new(move || {
        let probe = Arc::clone(&probe);
        async move { probe.reachable().await }.boxed()
    });
    Checks {
        live: vec![("consumer", live)],
        ready: vec![("serving", serving), ("postgres", postgres), ("kafka", kafka)],
    }
}

/// Keeps the keys fresh, and the limiters small.
async fn refresh(keys: Arc<KeySet>, guard: Arc<Guard>, addresses: Arc<Addresses>) {
    let mut due = tokio::time::interval(REFRESH_KEYS_EVERY);
    loop {
        due.tick().await;
        if let Err(error) = keys.refresh().await {
            tracing::warn!(%error, "the keys could not be refreshed; the old ones stay");
        }
        guard.principals.iter().for_each(Limiter::forget_idle);
        addresses.limiter.iter().for_each(Limiter::forget_idle);
    }
}

/// Removes what is old and closes the books, which may take minutes: nothing else waits for it.
async fn tidy(pool: Sessions) {
    let mut due = tokio::time::interval(TIDY_EVERY);
    loop {
        due.tick().await;
        match database::tidy(&pool).await {
            Ok(removed) => tracing::debug!(removed, "old rows were removed"),
            Err(error) => tracing::warn!(%error, "old rows could not be removed"),
        }
        match ledger::close(&pool).await {
            Ok(closed) => tracing::debug!(closed, "the books were looked at for closing"),
            Err(error) => tracing::warn!(%error, "the books could not be closed"),
        }
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let set = |kind| signal(kind).context("signals cannot be handled");
        Ok(Self { terminate: set(SignalKind::terminate())?, interrupt: set(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
