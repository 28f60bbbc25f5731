//! The listening side: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, and bounds for what a peer may hold.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum::Router;
use axum_server::{
    Handle,
    accept::{Accept, NoDelayAcceptor},
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use futures::future::BoxFuture;
use hyper_util::rt::TokioTimer;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower_http::add_extension::AddExtension;

/// Most connections at once; each takes some 30 KiB.
const MAX_CONNECTIONS: usize = 4096;
/// A peer has so long for its handshake, and again for its request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Requests of one HTTP/2 connection at once.
const MAX_STREAMS: u32 = 256;

/// How connections are made, with this certificate chain and its key.
///
/// # Errors
/// A pair that does not fit.
pub fn config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> anyhow::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the TLS key does not fit the certificate")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Binds a port; a taken one is told by its number.
///
/// # Errors
/// When it cannot be bound.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until `handle` says otherwise.
///
/// # Errors
/// When accepting fails for good.
pub async fn serve(
    listener: TcpListener,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    router: Router,
) -> io::Result<()> {
    let acceptor = Bounded {
        places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        inner: RustlsAcceptor::new(tls).handshake_timeout(HEAD_WITHIN).acceptor(NoDelayAcceptor::new()),
    };
    let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle);
    let builder = server.http_builder();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_header_list_size(32 * 1024);
    server.serve(router.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// TLS on a socket that sends at once: an answer of several segments would wait for the peer to acknowledge the first of
/// them, which it puts off for 40 ms (RFC 1122, 4.2.3.2 and 4.2.3.4).
type Tls = RustlsAcceptor<NoDelayAcceptor>;

/// Holds a place for every connection, and turns away what finds none.
#[derive(Clone)]
struct Bounded {
    places: Arc<Semaphore>,
    inner: Tls,
}

impl<S> Accept<TcpStream, S> for Bounded
where
    S: Send + 'static,
{
    type Stream = <Tls as Accept<TcpStream, S>>::Stream;
    /// The place goes back when the connection's service is dropped.
    type Service = AddExtension<<Tls as Accept<TcpStream, S>>::Service, Arc<OwnedSemaphorePermit>>;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let inner = self.inner.clone();
        Box::pin(async move {
            let place = place.map_err(|_| io::Error::other("too many connections"))?;
            let (stream, service) = inner.accept(stream, service).await?;
            Ok((stream, AddExtension::new(service, Arc::new(place))))
        })
    }
}
