//! Puts events on the broker as another version of a service would: golden examples of any release, made new so that they
//! are about nobody else's lots, with whatever a later version may add. What the consumers made of them is read from
//! their groups' offsets and their dead letters.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use event_contracts::{catalogue, envelope::Envelope};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    broker::{ANSWERS_WITHIN, Reader, client},
    wait::eventually,
    watch,
    world::{Endpoints, Service, World},
};

/// An event to be put on the broker.
#[derive(Debug, Clone)]
pub struct Event {
    /// Whose it is.
    pub service: Service,
    /// The attributes.
    pub envelope: Envelope,
    /// The data.
    pub data: Value,
    /// Headers that no version has so far.
    pub more: Vec<(&'static str, String)>,
}

/// A golden example of a released version.
#[derive(Debug, Clone)]
pub struct Golden {
    /// Where it is kept, e.g. `1.0.0/outcry.listing.published.v1`.
    pub name: String,
    /// The event.
    pub event: Event,
}

/// An event on the broker.
#[derive(Debug, Clone)]
pub struct Fed {
    name: String,
    service: Service,
    id: Uuid,
    partition: i32,
    offset: i64,
}

fn published() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../event-contracts/published")
}

/// Every released version, the oldest first.
pub fn versions() -> Result<Vec<String>> {
    let mut versions = Vec::new();
    for entry in std::fs::read_dir(published())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = |part: &str| part.parse::<u64>().with_context(|| format!("{name} is no version"));
        versions.push((name.split('.').map(number).collect::<Result<Vec<_>>>()?, name));
    }
    versions.sort();
    ensure!(!versions.is_empty(), "nothing was released");
    Ok(versions.into_iter().map(|(_, name)| name).collect())
}

/// Every golden example of a released version.
pub fn golden(version: &str) -> Result<Vec<Golden>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(published().join(version).join("examples"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let examples = files.iter().map(|file| {
        let example: Value = serde_json::from_slice(&std::fs::read(file)?)?;
        let envelope = Envelope::from_headers(|name| example["headers"][name].as_str())?;
        let service = owner(&envelope)?;
        let name = format!("{version}/{}", file.file_stem().unwrap_or_default().to_string_lossy());
        Ok(Golden { name, event: Event { service, envelope, data: example["data"].clone(), more: Vec::new() } })
    });
    examples.collect()
}

fn owner(envelope: &Envelope) -> Result<Service> {
    let own = Service::ALL.into_iter().find(|service| envelope.source == format!("/outcry/{}", service.name()));
    own.with_context(|| format!("{} is no service of ours", envelope.source))
}

impl Event {
    /// The same event about a lot of one's own: `lot` is the auction or listing, everybody and everything else is new.
    /// It is number `sequence` of its key.
    pub fn about(mut self, lot: Uuid, sequence: u64) -> Result<Self> {
        let mut new = HashMap::new();
        let person = Uuid::now_v7().simple().to_string()[20..].to_owned();
        for member in ["auction_id", "listing_id"] {
            if let Some(id) = self.data[member].as_str() {
                new.insert(id.to_owned(), lot.to_string());
            }
        }
        renew(&mut self.data, &person, &mut new);
        let known = catalogue::events()?.into_iter().find(|known| known.event_type == self.envelope.event_type);
        if let Some(known) = known {
            let key = self.data[known.key_field].as_str();
            key.with_context(|| format!("no {} in {}", known.key_field, self.data))?
                .clone_into(&mut self.envelope.subject);
        } else {
            self.envelope.subject = lot.to_string();
        }
        (self.envelope.id, self.envelope.sequence) = (Uuid::now_v7(), sequence);
        Ok(self)
    }

    /// With members and headers that no version has so far, as a later minor version may have them.
    #[must_use]
    pub fn of_a_later_minor_version(mut self) -> Self {
        extend(&mut self.data);
        let schema = format!("urn:outcry:schema:{}:1.99.0", self.envelope.event_type);
        self.more = vec![("ce_dataschema", schema), ("ce_later", "an extension of a later version".to_owned())];
        self
    }
}

/// Ids and people become others, the same ones wherever they stand.
fn renew(value: &mut Value, person: &str, new: &mut HashMap<String, String>) {
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| renew(member, person, new)),
        Value::Array(items) => items.iter_mut().for_each(|item| renew(item, person, new)),
        Value::String(text) if text.parse::<Uuid>().is_ok() => {
            text.clone_from(new.entry(text.clone()).or_insert_with(|| Uuid::now_v7().to_string()));
        }
        Value::String(text) if text.starts_with("seller-") || text.starts_with("bidder-") => {
            *text = format!("{text}-{person}");
        }
        _ => {}
    }
}

fn extend(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(extend);
            members.insert("member_of_a_later_version".to_owned(), json!({"deep": [1, null, {"x": "y"}]}));
        }
        Value::Array(items) => items.iter_mut().for_each(extend),
        _ => {}
    }
}

/// Sends events with the certificates of the services whose they are.
pub struct Feeder<'w> {
    world: &'w World,
    producers: BTreeMap<Service, FutureProducer>,
    fed: Vec<Fed>,
}

impl<'w> Feeder<'w> {
    /// For all three topics.
    pub fn new(world: &'w World) -> Result<Self> {
        let producer = |service| {
            let producer: FutureProducer = client(&world.endpoints, service).set("acks", "all").create()?;
            Ok((service, producer))
        };
        let producers = Service::ALL.into_iter().map(producer).collect::<Result<_>>()?;
        Ok(Self { world, producers, fed: Vec::new() })
    }

    /// Puts an event on its service's topic.
    pub async fn feed(&mut self, name: &str, event: &Event) -> Result<()> {
        watch::planted(event.envelope.id);
        let mut headers = OwnedHeaders::new();
        let own = event.envelope.to_headers();
        let more = event.more.iter().map(|(name, value)| (*name, value.clone()));
        for (name, value) in own.into_iter().chain(more) {
            headers = headers.insert(Header { key: name, value: Some(&value) });
        }
        let (topic, payload) = (event.service.topic(), event.data.to_string());
        let record = FutureRecord::to(&topic).key(&event.envelope.subject).payload(&payload).headers(headers);
        let producer = self.producers.get(&event.service).context("a producer")?;
        let sent = producer.send(record, ANSWERS_WITHIN).await.map_err(|(fault, _)| anyhow!("{name}: {fault}"))?;
        let (service, id) = (event.service, event.envelope.id);
        let (partition, offset) = (sent.partition, sent.offset);
        self.fed.push(Fed { name: name.to_owned(), service, id, partition, offset });
        Ok(())
    }

    /// Waits until every service that reads them has taken in all that was fed, and none of it is a dead letter. Afterwards
    /// all services are ready as before.
    pub async fn is_taken_in(self) -> Result<()> {
        ensure!(!self.fed.is_empty(), "nothing was fed");
        for consumer in Service::ALL {
            eventually(&format!("{consumer} has taken everything in"), || {
                let (endpoints, fed) = (self.world.endpoints.clone(), self.fed.clone());
                async move { tokio::task::spawn_blocking(move || got_past(&endpoints, consumer, &fed)).await? }
            })
            .await?;
            let (endpoints, fed) = (self.world.endpoints.clone(), self.fed.clone());
            tokio::task::spawn_blocking(move || none_is_dead(&endpoints, consumer, &fed)).await??;
            for probe in ["live", "ready"] {
                let url = format!("{}/healthz/{probe}", self.world.endpoints.api(consumer));
                let answer = self.world.ask(self.world.http.get(url)).await?;
                ensure!(answer.status == 200, "{consumer} is not {probe}: {}", answer.text);
            }
        }
        Ok(())
    }
}

/// Whether the consumer's group has committed an offset beyond every event of the topics that it follows.
fn got_past(endpoints: &Endpoints, consumer: Service, fed: &[Fed]) -> Result<()> {
    let group: BaseConsumer = client(endpoints, consumer).set("group.id", consumer.name()).create()?;
    for topic in Service::ALL.into_iter().filter(|topic| *topic != consumer) {
        let mut partitions = TopicPartitionList::new();
        let mut last: BTreeMap<i32, &Fed> = BTreeMap::new();
        for event in fed.iter().filter(|event| event.service == topic) {
            let known = last.entry(event.partition).or_insert(event);
            if known.offset < event.offset {
                *known = event;
            }
        }
        if last.is_empty() {
            continue;
        }
        for partition in last.keys() {
            partitions.add_partition(&topic.topic(), *partition);
        }
        let committed = group.committed_offsets(partitions, ANSWERS_WITHIN)?;
        for element in committed.elements() {
            let event = last.get(&element.partition()).context("an unasked partition")?;
            match element.offset() {
                Offset::Offset(offset) if offset > event.offset => {}
                other => {
                    bail!("{} is number {} of its partition, {consumer} is at {other:?}", event.name, event.offset)
                }
            }
        }
    }
    Ok(())
}

/// Whether none of the events is among the consumer's dead letters.
fn none_is_dead(endpoints: &Endpoints, consumer: Service, fed: &[Fed]) -> Result<()> {
    let mut letters = Reader::of_topic(endpoints, consumer, &format!("{}.dlq", consumer.name()))?;
    letters.mark_end()?;
    let mut dead = Vec::new();
    while !letters.has_ended() {
        let Some(letter) = letters.next(Duration::from_secs(10))? else { bail!("the dead letters cannot be read") };
        let header = |name: &str| {
            let found = letter.headers()?.iter().find(|header| header.key == name)?;
            std::str::from_utf8(found.value?).ok()
        };
        let event = fed.iter().find(|event| header("ce_id").is_some_and(|id| id == event.id.to_string()));
        dead.extend(event.map(|event| format!("{}: {}", event.name, header("dlq_reason").unwrap_or("no reason"))));
    }
    ensure!(dead.is_empty(), "{consumer} put these to its dead letters:\n{}", dead.join("\n"));
    Ok(())
}

/// The opening of an auction, as the newest release tells it.
pub fn opening() -> Result<Event> {
    static OPENING: OnceLock<Event> = OnceLock::new();
    if let Some(opening) = OPENING.get() {
        return Ok(opening.clone());
    }
    let newest = versions()?.pop().context("nothing was released")?;
    let name = format!("{newest}/outcry.bidding.auction.opened.v1");
    let found = golden(&newest)?.into_iter().find(|golden| golden.name == name);
    let opening = found.context("no golden example of an opening")?.event;
    Ok(OPENING.get_or_init(|| opening).clone())
}
