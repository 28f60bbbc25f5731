//! Facts come in: in order for each key, each with its effect once, whatever the broker repeats.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bidding_ports::{
    fact::{FactHandler, Handled},
    inbox::Receipt,
    retries::Retries,
};
use chrono::{DateTime, Utc};
use event_contracts::envelope::Envelope;
use futures::{FutureExt, future::join_all};
use rdkafka::{
    ClientContext, Message, Statistics,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    attempts::{PATIENCE, Tried, until_done},
    client::{KafkaConfig, KafkaFault, SERVICE},
    dead_letters::DeadLetters,
    facts,
    metrics::{self, CONSUMED, DELAY, LAG, PARTITIONS},
    record::read_envelope,
    trace,
};

/// Most events that are taken at once; those of one partition follow each other.
const BATCH: usize = 256;
/// A consumer that ended sooner than this would do so again: the next one waits. Others are followed at once.
const LIVES_FOR: Duration = Duration::from_secs(10);
/// So long.
const NEXT_ONE_WAITS: Duration = Duration::from_secs(2);
/// Standing still for so long with events waiting is not living.
const STILL_LIMIT: Duration = Duration::from_secs(60);

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Handled,
    Buried,
}

/// Whether the consumer gets on.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    last_step_ms: AtomicU64,
    lag: AtomicI64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { started: Instant::now(), last_step_ms: AtomicU64::new(0), lag: AtomicI64::new(0) }
    }
}

impl Progress {
    /// `false` when events wait and none has been touched for a minute. Does not ask the database:
    /// trying in vain is progress here.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let still =
            self.started.elapsed().saturating_sub(Duration::from_millis(self.last_step_ms.load(Ordering::Relaxed)));
        self.lag.load(Ordering::Relaxed) == 0 || still < STILL_LIMIT
    }

    fn step(&self) {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_step_ms.store(elapsed, Ordering::Relaxed);
    }
}

struct Context(Arc<Progress>);

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        let lag: i64 = partitions.map(|partition| partition.consumer_lag_stored.max(0)).sum();
        self.0.lag.store(lag, Ordering::Relaxed);
        LAG.set(lag);
        // What waits cannot be touched without a broker: waiting for one is no standing still.
        if !statistics.brokers.values().any(|broker| broker.state == "UP") {
            self.0.step();
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Why brokers are away librdkafka says in lines of its own.
        if !passes(&error) {
            tracing::warn!(%error, reason, "the consumer cannot go on as it is");
        }
    }
}

impl ConsumerContext for Context {
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        let held = consumer.assignment().map_or(0, |partitions| partitions.count());
        PARTITIONS.set(i64::try_from(held).unwrap_or(i64::MAX));
    }
}

/// Takes facts in until `stop`.
///
/// # Errors
/// [`KafkaFault`] when no client can be made.
pub async fn run(
    config: KafkaConfig,
    handler: Arc<dyn FactHandler>,
    retries: Arc<dyn Retries>,
    progress: Arc<Progress>,
    stop: CancellationToken,
) -> Result<(), KafkaFault> {
    metrics::show();
    let letters = DeadLetters::new(&config)?;
    while !stop.is_cancelled() {
        let (consumer, began) = (subscribe(&config, Arc::clone(&progress))?, Instant::now());
        let ended = take(&consumer, handler.as_ref(), retries.as_ref(), &letters, &progress, &stop).await;
        drop(consumer);
        PARTITIONS.set(0);
        if let Err(reason) = ended {
            tracing::warn!(%reason, "the consumer begins again where it last got to");
            if began.elapsed() < LIVES_FOR {
                tokio::select! {
                    () = tokio::time::sleep(NEXT_ONE_WAITS) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
    Ok(())
}

fn subscribe(config: &KafkaConfig, progress: Arc<Progress>) -> Result<StreamConsumer<Context>, KafkaFault> {
    let mut client = config.client("consumer");
    if let Some(instance) = &config.instance {
        // Whoever comes back under its name takes its place at once (KIP-345). Without one it is somebody new, and waits
        // until the session of whom it was has run out.
        client.set("group.instance.id", instance);
    }
    let consumer: StreamConsumer<Context> = client
        .set("group.id", SERVICE)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.offset.store", "false")
        .set("auto.commit.interval.ms", "1000")
        .set("session.timeout.ms", "6000")
        .set("max.poll.interval.ms", "300000")
        // Under load the broker answers with many events at once; alone, an event waits so long at most.
        .set("fetch.min.bytes", "65536")
        .set("fetch.wait.max.ms", "25")
        .set("queued.max.messages.kbytes", "4096")
        .set("statistics.interval.ms", "5000")
        .create_with_context(Context(progress))?;
    consumer.subscribe(&facts::TOPICS)?;
    Ok(consumer)
}

async fn take(
    consumer: &StreamConsumer<Context>,
    handler: &dyn FactHandler,
    retries: &dyn Retries,
    letters: &DeadLetters,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<(), String> {
    loop {
        let first = tokio::select! {
            message = consumer.recv() => message,
            () = stop.cancelled() => return Ok(()),
        };
        let first = match first {
            Ok(message) => message,
            Err(error) if passes(&error) => continue,
            Err(error) => return Err(error.to_string()),
        };
        let mut batch = BTreeMap::<(String, i32), Vec<BorrowedMessage>>::new();
        let mut next = Some(first);
        let (mut taken, mut met) = (0, None);
        while let Some(message) = next.take() {
            batch.entry((message.topic().to_owned(), message.partition())).or_default().push(message);
            taken += 1;
            if taken < BATCH {
                let polled = consumer.recv().now_or_never().transpose();
                next = polled.unwrap_or_else(|error| {
                    met = Some(error);
                    None
                });
            }
        }
        let end = PATIENCE.ends();
        let lanes = batch.values().map(|messages| async move {
            let known = known(messages, handler, progress).await;
            for (message, known) in messages.iter().zip(known) {
                if known {
                    CONSUMED.with_label_values(&["duplicate"]).inc();
                } else {
                    handle(message, handler, retries, letters, progress, end).await?;
                }
                // A partition that was taken from us refuses; its new owner begins before this event.
                let _ = consumer.store_offset_from_message(message);
            }
            Ok::<_, String>(())
        });
        join_all(lanes).await.into_iter().collect::<Result<(), String>>()?;
        if let Some(error) = met.filter(|error| !passes(error)) {
            return Err(error.to_string());
        }
    }
}

/// Of each, whether it had its effect before and need not be handled by itself. Whatever is not certain is handled.
async fn known(messages: &[impl Message], handler: &dyn FactHandler, progress: &Progress) -> Vec<bool> {
    let receipts = messages.iter().map(|message| read_envelope(message).ok().as_ref().map(receipt_of));
    let Some(receipts) = receipts.collect::<Option<Vec<_>>>().filter(|receipts| receipts.len() > 1) else {
        return vec![false; messages.len()];
    };
    progress.step();
    handler.known(&receipts).await.unwrap_or_else(|reason| {
        tracing::warn!(%reason, events = receipts.len(), "events are taken without a look whether they came before");
        vec![false; messages.len()]
    })
}

/// What a client gets over by itself, in its place in the group. An error of any other kind it tells once, and may go on
/// without what that was about.
const fn passes(error: &KafkaError) -> bool {
    matches!(
        error,
        KafkaError::MessageConsumption(code) | KafkaError::Global(code) if matches!(
            code,
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::PollExceeded
                | RDKafkaErrorCode::WaitingForCoordinator
                | RDKafkaErrorCode::CoordinatorLoadInProgress
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::NotCoordinator
        )
    )
}

/// Has one event's effect, however often that has to be tried to `end`; `Err` when the event has to come again.
pub(crate) async fn handle(
    message: &BorrowedMessage<'_>,
    handler: &dyn FactHandler,
    retries: &dyn Retries,
    letters: &DeadLetters,
    progress: &Progress,
    end: Instant,
) -> Result<Outcome, String> {
    let payload = message.payload().unwrap_or_default();
    let read = read_envelope(message).map_err(|error| error.to_string());
    let Ok(envelope) = read else { return bury(message, letters, &read.unwrap_err()).await };
    let span = tracing::info_span!(
        "consume",
        event_type = %envelope.event_type,
        key = %envelope.subject,
        trace_id = tracing::field::Empty
    );
    if let Some(parent) = envelope.traceparent.as_deref().and_then(trace::parent) {
        let _ = span.set_parent(parent);
    }
    if let Some(trace_id) = envelope.traceparent.as_deref().and_then(|header| header.split('-').nth(1)) {
        span.record("trace_id", trace_id);
    }
    async {
        let news = match facts::read(&envelope, payload) {
            Ok(news) => news,
            Err(error) => {
                // Without a note of it a replay would take it for one that had its effect.
                retries.buried(envelope.id, &error.to_string()).await.map_err(|error| error.to_string())?;
                return bury(message, letters, &error.to_string()).await;
            }
        };
        let receipt = receipt_of(&envelope);
        let attempt = || {
            progress.step();
            handler.handle(receipt.clone(), news.clone())
        };
        match until_done(envelope.id, retries, &PATIENCE, end, attempt).await? {
            Tried::Done(result) => {
                report(result, &receipt, envelope.time);
                Ok(Outcome::Handled)
            }
            Tried::Hopeless(reason) => bury(message, letters, &reason).await,
        }
    }
    .instrument(span)
    .await
}

async fn bury(message: &BorrowedMessage<'_>, letters: &DeadLetters, reason: &str) -> Result<Outcome, String> {
    CONSUMED.with_label_values(&["buried"]).inc();
    letters.bury(message, reason).await.map_err(|error| error.to_string())?;
    Ok(Outcome::Buried)
}

fn receipt_of(envelope: &Envelope) -> Receipt {
    Receipt {
        event_id: envelope.id,
        source: envelope.source.clone(),
        key: envelope.subject.clone(),
        sequence: envelope.sequence,
    }
}

fn report(handled: Handled, receipt: &Receipt, time: DateTime<Utc>) {
    let result = match handled {
        Handled::Done => "done",
        Handled::Duplicate => "duplicate",
        Handled::AfterGap { expected } => {
            tracing::error!(source = %receipt.source, expected, came = receipt.sequence, "events are missing");
            "after_gap"
        }
    };
    CONSUMED.with_label_values(&[result]).inc();
    if handled == Handled::Done {
        #[allow(clippy::disallowed_methods)] // a delay between two clocks is only ever an estimate
        let delay = Utc::now() - time;
        DELAY.observe(delay.as_seconds_f64().max(0.0));
        tracing::debug!(sequence = receipt.sequence, "an event had its effect");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use async_trait::async_trait;
    use bidding_ports::fact::{Fact, HandleError};
    use rdkafka::{
        message::{OwnedHeaders, OwnedMessage, Timestamp},
        statistics::{Broker, Partition, Topic},
    };
    use uuid::Uuid;

    use super::*;

    /// Tells what came before: all below this sequence. Without one it tells nothing.
    struct Before(Option<u64>);

    #[async_trait]
    impl FactHandler for Before {
        async fn handle(&self, _: Receipt, _: Option<Fact>) -> Result<Handled, HandleError> {
            Ok(Handled::Done)
        }

        async fn known(&self, receipts: &[Receipt]) -> Result<Vec<bool>, HandleError> {
            let next = self.0.ok_or_else(|| HandleError::Retry("no answer".to_owned()))?;
            Ok(receipts.iter().map(|receipt| receipt.sequence < next).collect())
        }
    }

    fn message(headers: OwnedHeaders) -> OwnedMessage {
        OwnedMessage::new(None, None, "events".to_owned(), Timestamp::NotAvailable, 0, 0, Some(headers))
    }

    fn event(sequence: u64) -> OwnedMessage {
        message(crate::record::headers_of(&Envelope {
            id: Uuid::nil(),
            source: "/outcry/listing-service".to_owned(),
            event_type: "outcry.listing.published.v1".to_owned(),
            subject: "a lot".to_owned(),
            time: DateTime::UNIX_EPOCH,
            sequence,
            traceparent: None,
        }))
    }

    #[tokio::test]
    async fn of_many_events_those_that_came_before_are_known_and_none_while_one_is_in_doubt() {
        let (events, progress) = ([3, 4, 5].map(event), Progress::default());
        assert_eq!(known(&events, &Before(Some(5)), &progress).await, [true, true, false]);
        assert_eq!(known(&events, &Before(None), &progress).await, [false; 3], "nobody can tell");
        let nonsense = [event(3), message(OwnedHeaders::new()), event(4)];
        assert_eq!(known(&nonsense, &Before(Some(5)), &progress).await, [false; 3], "one of them is no event");
    }

    #[test]
    fn waiting_for_a_broker_is_no_standing_still() {
        let started = Instant::now().checked_sub(STILL_LIMIT).unwrap();
        let context = Context(Arc::new(Progress { started, ..Progress::default() }));
        let told = |state: &str| {
            let partition = Partition { consumer_lag_stored: 3, ..Partition::default() };
            let topic = Topic { partitions: HashMap::from([(0, partition)]), ..Topic::default() };
            let broker = Broker { state: state.to_owned(), ..Broker::default() };
            context.stats(Statistics {
                brokers: HashMap::from([("broker:9092/1".to_owned(), broker)]),
                topics: HashMap::from([("events".to_owned(), topic)]),
                ..Statistics::default()
            });
            context.0.is_live()
        };
        assert!(!told("UP"), "events wait, and none was touched for a minute");
        assert!(told("CONNECT"));
    }

    #[test]
    fn a_consumer_goes_on_through_what_passes_and_begins_again_after_all_else() {
        let both = |code| [KafkaError::MessageConsumption(code), KafkaError::Global(code)];
        for code in [RDKafkaErrorCode::BrokerTransportFailure, RDKafkaErrorCode::PollExceeded] {
            assert!(both(code).iter().all(passes), "{code:?}");
        }
        // It is out of its group, may not read, or has lost its place.
        for code in [
            RDKafkaErrorCode::Fatal,
            RDKafkaErrorCode::FencedInstanceId,
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::OffsetOutOfRange,
        ] {
            assert!(!both(code).iter().any(passes), "{code:?}");
        }
        assert!(!passes(&KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId)));
    }
}
