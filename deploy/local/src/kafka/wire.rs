//! One TLS connection to a broker, and requests over it in Kafka's own protocol.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ca::{Identity, Purpose};
use crate::endpoints::Endpoints;
use crate::files;
use crate::layout::{DataDir, Service};

/// No answer to what this program asks is larger.
const ANSWER_MAX_BYTES: i32 = 16 * 1024 * 1024;

/// A TLS client that shows `identity` and trusts what `ca_pem` signed.
pub fn tls(ca_pem: &str, identity: &Identity) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    let chain = CertificateDer::pem_file_iter(&identity.cert)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&identity.key)?;
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?))
}

/// A request and the answer that belongs to it.
pub trait Exchange: Encodable + HeaderVersion + Message {
    /// What the request is called on the wire.
    const KEY: ApiKey;
    /// The answer.
    type Answer: Decodable + HeaderVersion;
}

/// A connection.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    correlation: i32,
}

impl Connection {
    /// Connects to the marketplace's broker with the rights of `service`.
    pub async fn of(data_dir: &DataDir, endpoints: &Endpoints, service: Service) -> Result<Self> {
        let identity = Identity::of(data_dir, &service.name(), Purpose::Client);
        let tls = tls(&files::read(&endpoints.ca_file)?, &identity)?;
        Self::open(&endpoints.kafka, tls).await
    }

    /// Connects to `address`, `host:port`.
    pub async fn open(address: &str, tls: Arc<ClientConfig>) -> Result<Self> {
        let (host, _) = address.rsplit_once(':').with_context(|| format!("`{address}` is not host:port"))?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        let tcp = TcpStream::connect(address).await.with_context(|| format!("no Kafka at {address}"))?;
        let stream = TlsConnector::from(tls).connect(name, tcp).await;
        let stream = stream.with_context(|| format!("Kafka at {address} and this program do not trust each other"))?;
        Ok(Self { stream, correlation: 0 })
    }

    /// Sends `request` in its newest version up to `version`, and reads the answer.
    pub async fn ask<R: Exchange>(&mut self, request: &R, version: i16) -> Result<R::Answer> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY as i16)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("outcry")));
        let mut message = BytesMut::new();
        header.encode(&mut message, R::header_version(version))?;
        request.encode(&mut message, version)?;
        self.stream.write_i32(i32::try_from(message.len())?).await?;
        self.stream.write_all(&message).await?;
        self.stream.flush().await?;

        let length = self.stream.read_i32().await.context("Kafka closed the connection")?;
        ensure!((0..=ANSWER_MAX_BYTES).contains(&length), "Kafka's answer has an impossible length of {length} bytes");
        let mut answer = vec![0; usize::try_from(length)?];
        self.stream.read_exact(&mut answer).await?;
        let mut answer = Bytes::from(answer);
        let header = ResponseHeader::decode(&mut answer, R::Answer::header_version(version))?;
        ensure!(header.correlation_id == self.correlation, "Kafka answered another question");
        R::Answer::decode(&mut answer, version).map_err(|fault| anyhow!("Kafka's answer is not understood: {fault}"))
    }
}
