//! Many events in one unit of work: all that the consumer has is one run, and only a run that fails is taken
//! one by one, which finds the event that is to blame.

use chrono::{DateTime, Utc};
use listing_ports::fact::{FactHandler, Incoming};
use rdkafka::Message;
use tracing::{Level, Span};

use crate::{
    consumer::{Progress, receipt_of, report, span_of},
    facts,
    record::read_envelope,
};

/// Longer runs have no span of each event, unless debugging: a trace of thousands a second is read by nobody.
const TRACED: usize = 32;

/// Hands all events over at once, in order; `false`, and no effect, when that cannot be.
pub(crate) async fn handle(messages: &[&impl Message], handler: &dyn FactHandler, progress: &Progress) -> bool {
    let traced = messages.len() <= TRACED || tracing::enabled!(Level::DEBUG);
    let read = messages.iter().map(|message| read(*message, traced));
    let Some((run, told)) = read.collect::<Option<(Vec<Incoming>, Vec<Told>)>>() else { return false };
    progress.step();
    match handler.handle_all(&run).await {
        Ok(results) => {
            for ((result, incoming), told) in results.into_iter().zip(&run).zip(&told) {
                told.span.in_scope(|| report(result, &incoming.receipt, told.time));
            }
            true
        }
        Err(reason) => {
            tracing::warn!(%reason, events = run.len(), "a run of events is taken one by one");
            false
        }
    }
}

/// What is told of an event once it had its effect.
struct Told {
    time: DateTime<Utc>,
    span: Span,
}

/// `None` for what is a dead letter as it came.
fn read(message: &impl Message, traced: bool) -> Option<(Incoming, Told)> {
    let envelope = read_envelope(message).ok()?;
    let news = facts::read(&envelope, message.payload().unwrap_or_default()).ok()?;
    let span = if traced { span_of(&envelope) } else { Span::none() };
    Some((Incoming { receipt: receipt_of(&envelope), news }, Told { time: envelope.time, span }))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use event_contracts::catalogue::events;
    use listing_ports::fact::{HandleError, Handled};
    use rdkafka::message::{OwnedMessage, Timestamp};

    use super::*;
    use crate::record::headers_of;

    /// Takes whole runs, or refuses them.
    #[derive(Default)]
    struct Handler {
        runs: Mutex<Vec<Vec<Incoming>>>,
        refuses: bool,
    }

    #[async_trait]
    impl FactHandler for Handler {
        async fn handle_all(&self, batch: &[Incoming]) -> Result<Vec<Handled>, HandleError> {
            if self.refuses {
                return Err(HandleError::Poison("one of them".into()));
            }
            self.runs.lock().expect("no panic").push(batch.to_vec());
            Ok(vec![Handled::Done; batch.len()])
        }
    }

    /// The golden examples of bidding's events, as they come from the broker.
    fn messages() -> Vec<OwnedMessage> {
        let events = events().expect("a catalogue").into_iter().filter(|event| event.context == "bidding");
        let message = |event: event_contracts::catalogue::EventContract| {
            let payload = event.example.data.to_string().into_bytes();
            let headers = headers_of(&event.example.envelope);
            OwnedMessage::new(Some(payload), None, event.topic.into(), Timestamp::NotAvailable, 0, 0, Some(headers))
        };
        events.map(message).collect()
    }

    #[tokio::test]
    async fn a_run_is_handed_over_whole_and_in_order() {
        let (messages, handler) = (messages(), Handler::default());
        assert!(handle(&messages.iter().collect::<Vec<_>>(), &handler, &Progress::default()).await);
        let runs = handler.runs.lock().expect("no panic");
        let [run] = runs.as_slice() else { panic!("one run, got {}", runs.len()) };
        let sent = messages.iter().map(|message| read_envelope(message).expect("readable").id);
        assert!(run.iter().map(|incoming| incoming.receipt.event_id).eq(sent));
        assert!(run.iter().any(|incoming| incoming.news.is_none()), "what is not followed comes too");
    }

    #[tokio::test]
    async fn a_run_that_is_refused_is_taken_one_by_one() {
        let (messages, handler) = (messages(), Handler { refuses: true, ..Handler::default() });
        assert!(!handle(&messages.iter().collect::<Vec<_>>(), &handler, &Progress::default()).await);
    }

    #[tokio::test]
    async fn a_run_with_a_dead_letter_in_it_reaches_nobody() {
        let (mut messages, handler) = (messages(), Handler::default());
        let headers = messages[1].headers().cloned();
        let broken = Some(b"{}".to_vec());
        messages[1] = OwnedMessage::new(broken, None, "t".into(), Timestamp::NotAvailable, 0, 0, headers);
        assert!(!handle(&messages.iter().collect::<Vec<_>>(), &handler, &Progress::default()).await);
        assert!(handler.runs.lock().expect("no panic").is_empty());
    }
}
