//! The way out and in, on a real Kafka with mutual TLS. Needs `OUTCRY_TEST_KAFKA_BROKERS` and
//! `OUTCRY_TEST_KAFKA_TLS_DIR` (`ca.pem`, `<service>.pem`, `<service>-key.pem`); `make test` sets them.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use async_trait::async_trait;
use bidding_adapter_kafka::{
    client::KafkaConfig,
    consumer::{self, Progress},
    dead_letters, relay,
};
use bidding_ports::{
    error::StoreError,
    fact::{Fact, FactHandler, HandleError, Handled},
    inbox::Receipt,
    outbox::{Epoch, Outbox, OutboxRecord},
    retries::Retries,
};
use chrono::{DateTime, Utc};
use event_contracts::envelope::Envelope;
use rdkafka::{
    ClientConfig, Message,
    consumer::{Consumer, StreamConsumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The broker has so long for anything.
const DEADLINE: Duration = Duration::from_secs(30);
/// So long the service waits for the relay when it ends.
const SERVICE_WAITS: Duration = Duration::from_secs(10);

fn config(service: &str) -> Result<KafkaConfig> {
    let hint = "set OUTCRY_TEST_KAFKA_BROKERS and OUTCRY_TEST_KAFKA_TLS_DIR, or run `make test`, which starts a broker";
    let directory = PathBuf::from(std::env::var("OUTCRY_TEST_KAFKA_TLS_DIR").context(hint)?);
    Ok(KafkaConfig {
        brokers: std::env::var("OUTCRY_TEST_KAFKA_BROKERS").context(hint)?,
        ca_file: directory.join("ca.pem"),
        cert_file: directory.join(format!("{service}.pem")),
        key_file: directory.join(format!("{service}-key.pem")),
        instance: None,
    })
}

fn client(service: &str) -> Result<ClientConfig> {
    let config = config(service)?;
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.brokers)
        .set("security.protocol", "ssl")
        .set("ssl.ca.location", config.ca_file.to_string_lossy())
        .set("ssl.certificate.location", config.cert_file.to_string_lossy())
        .set("ssl.key.location", config.key_file.to_string_lossy());
    Ok(client)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time")
}

/// An outbox in memory: whatever the relay deletes is gone.
struct Records {
    waiting: Mutex<Vec<OutboxRecord>>,
    /// How often the relay has looked.
    looked: watch::Sender<u32>,
    /// How often it has asked how old they are.
    measured: watch::Sender<u32>,
    /// How many connections its broker has.
    connections: watch::Receiver<usize>,
    given_back: AtomicBool,
}

impl Records {
    /// So many events of one key.
    fn of(key: &str, events: i64, connections: watch::Receiver<usize>) -> Arc<Self> {
        let record = |id: i64| OutboxRecord {
            id,
            event_id: Uuid::now_v7(),
            event_type: "outcry.bidding.bid.retracted.v1".into(),
            topic: "outcry.bidding.v1".into(),
            key: key.to_owned(),
            sequence: id.unsigned_abs(),
            time: now(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            data: json!({"n": id}),
        };
        Arc::new(Self {
            waiting: Mutex::new((1..=events).map(record).collect()),
            looked: watch::Sender::new(0),
            measured: watch::Sender::new(0),
            connections,
            given_back: AtomicBool::new(false),
        })
    }
}

#[async_trait]
impl Outbox for Records {
    async fn lease(&self, _: Uuid, _: Duration) -> Result<Option<Epoch>, StoreError> {
        Ok(Some(Epoch(1)))
    }
    async fn release(&self, _: Uuid) -> Result<(), StoreError> {
        // While the relay has a connection, what it left in the queue can still land.
        let can_none_follow = self.connections.clone().wait_for(|open| *open == 0).await.is_ok();
        self.given_back.store(can_none_follow, Ordering::SeqCst);
        Ok(())
    }
    async fn batch(&self, limit: u32) -> Result<Vec<OutboxRecord>, StoreError> {
        self.looked.send_modify(|times| *times += 1);
        Ok(self.waiting.lock().expect("no panic").iter().take(limit as usize).cloned().collect())
    }
    async fn delete(&self, _: Epoch, ids: &[i64]) -> Result<(), StoreError> {
        self.waiting.lock().expect("no panic").retain(|record| !ids.contains(&record.id));
        Ok(())
    }
    async fn age_s(&self) -> Result<f64, StoreError> {
        self.measured.send_modify(|times| *times += 1);
        Ok(0.0)
    }
}

#[tokio::test]
async fn the_relay_publishes_in_order_and_removes_what_the_broker_has() -> Result<()> {
    let key = Uuid::now_v7().to_string();
    let outbox = Records::of(&key, 50, watch::channel(0).1);
    let reader: StreamConsumer =
        client("bidding-service")?.set("group.id", "bidding-service").set("enable.auto.commit", "false").create()?;
    let mut places = rdkafka::TopicPartitionList::new();
    for partition in 0..12 {
        let (_, end) = reader.fetch_watermarks("outcry.bidding.v1", partition, DEADLINE)?;
        places.add_partition_offset("outcry.bidding.v1", partition, rdkafka::Offset::Offset(end))?;
    }
    reader.assign(&places)?;

    let stop = CancellationToken::new();
    let running =
        tokio::spawn(relay::run(config("bidding-service")?, outbox.clone(), Arc::new(Notify::new()), stop.clone()));
    let mut sequences = Vec::new();
    while sequences.len() < 50 {
        let message = tokio::time::timeout(DEADLINE, reader.recv()).await??;
        if message.key() != Some(key.as_bytes()) {
            continue;
        }
        let headers: HashMap<_, _> = message.headers().context("headers")?.iter().map(|h| (h.key, h.value)).collect();
        let text = |name: &str| headers.get(name).copied().flatten().and_then(|value| std::str::from_utf8(value).ok());
        let envelope = Envelope::from_headers(text)?;
        assert_eq!((envelope.source.as_str(), envelope.subject.as_str()), ("/outcry/bidding-service", key.as_str()));
        assert_eq!(text("content-type"), Some("application/json"));
        sequences.push(envelope.sequence);
    }
    assert_eq!(sequences, (1..=50).collect::<Vec<_>>());
    stop.cancel();
    running.await??;
    assert!(outbox.batch(100).await?.is_empty());
    Ok(())
}

/// A broker that takes connections and never says a word: its address, and how many connections it has.
async fn mute_broker() -> Result<(String, watch::Receiver<usize>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (open, connections) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            open.send_modify(|open| *open += 1);
            let open = open.clone();
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
                open.send_modify(|open| *open -= 1);
            });
        }
    });
    Ok((address, connections))
}

#[tokio::test]
async fn a_relay_whose_broker_is_mute_ends_in_time_and_gives_its_lease_back_once_nothing_can_follow() -> Result<()> {
    let (brokers, mut connections) = mute_broker().await?;
    let outbox = Records::of("unheard", 3, connections.clone());
    let mute = KafkaConfig { brokers, ..config("bidding-service")? };
    let stop = CancellationToken::new();
    let running = tokio::spawn(relay::run(mute, outbox.clone(), Arc::new(Notify::new()), stop.clone()));
    // After its second look it has the lease and waits for the broker.
    let mut looked = outbox.looked.subscribe();
    tokio::time::timeout(DEADLINE, looked.wait_for(|times| *times >= 2)).await.context("the relay is idle")??;
    tokio::time::timeout(DEADLINE, connections.wait_for(|open| *open > 0)).await.context("it does not connect")??;
    // Whoever is to be woken has to see the events grow old.
    let (mut measured, before) = (outbox.measured.subscribe(), *outbox.measured.borrow());
    let again = measured.wait_for(|times| *times > before);
    tokio::time::timeout(DEADLINE, again).await.context("nothing is measured while the broker is away")??;

    stop.cancel();
    tokio::time::timeout(SERVICE_WAITS, running).await.context("the relay does not end")???;
    assert!(outbox.given_back.load(Ordering::SeqCst), "the lease has to run out, or what is queued could still land");
    assert_eq!(outbox.batch(100).await?.len(), 3, "nobody has acknowledged them");
    Ok(())
}

/// Handles what it is told to and remembers all of it.
struct Recorder {
    key: String,
    seen: Mutex<Vec<(u64, Option<Fact>)>>,
    poison: Mutex<Option<u64>>,
    failures: Mutex<u32>,
    progressed: Notify,
}

#[async_trait]
impl FactHandler for Recorder {
    async fn handle(&self, receipt: Receipt, fact: Option<Fact>) -> Result<Handled, HandleError> {
        if receipt.key != self.key {
            return Ok(Handled::Duplicate);
        }
        if *self.poison.lock().expect("no panic") == Some(receipt.sequence) {
            return Err(HandleError::Poison("it makes no sense".into()));
        }
        {
            let mut failures = self.failures.lock().expect("no panic");
            if *failures > 0 {
                *failures -= 1;
                return Err(HandleError::Retry("not yet".into()));
            }
        }
        self.seen.lock().expect("no panic").push((receipt.sequence, fact));
        self.progressed.notify_one();
        Ok(Handled::Done)
    }

    async fn known(&self, receipts: &[Receipt]) -> Result<Vec<bool>, HandleError> {
        Ok(receipts.iter().map(|receipt| receipt.key != self.key).collect())
    }
}

#[derive(Default)]
struct Counts(Mutex<HashMap<Uuid, u32>>);

#[async_trait]
impl Retries for Counts {
    async fn failed(&self, event_id: Uuid, _: &str) -> Result<u32, StoreError> {
        let mut counts = self.0.lock().expect("no panic");
        let count = counts.entry(event_id).or_default();
        *count += 1;
        Ok(*count)
    }
    async fn buried(&self, _: Uuid, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

async fn listing_says(producer: &FutureProducer, key: &str, sequence: u64, event: &str, data: &str) -> Result<()> {
    let envelope = Envelope {
        id: Uuid::now_v7(),
        source: "/outcry/listing-service".into(),
        event_type: format!("outcry.listing.{event}.v1"),
        subject: key.into(),
        time: now(),
        sequence,
        traceparent: None,
    };
    let headers = envelope
        .to_headers()
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    let record = FutureRecord::to("outcry.listing.v1").key(key).payload(data).headers(headers);
    producer.send(record, DEADLINE).await.map_err(|(error, _)| error)?;
    Ok(())
}

#[tokio::test]
async fn facts_come_in_order_through_retries_and_poison_goes_to_the_dead_letters_and_back() -> Result<()> {
    let id = Uuid::now_v7();
    let key = id.to_string();
    let producer: FutureProducer = client("listing-service")?.create()?;
    let end = now() + chrono::TimeDelta::days(1);
    let english = json!({"kind": "english", "start_price": 100, "reserve_price": null, "buy_now_price": null,
        "increments": "ebay-us", "soft_close": {"mode": "off"}});
    let published = json!({"listing_id": id, "seller_id": "anna", "title": "A watch", "category": "watches",
        "currency": "USD", "format": english, "starts_at": now(), "ends_at": end, "second_chance": false,
        "relisted_from": null, "published_at": now()});
    let cancelled = json!({"listing_id": id, "seller_id": "anna", "cancelled_at": now(), "new": "field"});
    let mut ends_before_it_starts = published.clone();
    ends_before_it_starts["ends_at"] = json!(now());
    listing_says(&producer, &key, 1, "published", &published.to_string()).await?;
    listing_says(&producer, &key, 2, "event_of_the_future", "{}").await?;
    listing_says(&producer, &key, 3, "cancelled", &cancelled.to_string()).await?;
    listing_says(&producer, &key, 4, "published", &ends_before_it_starts.to_string()).await?;
    listing_says(&producer, &key, 5, "cancelled", &cancelled.to_string()).await?;

    let recorder = Arc::new(Recorder {
        key,
        seen: Mutex::default(),
        poison: Mutex::new(Some(3)),
        failures: Mutex::new(3),
        progressed: Notify::new(),
    });
    let (stop, progress) = (CancellationToken::new(), Arc::new(Progress::default()));
    let retries = Arc::new(Counts::default());
    let running = tokio::spawn(consumer::run(
        config("bidding-service")?,
        recorder.clone(),
        retries.clone(),
        progress.clone(),
        stop.clone(),
    ));
    let sequences = || recorder.seen.lock().expect("no panic").iter().map(|(n, _)| *n).collect::<Vec<_>>();
    let arrived = async {
        while sequences().len() < 3 {
            recorder.progressed.notified().await;
        }
    };
    tokio::time::timeout(DEADLINE, arrived).await.with_context(|| format!("only {:?} came", sequences()))?;
    assert_eq!(sequences(), [1, 2, 5], "an unknown type is only noted, poison and nonsense are buried");
    let seen = recorder.seen.lock().expect("no panic").clone();
    assert!(matches!(&seen[0].1, Some(Fact::ListingPublished { auction, .. }) if auction.0 == id));
    assert_eq!(seen[1].1, None);
    assert!(progress.is_live());
    stop.cancel();
    running.await??;

    *recorder.poison.lock().expect("no panic") = None;
    let replayed = dead_letters::replay(&config("bidding-service")?, recorder.clone(), retries).await?;
    assert!(replayed.handled >= 1 && replayed.failed >= 1, "{replayed:?}");
    assert_eq!(sequences(), [1, 2, 5, 3], "what makes sense by now has its effect, nonsense lies there again");
    Ok(())
}

/// Counts what it is told of one auction.
struct Told(Uuid, tokio::sync::watch::Sender<u64>);

impl bidding_ports::change::ChangeListener for Told {
    fn advanced(&self, auction: bidding_domain::ids::AuctionId, sequence: u64) {
        if auction.0 == self.0 {
            self.1.send_replace(sequence);
        }
    }
}

#[tokio::test]
async fn streams_hear_of_what_another_instance_published() -> Result<()> {
    let id = Uuid::now_v7();
    let (sender, mut told) = tokio::sync::watch::channel(0);
    let stop = CancellationToken::new();
    let running = tokio::spawn(bidding_adapter_kafka::live::run(
        config("bidding-service")?,
        Arc::new(Told(id, sender)),
        stop.clone(),
    ));
    // The reader begins at the topic's end, whenever it gets there: publish until it has heard.
    let producer: FutureProducer = client("bidding-service")?.create()?;
    let mut sequence = 0;
    while *told.borrow_and_update() == 0 {
        sequence += 1;
        anyhow::ensure!(sequence < 100, "nothing was heard");
        let envelope = Envelope {
            id: Uuid::now_v7(),
            source: "/outcry/bidding-service".into(),
            event_type: "outcry.bidding.bid.retracted.v1".into(),
            subject: id.to_string(),
            time: now(),
            sequence,
            traceparent: None,
        };
        let headers = envelope
            .to_headers()
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let key = id.to_string();
        let record = FutureRecord::to("outcry.bidding.v1").key(&key).payload("{}").headers(headers);
        producer.send(record, DEADLINE).await.map_err(|(error, _)| error)?;
        let _ = tokio::time::timeout(Duration::from_millis(300), told.changed()).await;
    }
    stop.cancel();
    Ok(running.await??)
}
