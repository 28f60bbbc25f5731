//! A collector of traces: it takes what the services tell by OTLP over HTTP, in protobuf, and keeps the spans.

#[cfg(test)]
mod tests;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, ensure};
use prost::Message;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// No body is larger: the services' exporter sends none that is.
const LARGEST: usize = 64 * 1024 * 1024;

/// A span as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Who told of it: `service.name` of the resource.
    pub service: String,
    /// What was done.
    pub name: String,
    /// Of which trace it is.
    pub trace_id: u128,
    /// Its own id.
    pub id: u64,
    /// The id of the span that caused it; 0 when none did.
    pub parent: u64,
}

#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    faults: Vec<String>,
}

/// A collector that listens until it is dropped.
pub struct Collector {
    taken: Arc<Mutex<Taken>>,
    accepting: JoinHandle<()>,
}

impl Collector {
    /// Listens at an address of this machine.
    pub async fn at(address: SocketAddr) -> Result<Self> {
        Ok(Self::of(TcpListener::bind(address).await.context("the collector cannot listen")?))
    }

    fn of(listener: TcpListener) -> Self {
        let taken = Arc::new(Mutex::new(Taken::default()));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&taken)));
        Self { taken, accepting }
    }

    /// What has come of a trace. It fails once anything has come that is no OTLP.
    pub fn spans_of(&self, trace_id: u128) -> Result<Vec<Span>> {
        let taken = locked(&self.taken);
        ensure!(taken.faults.is_empty(), "the collector cannot read what it is told: {:?}", taken.faults);
        Ok(taken.spans.iter().filter(|span| span.trace_id == trace_id).cloned().collect())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn locked(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, taken: Arc<Mutex<Taken>>) {
    // They end with this.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let taken = Arc::clone(&taken);
        connections.spawn(async move {
            // A service that is ending may break off; what came whole before counts.
            let _ = serve(stream, &taken).await;
        });
    }
}

async fn serve(stream: TcpStream, taken: &Mutex<Taken>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = next(&mut stream).await? {
        let status = match spans_in(&request) {
            Ok(spans) => {
                locked(taken).spans.extend(spans);
                "200 OK"
            }
            Err(fault) => {
                locked(taken).faults.push(format!("{}: {fault:#}", request.line));
                "400 Bad Request"
            }
        };
        // An empty body says that all of it was taken.
        let answer = format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

struct Request {
    line: String,
    body: Vec<u8>,
}

/// The connection's next request, if there is a whole one.
async fn next(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut length = 0_usize;
    loop {
        let mut header = String::new();
        if stream.read_line(&mut header).await? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().map_err(io::Error::other)?;
        }
    }
    if length > LARGEST {
        return Err(io::Error::other("the body is too large"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { line: line.trim_end().to_owned(), body }))
}

fn spans_in(request: &Request) -> Result<Vec<Span>> {
    ensure!(request.line.starts_with("POST /v1/traces "), "traces are posted to /v1/traces");
    let export = otlp::Export::decode(request.body.as_slice())?;
    let mut spans = Vec::new();
    for told in export.resource_spans {
        let attributes = told.resource.map(|resource| resource.attributes).unwrap_or_default();
        let named = attributes.into_iter().find(|attribute| attribute.key == "service.name");
        let service = named.and_then(|attribute| attribute.value).context("the resource has no service.name")?.text;
        for span in told.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                service: service.clone(),
                name: span.name,
                trace_id: u128::from_be_bytes(bytes_of(&span.trace_id)?),
                id: u64::from_be_bytes(bytes_of(&span.id)?),
                parent: if span.parent.is_empty() { 0 } else { u64::from_be_bytes(bytes_of(&span.parent)?) },
            });
        }
    }
    Ok(spans)
}

fn bytes_of<const LENGTH: usize>(id: &[u8]) -> Result<[u8; LENGTH]> {
    <[u8; LENGTH]>::try_from(id).with_context(|| format!("an id has {} bytes instead of {LENGTH}", id.len()))
}

/// The messages of OTLP, with those of their fields that matter here.
#[allow(clippy::pedantic)] // of what `Message` derives
mod otlp {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub struct Export {
        #[prost(message, repeated, tag = "1")]
        pub resource_spans: Vec<ResourceSpans>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct ResourceSpans {
        #[prost(message, optional, tag = "1")]
        pub resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub scope_spans: Vec<ScopeSpans>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub attributes: Vec<Attribute>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Attribute {
        #[prost(string, tag = "1")]
        pub key: String,
        #[prost(message, optional, tag = "2")]
        pub value: Option<Value>,
    }

    /// Empty when it is no text.
    #[derive(Clone, PartialEq, Message)]
    pub struct Value {
        #[prost(string, tag = "1")]
        pub text: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct ScopeSpans {
        #[prost(message, repeated, tag = "2")]
        pub spans: Vec<Span>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub id: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub parent: Vec<u8>,
        #[prost(string, tag = "5")]
        pub name: String,
    }
}
