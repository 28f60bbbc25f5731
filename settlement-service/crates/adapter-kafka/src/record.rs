//! Kafka records and `CloudEvents` envelopes.

use event_contracts::envelope::{Envelope, EnvelopeError};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use settlement_ports::OutboxRecord;

use crate::client::SERVICE;

pub(crate) fn envelope_of(record: &OutboxRecord) -> Envelope {
    Envelope {
        id: record.event_id,
        source: format!("/outcry/{SERVICE}"),
        event_type: record.event_type.clone(),
        subject: record.key.clone(),
        time: record.time,
        sequence: record.sequence,
        traceparent: record.traceparent.clone(),
    }
}

pub(crate) fn headers_of(envelope: &Envelope) -> OwnedHeaders {
    envelope.to_headers().iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value.as_bytes()) })
    })
}

pub(crate) fn read_envelope(message: &impl Message) -> Result<Envelope, EnvelopeError> {
    Envelope::from_headers(|name| {
        let headers = message.headers()?;
        let header = headers.iter().find(|header| header.key == name)?;
        std::str::from_utf8(header.value?).ok()
    })
}
