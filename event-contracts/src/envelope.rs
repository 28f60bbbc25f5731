//! The CloudEvents 1.0 envelope in Kafka's binary content mode: attributes are headers named
//! `ce_…`, the data is the record's value as JSON. This crate knows the names, not Kafka.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

/// Media type of every event's data; sent as the `content-type` header.
pub const CONTENT_TYPE: &str = "application/json";

/// The attributes of one event.
///
/// Source: CloudEvents 1.0.2, "Kafka Protocol Binding", section 3.2; extensions `sequence`,
/// `partitionkey` and `traceparent` (Distributed Tracing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Unique for the event; consumers deduplicate by it.
    pub id: Uuid,
    /// The producing service, e.g. `/outcry/listing-service`.
    pub source: String,
    /// e.g. `outcry.listing.published.v1`.
    pub event_type: String,
    /// The aggregate's id; also the record's key.
    pub subject: String,
    /// When it happened, by the producer's database clock.
    pub time: DateTime<Utc>,
    /// Position among the events of the same key: 1, 2, 3 … without a gap.
    pub sequence: u64,
    /// W3C trace context of what caused the event.
    pub traceparent: Option<String>,
}

/// Why a record's headers are not an envelope.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A required attribute is absent.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// An attribute is there and cannot be read.
    #[error("the header {name} has the unreadable value {value:?}")]
    Unreadable {
        /// Header name.
        name: &'static str,
        /// Its value, cut to 100 characters.
        value: String,
    },
}

impl Envelope {
    /// The headers of the record, in a fixed order.
    #[must_use]
    pub fn to_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.to_string()),
            ("ce_source", self.source.clone()),
            ("ce_type", self.event_type.clone()),
            ("ce_subject", self.subject.clone()),
            ("ce_time", self.time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            ("ce_sequence", self.sequence.to_string()),
            ("ce_partitionkey", self.subject.clone()),
        ];
        if let Some(traceparent) = &self.traceparent {
            headers.push(("ce_traceparent", traceparent.clone()));
        }
        headers
    }

    /// Reads the envelope; `header` looks a header up by name.
    ///
    /// # Errors
    /// [`EnvelopeError`] names the first header that is missing or unreadable.
    pub fn from_headers<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Result<Self, EnvelopeError> {
        let required = |name: &'static str| header(name).ok_or(EnvelopeError::Missing(name));
        let version = required("ce_specversion")?;
        if version != "1.0" {
            return Err(unreadable("ce_specversion", version));
        }
        let text = |name| match required(name)? {
            "" => Err(unreadable(name, "")),
            value => Ok(value.to_owned()),
        };
        let (id, time, sequence) = (required("ce_id")?, required("ce_time")?, required("ce_sequence")?);
        Ok(Self {
            id: id.parse().map_err(|_| unreadable("ce_id", id))?,
            source: text("ce_source")?,
            event_type: text("ce_type")?,
            subject: text("ce_subject")?,
            time: time.parse().map_err(|_| unreadable("ce_time", time))?,
            sequence: sequence.parse().map_err(|_| unreadable("ce_sequence", sequence))?,
            traceparent: header("ce_traceparent").map(ToOwned::to_owned),
        })
    }
}

fn unreadable(name: &'static str, value: &str) -> EnvelopeError {
    EnvelopeError::Unreadable { name, value: value.chars().take(100).collect() }
}
