//! What an answer to a bid means to the one who measures: accepted, refused by decision, refused for load, or a fault.

use std::borrow::Cow;

use hyper::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::client::Reply;

/// What became of a bid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It counts.
    Accepted(Accepted),
    /// Decided against.
    Refused {
        /// Slug of the problem.
        slug: String,
        /// What would have been enough.
        next_minimum: Option<i64>,
    },
    /// Not decided: the service has no room for it, by status.
    Overloaded(u16),
    /// An earlier request with the same key is still being decided.
    Running,
    /// An answer that a sound request should never get.
    Fault(String),
}

/// An accepted bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Which.
    pub bid_id: Uuid,
    /// Its place among the auction's events.
    pub sequence: u64,
    /// The price after it.
    pub price: i64,
    /// What the next bid must be at least.
    pub next_minimum: i64,
    /// Whether the answer is an earlier request's.
    pub replayed: bool,
}

#[derive(Deserialize)]
struct Placed {
    bid_id: Uuid,
    auction: Auction,
}

#[derive(Deserialize)]
struct Auction {
    price: Option<i64>,
    next_minimum: i64,
    sequence: u64,
}

#[derive(Deserialize)]
struct Problem<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    next_minimum: Option<i64>,
}

impl From<&Reply> for Answer {
    fn from(reply: &Reply) -> Self {
        if reply.status != StatusCode::CREATED {
            return Self::refusal(reply);
        }
        match serde_json::from_slice::<Placed>(&reply.body) {
            Ok(Placed { bid_id, auction: Auction { price, next_minimum, sequence } }) => {
                let price = price.unwrap_or_default();
                Self::Accepted(Accepted { bid_id, sequence, price, next_minimum, replayed: reply.replayed })
            }
            Err(_) => Self::Fault("an answer that cannot be read".to_owned()),
        }
    }
}

impl Answer {
    /// What an answer other than a success means, to a bid or to any other sound request.
    pub fn refusal(reply: &Reply) -> Self {
        let fault = || Self::Fault(format!("status {}", reply.status.as_u16()));
        match reply.status {
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
                Self::Overloaded(status.as_u16())
            }
            StatusCode::FORBIDDEN | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                let Ok(problem) = serde_json::from_slice::<Problem<'_>>(&reply.body) else { return fault() };
                match problem.kind.strip_prefix("urn:outcry:problem:") {
                    Some("idempotency-key-running") => Self::Running,
                    None | Some("forbidden" | "validation" | "idempotency-key-reused") => fault(),
                    Some(slug) => Self::Refused { slug: slug.to_owned(), next_minimum: problem.next_minimum },
                }
            }
            _ => fault(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer::from(&Reply { status, replayed: false, body: body.into() })
    }

    #[test]
    fn an_accepted_bid_is_read_whatever_else_the_answer_tells() {
        let id = "018f0000-0000-7000-8000-000000000001";
        let body = r#"{"bid_id":"018f0000-0000-7000-8000-000000000001","outcome":"leading","auction":
            {"id":"x","price":null,"next_minimum":105,"sequence":2,"result":null}}"#;
        let expected =
            Accepted { bid_id: id.parse().unwrap(), sequence: 2, price: 0, next_minimum: 105, replayed: false };
        assert_eq!(answer(201, body), Answer::Accepted(expected));
    }

    #[test]
    fn a_refusal_for_load_is_no_decision_and_no_fault() {
        assert_eq!(answer(503, ""), Answer::Overloaded(503));
        assert_eq!(answer(429, "{}"), Answer::Overloaded(429));
    }

    #[test]
    fn a_decided_refusal_teaches_the_next_minimum() {
        let low = r#"{"type":"urn:outcry:problem:bid-too-low","next_minimum":250}"#;
        assert_eq!(answer(422, low), Answer::Refused { slug: "bid-too-low".to_owned(), next_minimum: Some(250) });
        let closed = r#"{"type":"urn:outcry:problem:auction-not-open"}"#;
        assert_eq!(answer(409, closed), Answer::Refused { slug: "auction-not-open".to_owned(), next_minimum: None });
    }

    #[test]
    fn what_a_sound_request_never_gets_is_a_fault() {
        let invalid = r#"{"type":"urn:outcry:problem:validation"}"#;
        assert_eq!(answer(422, invalid), Answer::Fault("status 422".to_owned()));
        assert_eq!(answer(500, ""), Answer::Fault("status 500".to_owned()));
        assert_eq!(answer(404, "{}"), Answer::Fault("status 404".to_owned()));
        assert!(matches!(answer(201, "{}"), Answer::Fault(_)));
        let running = r#"{"type":"urn:outcry:problem:idempotency-key-running"}"#;
        assert_eq!(answer(409, running), Answer::Running);
    }
}
