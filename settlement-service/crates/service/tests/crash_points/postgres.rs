//! Stands between the service and its database and sees every unit of work pass. The service speaks plainly to it; to the
//! server it speaks TLS like everybody.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use reqwest::Url;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::frames::{self, Message, Session};
use crate::watch::Watch;

/// What a client says to be allowed to speak TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// Messages that wait to be taken.
const WAITING: usize = 64;

/// Where the server is.
pub struct Server {
    address: String,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Server {
    /// Of a URL with `sslrootcert`.
    pub fn of(url: &str) -> Result<Self> {
        let url: Url = url.parse()?;
        let host = url.host_str().context("the database URL names no host")?;
        let root = url.query_pairs().find(|(name, _)| name == "sslrootcert").context("it names no sslrootcert")?.1;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(Path::new(root.as_ref()))? {
            roots.add(certificate?)?;
        }
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self {
            address: format!("{host}:{}", url.port().unwrap_or(5432)),
            name: ServerName::try_from(host.to_owned())?,
            tls: TlsConnector::from(Arc::new(tls)),
        })
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&SSL_REQUEST).await?;
        if stream.read_u8().await? != b'S' {
            return Err(io::Error::other("the server speaks no TLS"));
        }
        self.tls.connect(self.name.clone(), stream).await
    }
}

/// Stands at the address it answers with until the runtime ends.
pub async fn stand_before(server: Server, watch: Arc<Watch>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Arc::new(server);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (server, watch) = (Arc::clone(&server), Arc::clone(&watch));
            // A connection that breaks off is one of a service that was killed.
            tokio::spawn(async move { serve(client, &server, &watch).await });
        }
    });
    Ok(address)
}

async fn serve(mut client: TcpStream, server: &Server, watch: &Watch) -> io::Result<()> {
    client.set_nodelay(true)?;
    // The first message has no kind.
    let startup = frames::read_body(&mut client).await?;
    let mut server = server.connect().await?;
    server.write_all(&[&frames::length(&startup)[..], &startup].concat()).await?;
    server.flush().await?;
    let (client_reads, mut client) = tokio::io::split(client);
    let (server_reads, mut server) = tokio::io::split(server);
    // Whoever leaves here hangs up on both sides.
    let mut readers = JoinSet::new();
    let mut from_client = messages(&mut readers, client_reads);
    let mut from_server = messages(&mut readers, server_reads);

    let (mut session, mut group) = (Session::default(), Vec::new());
    let mut is_ready = false;
    loop {
        let message = tokio::select! {
            message = from_client.recv() => message,
            message = from_server.recv() => {
                let Some(message) = message else { return Ok(()) };
                is_ready |= message.kind == b'Z';
                client.write_all(&message.bytes()).await?;
                continue;
            }
        };
        let Some(message) = message else { return Ok(()) };
        // Until the server is ready, password and proof go to and fro.
        let is_whole = message.ends_a_group() || !is_ready || message.kind == b'X';
        group.push(message);
        if !is_whole {
            continue;
        }
        let group = std::mem::take(&mut group);
        let meant = session.hears(&group);
        let occurrence = watch.foresees(&meant);
        if watch.cuts_before(&occurrence).await {
            return Ok(());
        }
        let bytes: Vec<u8> = group.iter().flat_map(Message::bytes).collect();
        server.write_all(&bytes).await?;
        server.flush().await?;
        if !group.last().is_some_and(Message::ends_a_group) {
            continue;
        }
        let mut answer = Vec::new();
        while answer.last().is_none_or(|last: &Message| last.kind != b'Z') {
            let Some(message) = from_server.recv().await else { break };
            answer.push(message);
        }
        if let Some(ready) = answer.last().filter(|last| last.kind == b'Z') {
            session.is_ready(ready);
        }
        let occurrence = watch.learns(&meant, &answer, occurrence);
        if watch.cuts_after(&occurrence).await {
            return Ok(());
        }
        let bytes: Vec<u8> = answer.iter().flat_map(Message::bytes).collect();
        client.write_all(&bytes).await?;
    }
}

fn messages<R>(readers: &mut JoinSet<()>, from: ReadHalf<R>) -> Receiver<Message>
where
    R: AsyncRead + Send + 'static,
{
    let (to, messages) = channel(WAITING);
    readers.spawn(pass_on(from, to));
    messages
}

async fn pass_on(mut from: ReadHalf<impl AsyncRead>, to: Sender<Message>) {
    while let Ok(Some(message)) = Message::read(&mut from).await {
        if to.send(message).await.is_err() {
            return;
        }
    }
}
