//! Reads `text/event-stream` (WHATWG HTML, 9.2) as it comes.

use std::{pin::Pin, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::{
    client::Person,
    world::{Service, World},
};

/// One event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// Its number.
    pub id: Option<u64>,
    /// Its name.
    pub name: String,
    /// Its data as JSON.
    pub data: Value,
    /// The data as it came.
    pub text: String,
}

/// An open stream.
pub struct EventStream<'w> {
    world: &'w World,
    path: String,
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    buffer: String,
    /// Every `retry:` hint so far, milliseconds.
    pub retry_ms: Vec<u64>,
    /// Everything that came, as it came.
    pub transcript: String,
}

impl<'w> EventStream<'w> {
    /// Opens the live stream of an auction, after event `last` if given.
    pub async fn open(person: &Person<'w>, auction: &str, last: Option<u64>) -> Result<Self> {
        let path = format!("/v1/auctions/{auction}/stream");
        let mut request = person.request(Method::GET, Service::Bidding, &path).header("accept", "text/event-stream");
        // A stream ends when its auction does; the client's usual limit is for answers.
        request = request.timeout(Duration::from_secs(300));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        Self::of(person.world, path, person.world.open(request).await?)
    }

    fn of(world: &'w World, path: String, response: Response) -> Result<Self> {
        let media_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        ensure!(media_type.is_some_and(|value| value.starts_with("text/event-stream")), "it is {media_type:?}");
        let bytes = Box::pin(response.bytes_stream());
        Ok(Self { world, path, bytes, buffer: String::new(), retry_ms: Vec::new(), transcript: String::new() })
    }

    /// The next event; none when the stream has ended.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Event>> {
        tokio::time::timeout(within, self.read()).await.with_context(|| format!("no event within {within:?}"))?
    }

    /// All events up to the end of the stream.
    pub async fn rest(&mut self, within: Duration) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        while let Some(event) = self.next(within).await? {
            events.push(event);
        }
        Ok(events)
    }

    async fn read(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = self.parse(&block)? {
                    return Ok(Some(event));
                }
            }
            match self.bytes.next().await {
                Some(chunk) => {
                    let chunk = chunk.context("the stream broke off")?;
                    let text = std::str::from_utf8(&chunk).context("the stream is UTF-8")?.replace("\r\n", "\n");
                    self.transcript.push_str(&text);
                    self.buffer.push_str(&text);
                }
                None if self.buffer.trim().is_empty() => return Ok(None),
                None => bail!("the stream ends inside an event: {:?}", self.buffer),
            }
        }
    }

    fn parse(&mut self, block: &str) -> Result<Option<Event>> {
        let mut event = Event::default();
        for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => event.id = Some(value.parse().with_context(|| format!("an id is a number: {line}"))?),
                "event" => value.clone_into(&mut event.name),
                "data" => event.text.push_str(value),
                "retry" => self.retry_ms.push(value.parse().with_context(|| format!("a hint is a number: {line}"))?),
                other => bail!("an event stream has no field {other:?}"),
            }
        }
        if event.text.is_empty() {
            return Ok(None);
        }
        event.data = serde_json::from_str(&event.text).with_context(|| format!("no JSON: {}", event.text))?;
        self.world.answers.take_event(Service::Bidding, &self.path, &event.data)?;
        Ok(Some(event))
    }
}
