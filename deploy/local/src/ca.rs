//! The development certificate authority: it vouches for this machine only, and issues what the services,
//! the broker and the databases show each other. Leaf certificates are issued anew at every start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints,
};
use time::{Duration, OffsetDateTime};

use crate::files;
use crate::layout::DataDir;

const CA_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 397;
/// An authority with less than this left is replaced: what it issues must not outlive it.
const RENEW_DAYS: i64 = LEAF_DAYS + 1;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Answers TLS on this machine's addresses, and may call others (a broker calls itself).
    Server,
    /// Shows Kafka who is calling; the common name is the principal.
    Client,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub cert: PathBuf,
    /// The private key, PKCS#8.
    pub key: PathBuf,
}

impl Identity {
    /// Where the certificate of `name` is: `tls/<name>.pem`, a server's `tls/<name>-server.pem`.
    pub fn of(data_dir: &DataDir, name: &str, purpose: Purpose) -> Self {
        let role = if purpose == Purpose::Server { "-server" } else { "" };
        let file = |kind: &str| data_dir.tls_dir().join(format!("{name}{role}{kind}.pem"));
        Self { cert: file(""), key: file("-key") }
    }
}

/// The authority of a data directory.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    data_dir: DataDir,
}

impl Authority {
    /// The authority of `data_dir`: made at the first start, and again when it is about to expire.
    pub fn open(data_dir: &DataDir) -> Result<Self> {
        let (cert_file, key_file) = (data_dir.ca_file(), data_dir.ca_key_file());
        files::create_dir(&data_dir.tls_dir())?;
        let now = OffsetDateTime::now_utc();
        if !key_file.exists()
            || !cert_file.exists()
            || expiry(&files::read(&cert_file)?)? - now < Duration::days(RENEW_DAYS)
        {
            create(data_dir, now, now + Duration::days(CA_DAYS))?;
        }
        let key = KeyPair::from_pem(&files::read(&key_file)?).with_context(|| {
            format!("{} is not a private key; delete it to get a new authority", key_file.display())
        })?;
        let issuer = Issuer::from_ca_cert_pem(&files::read(&cert_file)?, key)
            .with_context(|| format!("{} is not a certificate; delete it to get a new one", cert_file.display()))?;
        Ok(Self { issuer, data_dir: data_dir.clone() })
    }

    /// Issues a certificate for `name` and keeps it among the data directory's.
    pub fn issue(&self, name: &str, purpose: Purpose) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let cert = leaf_params(name, purpose, OffsetDateTime::now_utc())?.signed_by(&key, &self.issuer)?;
        let identity = Identity::of(&self.data_dir, name, purpose);
        files::write_public(&identity.cert, cert.pem().as_bytes())?;
        files::write_private(&identity.key, key.serialize_pem().as_bytes())?;
        Ok(identity)
    }
}

fn create(data_dir: &DataDir, now: OffsetDateTime, until: OffsetDateTime) -> Result<()> {
    let key = KeyPair::generate()?;
    files::write_private(&data_dir.ca_key_file(), key.serialize_pem().as_bytes())?;
    files::write_public(&data_dir.ca_file(), ca_params(now, until)?.self_signed(&key)?.pem().as_bytes())
}

fn expiry(pem: &str) -> Result<OffsetDateTime> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).context("the authority's ca.pem is damaged")?;
    let cert = pem.parse_x509().context("the authority's ca.pem is damaged")?;
    Ok(cert.validity().not_after.to_datetime())
}

fn ca_params(now: OffsetDateTime, until: OffsetDateTime) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Outcry development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Someone may put this authority into a browser: it must be worthless for any other machine's name.
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(IpAddr::V4(Ipv4Addr::LOCALHOST), 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(IpAddr::V6(Ipv6Addr::LOCALHOST), 128)),
        ],
        excluded_subtrees: Vec::new(),
    });
    params.not_before = now - Duration::hours(1);
    params.not_after = until;
    Ok(params)
}

fn leaf_params(name: &str, purpose: Purpose, now: OffsetDateTime) -> Result<CertificateParams> {
    let names = match purpose {
        Purpose::Server => vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
        Purpose::Client => Vec::new(),
    };
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match purpose {
        Purpose::Server => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        Purpose::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    params.use_authority_key_identifier_extension = true;
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(LEAF_DAYS);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use x509_parser::pem::parse_x509_pem;
    use x509_parser::prelude::GeneralName;

    use super::*;

    fn opened() -> (tempfile::TempDir, DataDir, Authority) {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(dir.path().to_owned());
        files::create_dir(&data_dir.secret("")).unwrap();
        let authority = Authority::open(&data_dir).unwrap();
        (dir, data_dir, authority)
    }

    #[test]
    fn the_authority_signs_leaves_only_and_only_for_this_machine() {
        let (_dir, data_dir, _) = opened();
        let (_, pem) = parse_x509_pem(files::read(&data_dir.ca_file()).unwrap().as_bytes()).unwrap();
        let cert = pem.parse_x509().unwrap();
        let basic = cert.basic_constraints().unwrap().unwrap().value;
        assert!(basic.ca);
        assert_eq!(basic.path_len_constraint, Some(0));
        let permitted = cert.name_constraints().unwrap().unwrap().value.permitted_subtrees.clone().unwrap();
        assert!(permitted.iter().any(|subtree| subtree.base == GeneralName::DNSName("localhost")));
        assert_eq!(permitted.len(), 3);
    }

    #[test]
    fn a_server_may_also_call_and_a_client_may_not_answer() {
        let (_dir, _, authority) = opened();
        for (purpose, server_auth, names) in [(Purpose::Server, true, 3), (Purpose::Client, false, 0)] {
            let identity = authority.issue("listing-service", purpose).unwrap();
            let (_, pem) = parse_x509_pem(files::read(&identity.cert).unwrap().as_bytes()).unwrap();
            let cert = pem.parse_x509().unwrap();
            let usage = cert.extended_key_usage().unwrap().unwrap().value;
            assert!(usage.client_auth);
            assert_eq!(usage.server_auth, server_auth);
            assert_eq!(cert.subject().to_string(), "CN=listing-service");
            let alternative = cert.subject_alternative_name().unwrap().map_or(0, |san| san.value.general_names.len());
            assert_eq!(alternative, names);
        }
    }

    #[test]
    fn the_authority_is_kept_until_it_is_about_to_expire() {
        let (_dir, data_dir, _) = opened();
        let first = files::read(&data_dir.ca_file()).unwrap();
        Authority::open(&data_dir).unwrap();
        assert_eq!(files::read(&data_dir.ca_file()).unwrap(), first);
        let now = OffsetDateTime::now_utc();
        create(&data_dir, now, now + Duration::days(30)).unwrap();
        Authority::open(&data_dir).unwrap();
        let renewed = expiry(&files::read(&data_dir.ca_file()).unwrap()).unwrap();
        assert!(renewed - now > Duration::days(3000), "{renewed}");
    }
}
