//! Many events in one unit of work: all that the consumer has is one run, and only what is left of a run that fails is taken
//! one by one, which finds the event that is to blame.

use chrono::{DateTime, Utc};
use rdkafka::Message;
use settlement_ports::{FactHandler, Handled, Incoming};

use crate::{
    consumer::{Progress, receipt_of, report, span_of},
    facts,
    metrics::CONSUMED,
    record::read_envelope,
};

/// Most events that are handed over at once: the consumer shows after each that it is alive.
const PART: usize = 64;

/// Hands the events over, many at once, in order. How many of them are done with, from the first on; of the others some may
/// have had their effect all the same, and are duplicates when they come again.
pub(crate) async fn handle(messages: &[&impl Message], handler: &dyn FactHandler, progress: &Progress) -> usize {
    let Some(read) = messages.iter().map(|message| read(*message)).collect::<Option<Vec<_>>>() else { return 0 };
    let placed = read.into_iter().enumerate();
    let concerning = placed.filter_map(|(place, read)| read.map(|(incoming, time)| (incoming, (place, time))));
    let (run, told): (Vec<Incoming>, Vec<(usize, DateTime<Utc>)>) = concerning.unzip();
    let outcomes = hand_over(&run, handler, progress).await;
    let done = told.get(outcomes.len()).map_or(messages.len(), |(place, _)| *place);
    let skipped = done.saturating_sub(outcomes.len());
    CONSUMED.with_label_values(&["skipped"]).inc_by(u64::try_from(skipped).unwrap_or_default());
    for ((result, incoming), (_, time)) in outcomes.into_iter().zip(&run).zip(told) {
        incoming.span.in_scope(|| report(result, incoming.receipt.sequence, time));
    }
    done
}

/// Part by part, up to the first one that fails.
async fn hand_over(run: &[Incoming], handler: &dyn FactHandler, progress: &Progress) -> Vec<Handled> {
    let mut outcomes = Vec::with_capacity(run.len());
    for part in run.chunks(PART) {
        progress.step();
        match handler.handle_all(part).await {
            Ok(results) => outcomes.extend(results),
            Err(reason) => {
                tracing::warn!(%reason, events = run.len() - outcomes.len(), "events are taken one by one");
                break;
            }
        }
    }
    outcomes
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
    use settlement_ports::HandleError;

    use super::*;
    use crate::record::headers_of;

    /// Takes whole runs, as many as it is to.
    struct Handler {
        runs: Mutex<Vec<Vec<Incoming>>>,
        takes: usize,
    }

    impl Default for Handler {
        fn default() -> Self {
            Self { runs: Mutex::default(), takes: usize::MAX }
        }
    }

    #[async_trait]
    impl FactHandler for Handler {
        async fn handle_all(&self, batch: &[Incoming]) -> Result<Vec<Handled>, HandleError> {
            let mut runs = self.runs.lock().expect("no panic");
            if runs.len() == self.takes {
                return Err(HandleError::Poison("one of them".into()));
            }
            runs.push(batch.to_vec());
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

    fn concerns(message: &OwnedMessage) -> bool {
        let envelope = read_envelope(message).expect("readable");
        facts::read(&envelope, message.payload().unwrap_or_default()).expect("sound").is_some()
    }

    #[tokio::test]
    async fn a_run_is_handed_over_whole_and_in_order_without_what_does_not_concern_settlements() {
        let (messages, handler) = (messages(), Handler::default());
        let done = handle(&messages.iter().collect::<Vec<_>>(), &handler, &Progress::default()).await;
        assert_eq!(done, messages.len());
        let runs = handler.runs.lock().expect("no panic");
        let [run] = runs.as_slice() else { panic!("one run, got {}", runs.len()) };
        let concerning = messages.iter().filter(|message| concerns(message));
        let sent = concerning.map(|message| read_envelope(message).expect("readable").id);
        assert!(run.iter().map(|incoming| incoming.receipt.event_id).eq(sent));
        assert!(!run.is_empty() && run.len() < messages.len());
    }

    #[tokio::test]
    async fn a_long_run_is_handed_over_in_parts() {
        let (messages, handler) = (messages(), Handler::default());
        let all: Vec<_> = messages.iter().cycle().take(messages.len() * 2 * PART).collect();
        assert_eq!(handle(&all, &handler, &Progress::default()).await, all.len());
        let sizes: Vec<usize> = handler.runs.lock().expect("no panic").iter().map(Vec::len).collect();
        assert!(sizes.len() > 1 && sizes.iter().all(|size| *size <= PART), "{sizes:?}");
    }

    #[tokio::test]
    async fn what_was_taken_before_a_part_was_refused_is_not_taken_again() {
        let messages = messages();
        let all: Vec<_> = messages.iter().cycle().take(messages.len() * 2 * PART).collect();
        for takes in [0, 1] {
            let handler = Handler { takes, ..Handler::default() };
            let done = handle(&all, &handler, &Progress::default()).await;
            assert!(concerns(all[done]), "the first one that is left");
            let concerned = all[..done].iter().filter(|message| concerns(message)).count();
            assert_eq!((concerned, handler.runs.lock().expect("no panic").len()), (takes * PART, takes));
        }
    }

    #[tokio::test]
    async fn a_run_with_a_dead_letter_in_it_reaches_nobody() {
        let (mut messages, handler) = (messages(), Handler::default());
        let closes = messages.iter().position(|message| {
            read_envelope(message).expect("readable").event_type == "outcry.bidding.auction.closed.v1"
        });
        let place = closes.expect("an auction closes");
        let (headers, broken) = (messages[place].headers().cloned(), Some(b"{}".to_vec()));
        messages[place] = OwnedMessage::new(broken, None, "t".into(), Timestamp::NotAvailable, 0, 0, headers);
        assert_eq!(handle(&messages.iter().collect::<Vec<_>>(), &handler, &Progress::default()).await, 0);
        assert!(handler.runs.lock().expect("no panic").is_empty());
    }
}
