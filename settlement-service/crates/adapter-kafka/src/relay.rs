//! The relay: takes what is present in the outbox, publishes it in order, removes what the broker
//! has acknowledged. One instance at a time does so, by a lease.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures::future::try_join_all;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use settlement_ports::{Outbox, OutboxRecord, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    client::{KafkaConfig, KafkaFault, introduce},
    metrics::{OUTBOX_AGE, PUBLISHED, RELAY_FAILURES},
    record::{envelope_of, headers_of},
};

/// Most events of one round.
const BATCH: u32 = 500;
/// Without a wake-up the outbox is looked at so often: for commits of other instances.
const POLL: Duration = Duration::from_millis(100);
/// A relay that is gone is replaced after this long.
const LEASE: Duration = Duration::from_secs(5);
/// How long a relay rests after a failure.
const REST: Duration = Duration::from_millis(500);
/// How often the outbox's age is measured.
const MEASURE: Duration = Duration::from_secs(5);
/// Once the relay is to stop, the round under way and a last one have so long.
const LAST_ROUNDS: Duration = Duration::from_secs(5);
/// Then a producer has so long to go.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// And this long it may take to give the lease back. All three are less than the service waits for the relay.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(1);

/// Why a round failed; what it had not published is there in the next.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the broker did not take an event: {0}")]
    Broker(#[from] rdkafka::error::KafkaError),
    #[error("an event cannot be written: {0}")]
    Data(#[from] serde_json::Error),
    #[error("another relay took the lease meanwhile")]
    Overtaken,
    #[error("the producer was closed")]
    Closed,
}

/// Publishes until `stop`; `recorded` wakes it after a commit of this process.
///
/// # Errors
/// [`KafkaFault`] when no producer can be made at all.
pub async fn run(
    config: KafkaConfig,
    outbox: Arc<dyn Outbox>,
    recorded: Arc<Notify>,
    stop: CancellationToken,
) -> Result<(), KafkaFault> {
    let producer = config.relay_producer().create()?;
    introduce(&producer).await;
    let measured = Arc::clone(&outbox);
    let mut relay = Relay { config, outbox, producer, holder: Uuid::now_v7().to_string() };
    let ended = tokio::select! {
        ended = relay.publish(&recorded, &stop) => ended,
        never = measure(measured.as_ref()) => match never {},
        () = patience(&stop) => {
            tracing::warn!("broker or database say nothing: what was not acknowledged comes again");
            Ok(())
        }
    };
    relay.give_back().await;
    ended
}

/// Tells how old the oldest event is, whatever the relay waits for meanwhile.
async fn measure(outbox: &dyn Outbox) -> Infallible {
    loop {
        OUTBOX_AGE.set(outbox.age_s().await.unwrap_or(f64::NAN));
        tokio::time::sleep(MEASURE).await;
    }
}

/// Ends some time after `stop`: a broker or a database that says nothing is not waited for any longer.
async fn patience(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_ROUNDS).await;
}

struct Relay {
    config: KafkaConfig,
    outbox: Arc<dyn Outbox>,
    producer: FutureProducer,
    holder: String,
}

impl Relay {
    /// Round after round until `stop`, and then a last one.
    async fn publish(&mut self, recorded: &Notify, stop: &CancellationToken) -> Result<(), KafkaFault> {
        while !stop.is_cancelled() {
            let published = match self.round().await {
                Ok(published) => published,
                Err(error) => {
                    tracing::warn!(%error, "the relay pauses");
                    RELAY_FAILURES.inc();
                    // A producer that lost a record would let later ones overtake it: begin with a new one.
                    let lost = std::mem::replace(&mut self.producer, self.config.relay_producer().create()?);
                    discard(lost).await;
                    pause(REST, stop).await;
                    continue;
                }
            };
            if published < BATCH as usize {
                tokio::select! {
                    () = recorded.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        // What this process committed last goes out before it ends; should it fail, another relay does it.
        let _ = self.round().await;
        Ok(())
    }

    async fn round(&self) -> Result<usize, RoundError> {
        let batch = self.outbox.batch(BATCH).await?;
        if batch.is_empty() {
            return Ok(0);
        }
        let Some(epoch) = self.outbox.acquire_lease(&self.holder, LEASE).await? else { return Ok(0) };
        // Read again under the lease: the holder before may have published some of it.
        let batch = self.outbox.batch(BATCH).await?;
        let mut acknowledgements = Vec::with_capacity(batch.len());
        for record in &batch {
            acknowledgements.push(enqueue(&self.producer, record)?);
        }
        try_join_all(acknowledgements.into_iter().map(|acknowledged| async {
            match acknowledged.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err((error, _))) => Err(RoundError::Broker(error)),
                Err(_) => Err(RoundError::Closed),
            }
        }))
        .await?;
        let ids: Vec<i64> = batch.iter().map(|record| record.id).collect();
        if !self.outbox.delete(epoch, &ids).await? {
            return Err(RoundError::Overtaken);
        }
        PUBLISHED.inc_by(batch.len() as u64);
        Ok(batch.len())
    }

    /// Whoever takes over need not wait for the lease to run out. It publishes again what was not acknowledged here, so
    /// what the producer still holds has to go first: it could land after what the successor publishes later. Only what
    /// is on the wire cannot be called back.
    async fn give_back(self) {
        if !discard(self.producer).await {
            tracing::warn!("the producer does not end; the relay's lease runs out by itself");
            return;
        }
        let back = self.outbox.release_lease(&self.holder);
        if !matches!(tokio::time::timeout(GIVE_BACK_WITHIN, back).await, Ok(Ok(()))) {
            tracing::warn!("the relay's lease could not be given back; it runs out by itself");
        }
    }
}

fn enqueue(producer: &FutureProducer, record: &OutboxRecord) -> Result<DeliveryFuture, RoundError> {
    let data = serde_json::to_vec(&record.data)?;
    let headers = headers_of(&envelope_of(record));
    let message = FutureRecord::to(&record.topic).key(&record.key).payload(&data).headers(headers);
    producer.send_result(message).map_err(|(error, _)| RoundError::Broker(error))
}

/// Drops a producer with all that it still holds, and waits for its threads to end. Whether they did.
async fn discard(producer: FutureProducer) -> bool {
    let dropped = tokio::task::spawn_blocking(move || drop(producer));
    matches!(tokio::time::timeout(GONE_WITHIN, dropped).await, Ok(Ok(())))
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
