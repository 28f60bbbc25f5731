//! A lean client over TLS, HTTP/1.1 or HTTP/2: one connection that stays open, one request at a time, as few allocations
//! as the load it makes allows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A server that does not take a connection for so long counts as absent.
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);
/// An answer that takes longer is not awaited.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// What is spoken over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The cheaper one to make load with. A server may close a connection that rests for some seconds.
    Http1,
    /// The one that people's programs speak. A connection stays for as long as both sides are there.
    Http2,
}

/// An instance of a service.
#[derive(Clone)]
pub struct Target {
    address: String,
    name: ServerName<'static>,
    host: HeaderValue,
    protocol: Protocol,
    tls: TlsConnector,
}

impl Target {
    /// The instances at `urls`, trusted by the authority in `ca_file`.
    pub fn all(urls: &[String], ca_file: &Path, protocol: Protocol) -> Result<Vec<Self>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca_file).context("cannot read the development authority")?)?;
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![match protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        let tls = TlsConnector::from(Arc::new(config));
        ensure!(!urls.is_empty(), "there is no instance to be measured");
        urls.iter().map(|url| Self::new(url, protocol, tls.clone())).collect()
    }

    fn new(url: &str, protocol: Protocol, tls: TlsConnector) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("`{url}` is no URL"))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.with_context(|| format!("`{url}` is no https URL"))?;
        let address = format!("{host}:{}", uri.port_u16().unwrap_or(443));
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        Ok(Self { host: HeaderValue::from_str(&address)?, address, name, protocol, tls })
    }

    /// A connection that is opened when it is first used.
    pub fn unopened(&self) -> Connection {
        Connection { sender: None, host: self.host.clone() }
    }

    /// Sends `request` over `connection`, which is opened anew if it is closed.
    ///
    /// # Errors
    /// In two words, for counting; the connection is closed then.
    pub async fn attempt(&self, connection: &mut Connection, request: &Request) -> Result<Reply, &'static str> {
        if connection.is_closed() {
            *connection = self.connect().await.map_err(|_| "no connection")?;
        }
        match tokio::time::timeout(ANSWERS_WITHIN, connection.ask(request)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => {
                connection.close();
                Err("lost connection")
            }
            Err(_) => {
                // The answer may still come; nobody must take it for the next one's.
                connection.close();
                Err("no answer in time")
            }
        }
    }

    /// Opens a connection; must be called on the thread that uses it.
    pub async fn connect(&self) -> Result<Connection> {
        let opened = tokio::time::timeout(CONNECTS_WITHIN, self.open()).await;
        opened.context("no connection in time").flatten().with_context(|| format!("cannot connect to {}", self.address))
    }

    async fn open(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(self.name.clone(), stream).await?;
        let stream = TokioIo::new(stream);
        // It ends with the sender; what goes wrong on it is told by the request that it goes wrong for.
        let sender = match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await?;
                tokio::spawn(async move {
                    let _ = connection.await;
                });
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(async move {
                    let _ = connection.await;
                });
                Sender::Http2(sender)
            }
        };
        Ok(Connection { sender: Some(sender), host: self.host.clone() })
    }
}

/// What is to be sent.
#[derive(Debug, Clone)]
pub enum Request {
    /// A read.
    Get {
        /// Path with query.
        path: Bytes,
        /// `Bearer …`.
        bearer: HeaderValue,
    },
    /// A write.
    Post(Post),
}

/// A write that is to be sent; everything in it is cheap to copy.
#[derive(Debug, Clone)]
pub struct Post {
    /// Path.
    pub path: Bytes,
    /// `Bearer …`.
    pub bearer: HeaderValue,
    /// Idempotency key.
    pub key: HeaderValue,
    /// JSON.
    pub body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Whether it is the answer of an earlier request with the same key.
    pub replayed: bool,
    /// JSON.
    pub body: Bytes,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A connection: one request at a time.
pub struct Connection {
    /// None before it is opened, and once we gave it up.
    sender: Option<Sender>,
    host: HeaderValue,
}

impl Connection {
    /// Whether one of both sides has closed it.
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            None => true,
            Some(Sender::Http1(sender)) => sender.is_closed(),
            Some(Sender::Http2(sender)) => sender.is_closed(),
        }
    }

    /// Gives it up, with whatever may still come on it.
    pub fn close(&mut self) {
        self.sender = None;
    }

    /// Sends `request` and reads the whole answer.
    pub async fn ask(&mut self, request: &Request) -> Result<Reply> {
        match request {
            Request::Get { path, bearer } => {
                let request = self.request(Method::GET, path.clone(), bearer, Full::default())?;
                self.reply(request).await
            }
            Request::Post(post) => self.post(post).await,
        }
    }

    /// Sends `post` and reads the whole answer.
    pub async fn post(&mut self, post: &Post) -> Result<Reply> {
        let mut request = self.request(Method::POST, post.path.clone(), &post.bearer, Full::new(post.body.clone()))?;
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        request.headers_mut().insert(IDEMPOTENCY_KEY, post.key.clone());
        self.reply(request).await
    }

    async fn reply(&mut self, request: hyper::Request<Full<Bytes>>) -> Result<Reply> {
        let response = self.send(request).await?;
        let status = response.status();
        let replayed = response.headers().contains_key("idempotency-replayed");
        let body = whole(response.into_body()).await?;
        Ok(Reply { status, replayed, body })
    }

    /// Asks for `path` and gives the answer as it comes.
    pub async fn follow(&mut self, path: &str, bearer: &HeaderValue) -> Result<Response<Incoming>> {
        let request = self.request(Method::GET, Bytes::copy_from_slice(path.as_bytes()), bearer, Full::default())?;
        self.send(request).await
    }

    async fn send(&mut self, request: hyper::Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        match self.sender.as_mut().context("the connection is closed")? {
            Sender::Http1(sender) => {
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                Ok(sender.send_request(request).await?)
            }
        }
    }

    fn request(
        &mut self,
        method: Method,
        path: Bytes,
        bearer: &HeaderValue,
        body: Full<Bytes>,
    ) -> Result<hyper::Request<Full<Bytes>>> {
        let mut request = hyper::Request::new(body);
        *request.method_mut() = method;
        if matches!(self.sender, Some(Sender::Http2(_))) {
            let whole = Uri::builder().scheme("https").authority(self.host.as_bytes());
            *request.uri_mut() = whole.path_and_query(path.as_ref()).build()?;
        } else {
            *request.uri_mut() = Uri::from_maybe_shared(path)?;
            request.headers_mut().insert(HOST, self.host.clone());
        }
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        Ok(request)
    }
}

/// Nearly every answer is one frame, which is then not copied.
async fn whole(mut body: Incoming) -> Result<Bytes> {
    let mut first: Option<Bytes> = None;
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(before) => {
                all.extend_from_slice(&before);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.into()))
}

/// `Bearer …` as a header that no log shows.
pub fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_named_by_an_https_url_with_or_without_a_port() {
        let tls = || {
            TlsConnector::from(Arc::new(
                ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
            ))
        };
        assert_eq!(Target::new("https://127.0.0.1:8442", Protocol::Http1, tls()).unwrap().address, "127.0.0.1:8442");
        assert_eq!(
            Target::new("https://outcry.example", Protocol::Http1, tls()).unwrap().address,
            "outcry.example:443"
        );
        for url in ["http://127.0.0.1:8442", "127.0.0.1:8442", "https://"] {
            assert!(Target::new(url, Protocol::Http1, tls()).is_err(), "{url}");
        }
    }
}
