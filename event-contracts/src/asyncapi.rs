//! `asyncapi.yaml` (AsyncAPI 3.0): who sends and who receives which events over which topics.
//! Built as text, so that its order is ours and the same everywhere; strings from elsewhere are
//! quoted as JSON, which YAML reads as they are.

use std::fmt::{Display, Write};

use serde_json::Value;

use crate::catalogue::EventContract;
use crate::envelope::CONTENT_TYPE;

/// Partitions of every topic: the order of one key's events is kept within its partition.
pub const PARTITIONS: u32 = 12;

/// Version of the Kafka bindings' definition.
const BINDING_VERSION: &str = "0.5.0";

/// A service: its name, the context it sends, the contexts it receives, and what for.
struct Service {
    name: &'static str,
    sends: &'static str,
    receives: &'static [(&'static str, &'static str)],
}

const SERVICES: [Service; 3] = [
    Service {
        name: "listing-service",
        sends: "listing",
        receives: &[
            ("bidding", "Shows price, bid count and state of the auction with the listing."),
            ("settlement", "Shows how the sale goes on with the listing."),
        ],
    },
    Service {
        name: "bidding-service",
        sends: "bidding",
        receives: &[
            ("listing", "Opens auctions, and cancels those without bids."),
            ("settlement", "Refuses suspended bidders and nominates the next contender."),
        ],
    },
    Service {
        name: "settlement-service",
        sends: "settlement",
        receives: &[
            ("listing", "Withdraws the offers of a lot that is listed again."),
            ("bidding", "Starts the settlement of a sold lot and its second chances."),
        ],
    },
];

/// The document for `events` as released in `version`.
#[must_use]
pub fn document(version: &str, events: &[EventContract]) -> String {
    let mut out = HEAD.replace("{version}", version);
    out.push_str("channels:\n");
    for service in &SERVICES {
        channel(&mut out, service.sends, events);
    }
    out.push_str("operations:\n");
    for service in &SERVICES {
        let sender = format!("What {} tells the others, through its outbox.", service.name);
        operation(&mut out, service, "send", service.sends, &sender, events);
        for (context, purpose) in service.receives {
            operation(&mut out, service, "receive", context, purpose, events);
        }
    }
    out.push_str(COMPONENTS);
    for event in events {
        message(&mut out, event);
    }
    out
}

fn channel(out: &mut String, context: &str, events: &[EventContract]) {
    let of_context: Vec<_> = events.iter().filter(|event| event.context == context).collect();
    let Some(topic) = of_context.first().map(|event| event.topic) else { return };
    line(out, 2, format_args!("{context}:"));
    line(out, 4, format_args!("address: {topic}"));
    line(out, 4, format_args!("title: Events of the {context} context"));
    line(out, 4, "messages:");
    for event in of_context {
        line(out, 6, format_args!("{}:", event.name()));
        line(out, 8, format_args!("$ref: '#/components/messages/{}'", event.name()));
    }
    line(out, 4, "bindings:");
    line(out, 6, "kafka:");
    line(out, 8, format_args!("topic: {topic}"));
    line(out, 8, format_args!("partitions: {PARTITIONS}"));
    line(out, 8, format_args!("bindingVersion: {BINDING_VERSION}"));
}

fn operation(
    out: &mut String,
    service: &Service,
    action: &str,
    context: &str,
    purpose: &str,
    events: &[EventContract],
) {
    line(out, 2, format_args!("{}.{action}.{context}:", service.name));
    line(out, 4, format_args!("action: {action}"));
    line(out, 4, "channel:");
    line(out, 6, format_args!("$ref: '#/channels/{context}'"));
    line(out, 4, format_args!("title: {} {action}s {context} events", service.name));
    line(out, 4, format_args!("summary: {}", quoted(purpose)));
    line(out, 4, "tags:");
    line(out, 6, format_args!("- name: {}", service.name));
    if action == "receive" {
        line(out, 4, "bindings:");
        line(out, 6, "kafka:");
        line(out, 8, "groupId:");
        line(out, 10, "type: string");
        line(out, 10, format_args!("const: {}", service.name));
        line(out, 8, format_args!("bindingVersion: {BINDING_VERSION}"));
    }
    line(out, 4, "messages:");
    for event in events.iter().filter(|event| event.context == context) {
        line(out, 6, format_args!("- $ref: '#/channels/{context}/messages/{}'", event.name()));
    }
}

fn message(out: &mut String, event: &EventContract) {
    let (summary, description) = event.summary().split_once("\n\n").unwrap_or((event.summary(), ""));
    line(out, 4, format_args!("{}:", event.name()));
    line(out, 6, format_args!("name: {}", event.event_type));
    line(out, 6, format_args!("title: {}", event.name()));
    line(out, 6, format_args!("summary: {}", quoted(summary)));
    if !description.is_empty() {
        line(out, 6, format_args!("description: {}", quoted(description)));
    }
    line(out, 6, format_args!("contentType: {CONTENT_TYPE}"));
    line(out, 6, "headers:");
    line(out, 8, "allOf:");
    line(out, 10, "- $ref: '#/components/schemas/CloudEventHeaders'");
    line(out, 10, "- type: object");
    line(out, 12, "properties:");
    line(out, 14, "ce_type:");
    line(out, 16, format_args!("const: {}", event.event_type));
    line(out, 14, "ce_source:");
    line(out, 16, format_args!("const: {}", event.example.envelope.source));
    line(out, 6, "payload:");
    line(out, 8, format_args!("$ref: ./schemas/{}.json", event.event_type));
    line(out, 6, "bindings:");
    line(out, 8, "kafka:");
    line(out, 10, "key:");
    line(out, 12, "type: string");
    line(out, 12, format_args!("description: The data's `{}`.", event.key_field));
    line(out, 10, format_args!("bindingVersion: {BINDING_VERSION}"));
    line(out, 6, "examples:");
    let variants = event.variants.iter().map(|(name, example)| (*name, example));
    for (name, example) in std::iter::once(("golden", &event.example)).chain(variants) {
        let mut example = example.to_json();
        example.sort_all_objects();
        line(out, 8, format_args!("- name: {name}"));
        line(out, 10, format_args!("headers: {}", example["headers"]));
        line(out, 10, format_args!("payload: {}", example["data"]));
    }
}

fn line(out: &mut String, indent: usize, text: impl Display) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{:indent$}{text}", "");
}

fn quoted(text: &str) -> String {
    Value::from(text.replace('\n', " ")).to_string()
}

const HEAD: &str = r"# Generated from the Rust types by `cargo run --bin contracts -- write`; not to be edited.
asyncapi: 3.0.0
id: urn:outcry:events
info:
  title: Outcry events
  version: {version}
  license:
    name: Apache-2.0
    url: https://www.apache.org/licenses/LICENSE-2.0
  description: |
    What Outcry's three services tell each other, and whoever else listens. No service calls another.

    A record is a CloudEvents 1.0 event in Kafka's binary content mode: attributes are headers named `ce_…`,
    the value is the data as JSON. Its type is `outcry.<context>.<event>.v1`; the event's noun is left out
    where it is the context's own name (`outcry.listing.published.v1`, not `outcry.listing.listing.published.v1`).

    Records of one key stay in order and are numbered without a gap by `ce_sequence`. Delivery is at least
    once: deduplicate by `ce_id`. A reader skips types and fields that it does not know.

    Amounts are integers in the currency's minor units, times are RFC 3339 in UTC, people are the `sub` of
    their tokens.
defaultContentType: application/json
servers:
  kafka:
    host: '{bootstrap}'
    protocol: kafka-secure
    description: The operator's Kafka cluster. Topics are created by the deployment, never by a client.
    variables:
      bootstrap:
        description: A bootstrap server, `host:port`.
        default: localhost:9093
    security:
      - $ref: '#/components/securitySchemes/mutualTls'
";

const COMPONENTS: &str = r"components:
  securitySchemes:
    mutualTls:
      type: X509
      description: Mutual TLS; the client certificate's common name is the service's name.
  schemas:
    CloudEventHeaders:
      type: object
      description: CloudEvents 1.0 attributes as Kafka headers; values are UTF-8 text.
      required: [content-type, ce_specversion, ce_id, ce_source, ce_type, ce_subject, ce_time, ce_sequence, ce_partitionkey]
      properties:
        content-type:
          type: string
          const: application/json
        ce_specversion:
          type: string
          const: '1.0'
        ce_id:
          type: string
          format: uuid
          description: Unique for the event; consumers deduplicate by it.
        ce_source:
          type: string
          minLength: 1
          description: The producing service, e.g. `/outcry/listing-service`.
        ce_type:
          type: string
          minLength: 1
          description: '`outcry.<context>.<event>.v1`'
        ce_subject:
          type: string
          minLength: 1
          description: The aggregate's id; equals the record's key.
        ce_time:
          type: string
          format: date-time
          description: When it happened, by the producer's database clock; microseconds, UTC.
        ce_sequence:
          type: string
          pattern: '^[1-9][0-9]*$'
          description: Position among the events of the same key, 1, 2, 3 … without a gap.
        ce_partitionkey:
          type: string
          minLength: 1
          description: Equals `ce_subject`.
        ce_traceparent:
          type: string
          description: W3C trace context of what caused the event.
  messages:
";
