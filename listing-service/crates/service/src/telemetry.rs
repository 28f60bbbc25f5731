//! Logs as JSON lines on standard output, traces by OTLP where an endpoint is set.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::dynamic_filter_fn,
    layer::{Filter, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::config::Config;

/// librdkafka says many times a second that a broker is away; one line in this time tells as much.
const LIBRDKAFKA_SPEAKS_EVERY: Duration = Duration::from_secs(5);
/// How long a collector that does not answer holds up the end of the process. The whole end has 30 seconds, and requests,
/// events, sessions and the runtime may need 28 of them.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Flushes traces when it goes.
pub struct Telemetry(SdkTracerProvider);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_WITHIN) {
            tracing::warn!(%error, "traces could not be flushed");
        }
    }
}

/// Starts logs and traces. Without an endpoint spans still have ids, for logs and events.
///
/// # Errors
/// A filter or an endpoint that cannot be used.
pub fn start(config: &Config) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&config.log).context("OUTCRY_LOG is no log filter like info,sqlx=warn")?;
    let mut provider =
        SdkTracerProvider::builder().with_resource(Resource::builder().with_service_name("listing-service").build());
    if let Some(endpoint) = &config.otlp_endpoint {
        let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build();
        provider = provider.with_batch_exporter(exporter.context("OUTCRY_OTLP_ENDPOINT cannot be used")?);
    }
    let provider = provider.build();
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_filter(sparing()))
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("listing-service")))
        // The last of them, so that what it refuses costs the others nothing.
        .with(filter)
        .try_init()
        .context("logs are set up already")?;
    Ok(Telemetry(provider))
}

/// Lets everything through but what librdkafka repeats, level by level.
fn sparing<S>() -> impl Filter<S> {
    let spoke = Mutex::new(BTreeMap::<Level, Instant>::new());
    dynamic_filter_fn(move |metadata, _| {
        if metadata.target() != "librdkafka" || !metadata.is_event() {
            return true;
        }
        let mut spoke = spoke.lock().unwrap_or_else(PoisonError::into_inner);
        let speaks = spoke.get(metadata.level()).is_none_or(|spoke| spoke.elapsed() >= LIBRDKAFKA_SPEAKS_EVERY);
        if speaks {
            spoke.insert(*metadata.level(), Instant::now());
        }
        speaks
    })
}

/// The last word of a process that could not go on, as a log line like all others.
pub fn say_fatal(error: &anyhow::Error, what_ends: &str) {
    let reason = format!("{error:#}");
    if tracing::dispatcher::has_been_set() {
        tracing::error!(reason, "{what_ends}");
    } else {
        eprintln!("{reason}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn of_what_librdkafka_repeats_one_line_of_each_level_is_let_through() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let log = tracing_subscriber::fmt::layer().json().flatten_event(true);
        let log = log.with_writer(move || Lines(Arc::clone(&kept)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log.with_filter(sparing())), || {
            for _ in 0..3 {
                tracing::error!(target: "librdkafka", "the broker is away");
                tracing::warn!(target: "librdkafka", "it is slow");
                tracing::error!("of our own");
            }
        });
        let lines = String::from_utf8(lines.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("text");
        let said = |what: &str| lines.lines().filter(|line| line.contains(what)).count();
        assert_eq!((said("the broker is away"), said("it is slow"), said("of our own")), (1, 1, 3), "{lines}");
    }

    /// What is written, kept.
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
