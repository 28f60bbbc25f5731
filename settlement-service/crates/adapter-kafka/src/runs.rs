//! Many events in one unit of work: all that the consumer has is one run, and only a run that fails is taken one by one,
//! which finds the event that is to blame.

use chrono::{DateTime, Utc};
use rdkafka::Message;
use settlement_ports::{FactHandler, HandleError, Handled, Incoming};

use crate::{
    consumer::{Progress, receipt_of, report, span_of},
    facts,
    metrics::CONSUMED,
    record::read_envelope,
};

/// Most events that are handed over at once: the consumer shows after each that it is alive.
const PART: usize = 64;

/// Hands all events over at once, in order; `false` when that cannot be: then some may have had their effect, and are
/// duplicates when they come again.
pub(crate) async fn handle(messages: &[&impl Message], handler: &dyn FactHandler, progress: &Progress) -> bool {
    let Some(read) = messages.iter().map(|message| read(*message)).collect::<Option<Vec<_>>>() else { return false };
    let (run, times): (Vec<Incoming>, Vec<DateTime<Utc>>) = read.into_iter().flatten().unzip();
    match hand_over(&run, handler, progress).await {
        Ok(results) => {
            let skipped = messages.len() - run.len();
            CONSUMED.with_label_values(&["skipped"]).inc_by(u64::try_from(skipped).unwrap_or_default());
            for ((result, incoming), time) in results.into_iter().zip(&run).zip(times) {
                incoming.span.in_scope(|| report(result, incoming.receipt.sequence, time));
            }
            true
        }
        Err(reason) => {
            tracing::warn!(%reason, events = run.len(), "a run of events is taken one by one");
            false
        }
    }
}

/// Part by part; `Err` with the first part that fails.
async fn hand_over(
    run: &[Incoming],
    handler: &dyn FactHandler,
    progress: &Progress,
) -> Result<Vec<Handled>, HandleError> {
    let mut results = Vec::with_capacity(run.len());
    for part in run.chunks(PART) {
        progress.step();
        results.extend(handler.handle_all(part).await?);
    }
    Ok(results)
}

/// What an event says, if it concerns settlements; `None` for what is a dead letter as it came.
fn read(message: &impl Message) -> Option<Option<(Incoming, DateTime<Utc>)>> {
    let envelope = read_envelope(message).ok()?;
    let fact = facts::read(&envelope, message.payload().unwrap_or_default()).ok()?;
    let incoming = |fact| Incoming { receipt: receipt_of(&envelope), fact, span: span_of(&envelope) };
    Some(fact.map(|fact| (incoming(fact), envelope.time)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use event_contracts::catalogue::events;
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
            Ok(vec![Handled::Applied; batch.len()])
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
    async fn a_run_is_handed_over_whole_and_in_order_without_what_does_not_concern_settlements() {
        let (messages, handler) = (messages(), Handler::default());
        assert!(handle(&messages.iter().collect::<Vec<_>>(), &handler, &Progress::default()).await);
        let runs = handler.runs.lock().expect("no panic");
        let [run] = runs.as_slice() else { panic!("one run, got {}", runs.len()) };
        let concern = |message: &&OwnedMessage| {
            let envelope = read_envelope(*message).expect("readable");
            facts::read(&envelope, message.payload().unwrap_or_default()).expect("sound").is_some()
        };
        let sent = messages.iter().filter(concern).map(|message| read_envelope(message).expect("readable").id);
        assert!(run.iter().map(|incoming| incoming.receipt.event_id).eq(sent));
        assert!(!run.is_empty() && run.len() < messages.len());
    }

    #[tokio::test]
    async fn a_long_run_is_handed_over_in_parts() {
        let (messages, handler) = (messages(), Handler::default());
        let all: Vec<_> = messages.iter().cycle().take(messages.len() * 2 * PART).collect();
        assert!(handle(&all, &handler, &Progress::default()).await);
        let sizes: Vec<usize> = handler.runs.lock().expect("no panic").iter().map(Vec::len).collect();
        assert!(sizes.len() > 1 && sizes.iter().all(|size| *size <= PART), "{sizes:?}");
    }

    #[tokio::test]
    async fn a_run_that_is_refused_is_taken_one_by_one() {
        let (messages, handler) = (messages(), Handler { refuses: true, ..Handler::default() });
        assert!(!handle(&messages.iter().collect::<Vec<_>>(), &handler, &Progress::default()).await);
    }

    #[tokio::test]
    async fn a_run_with_a_dead_letter_in_it_reaches_nobody() {
        let (mut messages, handler) = (messages(), Handler::default());
        let concerns = messages.iter().position(|message| {
            read_envelope(message).expect("readable").event_type == "outcry.bidding.auction.closed.v1"
        });
        let place = concerns.expect("an auction closes");
        let (headers, broken) = (messages[place].headers().cloned(), Some(b"{}".to_vec()));
        messages[place] = OwnedMessage::new(broken, None, "t".into(), Timestamp::NotAvailable, 0, 0, headers);
        assert!(!handle(&messages.iter().collect::<Vec<_>>(), &handler, &Progress::default()).await);
        assert!(handler.runs.lock().expect("no panic").is_empty());
    }
}
