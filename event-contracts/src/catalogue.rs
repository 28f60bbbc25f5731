//! Every event of every context as data: type, topic, JSON Schema and a golden example, for
//! generators and for consumers that check themselves. An event that is not here is not published.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::auth::Claims;
use crate::envelope::Envelope;
use crate::event::EventData;
use crate::examples::{self, Happened};
use crate::listing::ListingPublished;
use crate::money::Money;
use crate::problem::{FieldError, Problem};

/// One event type.
#[derive(Debug, Clone)]
pub struct EventContract {
    /// CloudEvents `type`, e.g. `outcry.listing.published.v1`.
    pub event_type: &'static str,
    /// The Kafka topic that carries it, e.g. `outcry.listing.v1`.
    pub topic: &'static str,
    /// The bounded context that sends it, e.g. `listing`.
    pub context: &'static str,
    /// The field of the data that is the record's key, e.g. `listing_id`.
    pub key_field: &'static str,
    /// JSON Schema of the data, draft 2020-12.
    pub schema: Value,
    /// A golden example.
    pub example: Example,
    /// More of them by name, for what the first does not show: other formats, fields that it leaves out.
    pub variants: Vec<(&'static str, Example)>,
}

/// A golden example: one record as a consumer sees it.
#[derive(Debug, Clone)]
pub struct Example {
    /// The record's headers and key.
    pub envelope: Envelope,
    /// The record's value.
    pub data: Value,
}

impl EventContract {
    /// The golden example and its variants.
    pub fn examples(&self) -> impl Iterator<Item = &Example> {
        std::iter::once(&self.example).chain(self.variants.iter().map(|(_, example)| example))
    }

    /// Name of the Rust type, e.g. `ListingPublished`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.schema["title"].as_str().unwrap_or(self.event_type)
    }

    /// What the event says, in a sentence or two.
    #[must_use]
    pub fn summary(&self) -> &str {
        self.schema["description"].as_str().unwrap_or_default()
    }
}

impl Example {
    /// `{"headers": {…}, "data": {…}}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let headers: Map<String, Value> =
            self.envelope.to_headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        json!({ "headers": headers, "data": self.data })
    }
}

/// Every event, in the order of the contexts' modules.
///
/// # Errors
/// Only if an example cannot be represented in JSON, which no contract type allows.
pub fn events() -> Result<Vec<EventContract>, serde_json::Error> {
    Ok(vec![
        with_variants(contract(examples::listing_published())?, published())?,
        contract(examples::listing_revised())?,
        contract(examples::listing_cancelled())?,
        with_variants(contract(examples::auction_opened())?, examples::formats::opened())?,
        with_variants(contract(examples::bid_placed())?, examples::formats::placed())?,
        contract(examples::auction_extended())?,
        with_variants(contract(examples::bid_retracted())?, examples::formats::retracted())?,
        with_variants(contract(examples::auction_closed())?, examples::formats::closed())?,
        with_variants(contract(examples::auction_cancelled())?, examples::formats::cancelled())?,
        contract(examples::second_chance_nominated())?,
        contract(examples::second_chance_exhausted())?,
        contract(examples::formats::auction_paused())?,
        contract(examples::formats::auction_resumed())?,
        contract(examples::formats::award_declined())?,
        with_variants(contract(examples::settlement_started())?, examples::chances::started())?,
        contract(examples::settlement_escrowed())?,
        contract(examples::settlement_shipped())?,
        contract(examples::settlement_completed())?,
        with_variants(contract(examples::settlement_failed())?, examples::chances::failed())?,
        contract(examples::second_chance_requested())?,
        contract(examples::second_chance_offered())?,
        contract(examples::second_chance_accepted())?,
        contract(examples::second_chance_lapsed())?,
        contract(examples::bidder_suspended())?,
        contract(examples::bidder_reinstated())?,
        contract(examples::relist_requested())?,
        contract(examples::chances::settlement_disputed())?,
    ])
}

/// A listing of each format, and a relisting.
fn published() -> Vec<(&'static str, Happened<ListingPublished>)> {
    let mut variants = examples::formats::published();
    variants.extend(examples::chances::published());
    variants
}

/// Schemas of what is no event, by name: `problem`, `field_error`, `money` and `claims`.
#[must_use]
pub fn shapes() -> Vec<(&'static str, Value)> {
    vec![
        ("problem", schema::<Problem>("problem")),
        ("field_error", schema::<FieldError>("field_error")),
        ("money", schema::<Money>("money")),
        ("claims", schema::<Claims>("claims")),
    ]
}

fn contract<E: EventData>(example: Happened<E>) -> Result<EventContract, serde_json::Error> {
    Ok(EventContract {
        event_type: E::TYPE,
        topic: E::TOPIC,
        context: context::<E>(),
        key_field: E::KEY_FIELD,
        schema: schema::<E>(E::TYPE),
        example: as_sent(example)?,
        variants: Vec::new(),
    })
}

fn with_variants<E: EventData>(
    mut contract: EventContract,
    variants: Vec<(&'static str, Happened<E>)>,
) -> Result<EventContract, serde_json::Error> {
    for (name, happened) in variants {
        contract.variants.push((name, as_sent(happened)?));
    }
    Ok(contract)
}

/// A topic is `outcry.<context>.v1`.
fn context<E: EventData>() -> &'static str {
    E::TOPIC.split('.').nth(1).unwrap_or(E::TOPIC)
}

fn as_sent<E: EventData>(happened: Happened<E>) -> Result<Example, serde_json::Error> {
    let Happened { data, at, sequence } = happened;
    let envelope = Envelope {
        id: examples::id(at, u8::try_from(sequence).unwrap_or(u8::MAX)),
        source: format!("/outcry/{}-service", context::<E>()),
        event_type: E::TYPE.to_owned(),
        subject: data.key(),
        time: at,
        sequence,
        traceparent: Some("00-6f1d3c0b9a5e4d278c41b7e2f09a6d35-3ab1c94e07d25f68-01".to_owned()),
    };
    Ok(Example { envelope, data: serde_json::to_value(data)? })
}

fn schema<T: JsonSchema>(name: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), format!("urn:outcry:schema:{name}").into());
    schema.to_value()
}
