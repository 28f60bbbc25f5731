//! TLS and nothing else: no plain HTTP, no old versions or ciphers, HTTP/2 by ALPN, a certificate of the authority; and
//! the broker wants one of each client.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use reqwest::{Url, Version};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use testcontainers_suite::{
    trials, trials_of_each_service,
    world::{Service, World},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// TLS record types (RFC 8446 §5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Cipher suites (the IANA's registry of TLS parameters): first what is spoken by 1.2, then what is spoken never.
const MODERN: [u16; 6] = [0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9];
const OUTDATED: [(&str, &[u16]); 7] = [
    ("no encryption", &[0x0001, 0x0002, 0x003b, 0xc006, 0xc010]),
    ("export ciphers", &[0x0003, 0x0006, 0x0008, 0x0014]),
    ("RC4, DES and 3DES", &[0x0004, 0x0005, 0x0009, 0x000a, 0x0016, 0xc007, 0xc008, 0xc011, 0xc012]),
    ("nobody's signature", &[0x0018, 0x001b, 0x0034, 0x006c, 0xc018, 0xc019]),
    ("keys without forward secrecy", &[0x002f, 0x0035, 0x003c, 0x003d, 0x009c, 0x009d]),
    ("finite fields", &[0x0033, 0x0039, 0x0067, 0x006b, 0x009e, 0x009f]),
    ("CBC", &[0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc024, 0xc027, 0xc028]),
];

pub fn trials() -> Vec<Trial> {
    let mut trials = trials!("conformance::tls": kafka_takes_nobody_without_a_certificate);
    trials.extend(of_each_service());
    trials
}

fn of_each_service() -> Vec<Trial> {
    trials_of_each_service!("conformance::tls":
        plain_http_gets_no_answer_that_tells_anything,
        tls_1_2_and_1_3_are_spoken,
        older_versions_are_refused,
        outdated_ciphers_are_refused,
        http_2_and_http_1_1_are_spoken,
        the_certificate_is_of_the_authority_and_no_other,
        a_client_that_says_nothing_holds_up_nobody,
    )
}

/// Both doors of the service: the public one and the operator's.
fn doors(world: &World, service: Service) -> Result<[String; 2]> {
    let admin = world.endpoints.admin.get(service.context()).context("no operator's port")?;
    let address = |url: &str| {
        let url = Url::parse(url)?;
        anyhow::Ok(format!("{}:{}", url.host_str().context("a host")?, url.port().context("a port")?))
    };
    Ok([address(world.endpoints.api(service))?, address(admin)?])
}

/// Sends bytes as they are and reads what comes back until the other side is done.
async fn exchange(address: &str, sent: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(sent).await?;
    let mut answer = vec![0; 16_384];
    let mut length = 0;
    let read = async {
        // A reset is the end of an answer, too.
        while let Ok(count @ 1..) = stream.read(&mut answer[length..]).await {
            length += count;
            if answer[0] == HANDSHAKE {
                break;
            }
        }
    };
    tokio::time::timeout(ANSWERS_WITHIN, read).await.context("the connection is neither answered nor ended")?;
    answer.truncate(length);
    Ok(answer)
}

async fn plain_http_gets_no_answer_that_tells_anything(world: Arc<World>, service: Service) -> Result<()> {
    for door in doors(&world, service)? {
        for request in [
            &b"GET /healthz/live HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"POST /v1/listings HTTP/1.0\r\n\r\n",
        ] {
            let answer = exchange(&door, request).await?;
            let silent = answer.is_empty() || answer[0] == ALERT && answer.len() <= 16;
            ensure!(silent, "{door} answers {:?}", String::from_utf8_lossy(&answer));
        }
    }
    Ok(())
}

fn roots(world: &World) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&world.endpoints.ca_file)? {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

fn config(world: &World, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_protocol_versions(versions);
    let mut config = builder.with_root_certificates(roots(world)?).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

async fn connect(address: &str, config: ClientConfig) -> Result<TlsStream<TcpStream>> {
    let name = address.split(':').next().unwrap_or_default().to_owned();
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name)?, stream).await.map_err(|e| anyhow!(e))
    };
    tokio::time::timeout(ANSWERS_WITHIN, connecting).await.context("no handshake")?
}

async fn tls_1_2_and_1_3_are_spoken(world: Arc<World>, service: Service) -> Result<()> {
    for door in doors(&world, service)? {
        for (version, protocol) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
            let stream = connect(&door, config(&world, &[version], &[])?).await?;
            let spoken = stream.get_ref().1.protocol_version();
            ensure!(spoken == Some(protocol), "{door}: {spoken:?}");
        }
    }
    Ok(())
}

async fn older_versions_are_refused(world: Arc<World>, service: Service) -> Result<()> {
    for door in doors(&world, service)? {
        // The same hello that asks for 1.2 is answered: it is the version that is refused below.
        let answer = exchange(&door, &client_hello(0x03, &MODERN)).await?;
        ensure!(answer.first() == Some(&HANDSHAKE), "{door}: a hello of TLS 1.2 was answered {answer:02x?}");
        for (name, minor) in [("TLS 1.1", 0x02), ("TLS 1.0", 0x01), ("SSL 3.0", 0x00)] {
            // What those versions had, beside what this one has.
            let suites = [&MODERN[..], &[0xc009, 0xc013, 0x002f, 0x000a]].concat();
            let answer = exchange(&door, &client_hello(minor, &suites)).await?;
            ensure!(refused(&answer), "{door} speaks {name}: {answer:02x?}");
        }
    }
    Ok(())
}

async fn outdated_ciphers_are_refused(world: Arc<World>, service: Service) -> Result<()> {
    for door in doors(&world, service)? {
        for (name, suites) in OUTDATED {
            let answer = exchange(&door, &client_hello(0x03, suites)).await?;
            ensure!(refused(&answer), "{door} speaks {name}: {answer:02x?}");
        }
        let mut spoken = 0;
        for suite in MODERN {
            spoken += usize::from(!refused(&exchange(&door, &client_hello(0x03, &[suite])).await?));
        }
        ensure!(spoken >= 2, "{door} speaks {spoken} of the modern suites: nothing is refused for what it is");
    }
    Ok(())
}

fn refused(answer: &[u8]) -> bool {
    answer.is_empty() || answer[0] == ALERT
}

/// Mutual TLS: who has no certificate is asked for one and gets no answer, whatever else is right.
async fn kafka_takes_nobody_without_a_certificate(world: Arc<World>) -> Result<()> {
    /// Length, key 18 (`ApiVersions`), version 0, correlation id 7, no client id: who may talk is answered by the same id.
    const ASK: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    let door = &world.endpoints.kafka;
    let plain = exchange(door, &ASK).await?;
    ensure!(refused(&plain), "without TLS it answers {plain:02x?}");
    for minor in [0x02, 0x01] {
        let answer = exchange(door, &client_hello(minor, &MODERN)).await?;
        ensure!(refused(&answer), "it speaks TLS 3.{minor}: {answer:02x?}");
    }
    for version in [&TLS12, &TLS13] {
        let anonymous = config(&world, &[version], &[])?;
        let answered = ask(door, anonymous, &ASK).await;
        ensure!(answered.is_err(), "it answers somebody without a certificate: {answered:02x?}");
        let file = |name: &str| world.endpoints.tls_dir.join(name);
        let chain = CertificateDer::pem_file_iter(file("listing-service.pem"))?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(file("listing-service-key.pem"))?;
        let known = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots(&world)?)
            .with_client_auth_cert(chain, key)?;
        let answer = ask(door, known, &ASK).await.context("with listing's certificate")?;
        ensure!(answer[4..8] == [0, 0, 0, 7], "it answers {answer:02x?}");
    }
    Ok(())
}

/// The first bytes of what a broker answers.
async fn ask(address: &str, config: ClientConfig, question: &[u8]) -> Result<[u8; 8]> {
    let asked = async {
        let mut stream = connect(address, config).await?;
        stream.write_all(question).await?;
        stream.flush().await?;
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await?;
        anyhow::Ok(answer)
    };
    tokio::time::timeout(ANSWERS_WITHIN, asked).await.context("neither answered nor ended")?
}

/// A `ClientHello` of version 3.`minor` and no later one (RFC 5246 §7.4.1.2).
fn client_hello(minor: u8, suites: &[u16]) -> Vec<u8> {
    let mut extensions = Vec::new();
    for (kind, data) in [
        (0x000a_u16, &[0x00, 0x04, 0x00, 0x17, 0x00, 0x1d][..]), // groups: P-256, X25519
        (0x000b, &[0x01, 0x00]),                                 // points: uncompressed
        (0x000d, &[0x00, 0x06, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01]), // ECDSA-P256, RSA-PSS, RSA with SHA-256
        (0x0017, &[]),                                           // extended master secret
    ] {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(length(data.len()));
        extensions.extend(data);
    }
    let mut hello = vec![0x03, minor];
    hello.extend([0x5a; 32]);
    hello.push(0);
    hello.extend(length(suites.len() * 2));
    hello.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    hello.extend([1, 0]);
    hello.extend(length(extensions.len()));
    hello.extend(extensions);
    let mut record = vec![HANDSHAKE, 0x03, 0x01];
    record.extend(length(hello.len() + 4));
    record.extend([1, 0]);
    record.extend(length(hello.len()));
    record.extend(hello);
    record
}

fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

async fn http_2_and_http_1_1_are_spoken(world: Arc<World>, service: Service) -> Result<()> {
    for door in doors(&world, service)? {
        for (offered, chosen) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"], "http/1.1")] {
            let stream = connect(&door, config(&world, &[&TLS13, &TLS12], offered)?).await?;
            let alpn = stream.get_ref().1.alpn_protocol().map(String::from_utf8_lossy);
            ensure!(alpn.as_deref() == Some(chosen), "{door}: of {offered:?} it takes {alpn:?}");
        }
    }
    let answer = world.ask(world.http.get(format!("{}/healthz/live", world.endpoints.api(service)))).await?;
    ensure!(answer.version == Version::HTTP_2, "answered by {:?}", answer.version);
    Ok(())
}

async fn the_certificate_is_of_the_authority_and_no_other(world: Arc<World>, service: Service) -> Result<()> {
    for door in doors(&world, service)? {
        let mut strangers = config(&world, &[&TLS13], &[])?;
        connect(&door, strangers.clone()).await.context("the authority that clients are given")?;
        strangers = ClientConfig::builder_with_protocol_versions(&[&TLS13])
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        ensure!(connect(&door, strangers).await.is_err(), "{door} is trusted without its authority");
    }
    Ok(())
}

async fn a_client_that_says_nothing_holds_up_nobody(world: Arc<World>, service: Service) -> Result<()> {
    let [door, _] = doors(&world, service)?;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(&door).await?);
    }
    let live = world.http.get(format!("{}/healthz/live", world.endpoints.api(service)));
    let answer = tokio::time::timeout(Duration::from_secs(10), world.ask(live)).await.context("held up")??;
    ensure!(answer.status == 200, "answered {}", answer.status);
    Ok(())
}
