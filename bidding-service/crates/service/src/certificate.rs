//! The certificate of both ports: read at start, and for new connections whenever its files were renewed in place.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum_server::tls_rustls::RustlsConfig;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::tls;

/// The files are looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A certificate chain and its key, in a file each.
pub struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    /// At the last look, or why they could not be read.
    held: Result<Contents, String>,
    served: RustlsConfig,
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// A file that cannot be read or a pair that does not fit.
    pub async fn load(cert_file: &Path, key_file: &Path) -> anyhow::Result<Self> {
        let contents = Contents::read(cert_file, key_file).await?;
        let served = RustlsConfig::from_config(Arc::new(contents.config()?));
        Ok(Self { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), held: Ok(contents), served })
    }

    /// What connections are made with; a renewal changes it for those to come.
    pub fn served(&self) -> RustlsConfig {
        self.served.clone()
    }

    /// Looks at the files again and again.
    pub async fn renew(mut self) {
        let mut due = tokio::time::interval(LOOK_EVERY);
        loop {
            due.tick().await;
            match self.look().await {
                Some(Ok(())) => tracing::info!("the HTTPS certificate was renewed; new connections get it"),
                Some(Err(reason)) => {
                    tracing::warn!(%reason, "the HTTPS certificate was not renewed; the old one stays");
                }
                None => {}
            }
        }
    }

    /// Takes over what the files hold, unless they held it at the last look. Files that are replaced one after the
    /// other may not fit at one look, and do at the next.
    async fn look(&mut self) -> Option<Result<(), String>> {
        let told = |error: anyhow::Error| format!("{error:#}");
        let held = Contents::read(&self.cert_file, &self.key_file).await.map_err(told);
        if held == self.held {
            return None;
        }
        let config = held.as_ref().map_err(String::clone).and_then(|contents| contents.config().map_err(told));
        self.held = held;
        Some(config.map(|config| self.served.reload_from_config(Arc::new(config))))
    }
}

/// What the files hold, and not when they were written: a renewal may change a link to them. It cannot be printed, for
/// one of them is a secret.
#[derive(PartialEq, Eq)]
struct Contents {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Contents {
    async fn read(cert_file: &Path, key_file: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            chain: read("OUTCRY_TLS_CERT_FILE", cert_file).await?,
            key: read("OUTCRY_TLS_KEY_FILE", key_file).await?,
        })
    }

    fn config(&self) -> anyhow::Result<ServerConfig> {
        // What the parser has to say is not told: it may quote the key.
        let chain = CertificateDer::pem_slice_iter(&self.chain).collect::<Result<Vec<_>, _>>().ok();
        let chain = chain.filter(|chain| !chain.is_empty());
        let chain = chain.context("OUTCRY_TLS_CERT_FILE names a file that is no PEM certificate chain")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).ok();
        let key = key.context("OUTCRY_TLS_KEY_FILE names a file that is no PEM key")?;
        tls::config(chain, key)
    }
}

async fn read(setting: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    let contents = tokio::fs::read(file).await;
    contents.with_context(|| format!("{setting} names {}, which cannot be read", file.display()))
}

#[cfg(test)]
mod tests {
    use std::{
        fs, io,
        net::{SocketAddr, TcpStream},
    };

    use axum::Router;
    use axum_server::Handle;
    use rcgen::{CertifiedKey, KeyPair};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};
    use tempfile::TempDir;

    use super::*;

    const NAME: &str = "outcry.example";

    fn pair() -> CertifiedKey<KeyPair> {
        rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap()
    }

    fn write(folder: &TempDir, chain: &str, key: &str) {
        fs::write(folder.path().join("tls.crt"), chain).unwrap();
        fs::write(folder.path().join("tls.key"), key).unwrap();
    }

    /// A port that is open, and the folder that its certificate is in.
    struct Port {
        folder: TempDir,
        certificate: Certificate,
        address: SocketAddr,
    }

    impl Port {
        async fn open(pair: &CertifiedKey<KeyPair>) -> Self {
            // The first provider installed counts; a second attempt is no fault.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let folder = tempfile::tempdir().unwrap();
            write(&folder, &pair.cert.pem(), &pair.signing_key.serialize_pem());
            let (cert_file, key_file) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
            let certificate = Certificate::load(&cert_file, &key_file).await.unwrap();
            let listener = tls::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(tls::serve(listener, certificate.served(), Handle::new(), Router::new()));
            Self { folder, certificate, address }
        }

        /// A new connection of one who trusts this certificate and no other; the protocol that was agreed on.
        fn greet(&self, trusted: &CertifiedKey<KeyPair>) -> io::Result<Vec<u8>> {
            let mut roots = RootCertStore::empty();
            roots.add(trusted.cert.der().clone()).unwrap();
            let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            config.alpn_protocols = vec![b"h2".to_vec()];
            let name = ServerName::try_from(NAME).unwrap();
            let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
            connection.complete_io(&mut TcpStream::connect(self.address)?)?;
            Ok(connection.alpn_protocol().unwrap_or_default().to_vec())
        }

        async fn tells_once_and_still_shows(&mut self, shown: &CertifiedKey<KeyPair>) {
            assert!(matches!(self.certificate.look().await, Some(Err(_))), "it is told");
            assert_eq!(self.certificate.look().await, None, "it was told already");
            self.greet(shown).unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_renewed_certificate_is_shown_to_the_next_connection() {
        let (first, second) = (pair(), pair());
        let mut port = Port::open(&first).await;
        assert_eq!(port.certificate.look().await, None, "nothing was renewed");
        assert_eq!(port.greet(&first).unwrap(), b"h2");

        write(&port.folder, &second.cert.pem(), &second.signing_key.serialize_pem());
        assert_eq!(port.certificate.look().await, Some(Ok(())));

        assert_eq!(port.greet(&second).unwrap(), b"h2", "all else is as before");
        assert!(port.greet(&first).is_err(), "the old one is shown to nobody any more");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_shown_is_told_once_and_the_old_certificate_stays() {
        let (first, second) = (pair(), pair());
        let mut port = Port::open(&first).await;
        let old_key = first.signing_key.serialize_pem();
        let (chain, key) = (second.cert.pem(), second.signing_key.serialize_pem());
        let half_of_it = &chain[..chain.len() / 2];

        for (chain, key) in [(chain.as_str(), old_key.as_str()), (half_of_it, key.as_str()), (chain.as_str(), "")] {
            write(&port.folder, chain, key);
            port.tells_once_and_still_shows(&first).await;
        }
        fs::remove_file(port.folder.path().join("tls.crt")).unwrap();
        port.tells_once_and_still_shows(&first).await;

        write(&port.folder, &chain, &key);
        assert_eq!(port.certificate.look().await, Some(Ok(())), "what does fit is taken over after all");
        port.greet(&second).unwrap();
    }
}
