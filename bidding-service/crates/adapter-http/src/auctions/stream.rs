//! The live stream as server-sent events (WHATWG HTML §9.2): numbered, resumable, and ended by us
//! with a hint when to come again.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use bidding_application::stream::EventStream;
use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::{places::Place, stream_event::StreamEvent};

/// A silent stream says so often that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a client comes again after we ended the stream.
const RETRY: Duration = Duration::from_secs(1);

/// All events from where the reader left off, then live ones until the auction is over, the service
/// ends, or the store fails: the client then resumes by `Last-Event-ID`.
pub(super) fn serve(
    events: EventStream,
    end: CancellationToken,
    place: Place,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let pages = stream::unfold((events, end, place, false), |(mut events, end, place, over)| async move {
        if over {
            return None;
        }
        let (page, over) = tokio::select! {
            page = events.next() => match page {
                Ok(Some(views)) => (views.into_iter().map(|view| event(&view.into())).collect(), false),
                Ok(None) => return None,
                Err(error) => {
                    tracing::warn!(%error, "a stream is broken off");
                    (vec![Event::default().retry(RETRY)], true)
                }
            },
            () = end.cancelled() => (vec![Event::default().retry(RETRY)], true),
        };
        Some((stream::iter(page.into_iter().map(Ok)), (events, end, place, over)))
    });
    Sse::new(pages.flatten()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

fn event(event: &StreamEvent) -> Event {
    let named = Event::default().id(event.sequence.to_string()).event(event.name());
    // Only a value that JSON lacks could fail, and the type has none.
    named.json_data(event).unwrap_or_default()
}
