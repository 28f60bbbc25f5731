//! The configuration: from the environment only, checked at start, every fault listed at once.

use std::{
    fmt::Display,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use chrono::TimeDelta;
use ipnet::IpNet;
use listing_adapter_http::{jwks, limits::Rate};
use listing_adapter_kafka::client::KafkaConfig;
use listing_adapter_postgres::address;
use listing_domain::terms::DurationLimits;
use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::EnvFilter;

/// Kafka takes no longer names.
const MAX_NAME_BYTES: usize = 249;

/// Everything that an operator can set.
#[derive(Debug)]
pub struct Config {
    pub production: bool,
    pub http_addr: SocketAddr,
    pub admin_addr: SocketAddr,
    pub tls_cert_file: PathBuf,
    pub tls_key_file: PathBuf,
    pub database_url: SecretString,
    pub database_max_connections: u32,
    pub kafka: KafkaConfig,
    pub jwt_issuer: String,
    pub jwt_audience: String,
    pub jwks: jwks::Source,
    pub principal_rate: Rate,
    pub address_rate: Rate,
    pub trusted_proxies: Vec<IpNet>,
    pub otlp_endpoint: Option<String>,
    pub log: String,
    pub limits: DurationLimits,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every fault, a line each.
    pub fn from_env() -> anyhow::Result<Self> {
        let mut env = Env::default();
        let production = env.production();
        let config = Self {
            production,
            http_addr: env.parsed("OUTCRY_HTTP_ADDR", (Ipv4Addr::UNSPECIFIED, 8443).into()),
            admin_addr: env.parsed("OUTCRY_ADMIN_ADDR", (Ipv4Addr::UNSPECIFIED, 9443).into()),
            tls_cert_file: env.file("OUTCRY_TLS_CERT_FILE"),
            tls_key_file: env.file("OUTCRY_TLS_KEY_FILE"),
            database_url: env.database_url("OUTCRY_DATABASE_URL", production),
            database_max_connections: env.within("OUTCRY_DATABASE_MAX_CONNECTIONS", 20, 2, 100),
            kafka: KafkaConfig {
                brokers: env.required("OUTCRY_KAFKA_BROKERS"),
                ca_file: env.file("OUTCRY_KAFKA_CA_FILE"),
                cert_file: env.file("OUTCRY_KAFKA_CERT_FILE"),
                key_file: env.file("OUTCRY_KAFKA_KEY_FILE"),
                instance: env.name("OUTCRY_INSTANCE"),
            },
            jwt_issuer: env.required("OUTCRY_JWT_ISSUER"),
            jwt_audience: env.required("OUTCRY_JWT_AUDIENCE"),
            jwks: env.jwks("OUTCRY_JWKS", "OUTCRY_JWKS_CA_FILE"),
            principal_rate: Rate {
                per_s: env.within("OUTCRY_RATE_PRINCIPAL_PER_S", 50, 0, 1_000_000),
                burst: env.within("OUTCRY_RATE_PRINCIPAL_BURST", 100, 0, 1_000_000),
            },
            address_rate: Rate {
                per_s: env.within("OUTCRY_RATE_ADDRESS_PER_S", 200, 0, 1_000_000),
                burst: env.within("OUTCRY_RATE_ADDRESS_BURST", 400, 0, 1_000_000),
            },
            trusted_proxies: env.list("OUTCRY_TRUSTED_PROXIES"),
            otlp_endpoint: env.http_url("OUTCRY_OTLP_ENDPOINT"),
            log: env.log_filter("OUTCRY_LOG"),
            limits: DurationLimits {
                min: TimeDelta::seconds(env.within("OUTCRY_AUCTION_MIN_S", 5, 1, 86_400)),
                max: TimeDelta::seconds(env.within("OUTCRY_AUCTION_MAX_S", 2_592_000, 60, 31_536_000)),
            },
        };
        env.finish().map(|()| config)
    }

    /// The public port alone, for probes from the same machine.
    ///
    /// # Errors
    /// When it is set to nonsense.
    pub fn http_port() -> anyhow::Result<u16> {
        let mut env = Env::default();
        let address: SocketAddr = env.parsed("OUTCRY_HTTP_ADDR", (Ipv4Addr::UNSPECIFIED, 8443).into());
        env.finish().map(|()| address.port())
    }
}

/// Reads variables and remembers what was wrong with them.
#[derive(Default)]
struct Env {
    faults: Vec<String>,
}

impl Env {
    fn finish(self) -> anyhow::Result<()> {
        let faults = self.faults;
        anyhow::ensure!(faults.is_empty(), "the configuration has {} fault(s):\n{}", faults.len(), faults.join("\n"));
        Ok(())
    }

    fn production(&mut self) -> bool {
        self.one_of("OUTCRY_ENV", "production", &["production", "development"]) == "production"
    }

    fn fault(&mut self, name: &str, what: impl Display) {
        self.faults.push(format!("  {name} {what}"));
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        match std::env::var(name) {
            Ok(value) if !value.trim().is_empty() => Some(value.trim().to_owned()),
            Ok(_) | Err(std::env::VarError::NotPresent) => None,
            Err(std::env::VarError::NotUnicode(_)) => {
                self.fault(name, "is not UTF-8");
                None
            }
        }
    }

    fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.fault(name, "is not set");
            String::new()
        })
    }

    /// A name as Kafka takes it, if there is one.
    fn name(&mut self, name: &str) -> Option<String> {
        let value = self.optional(name)?;
        let taken = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        if value.len() > MAX_NAME_BYTES || !value.chars().all(taken) || [".", ".."].contains(&value.as_str()) {
            self.fault(name, format!("is {value:?}, and may have {MAX_NAME_BYTES} letters, digits, '.', '_' and '-'"));
        }
        Some(value)
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> T {
        let Some(text) = self.optional(name) else { return default };
        text.parse().unwrap_or_else(|error| {
            self.fault(name, format!("is {text:?}: {error}"));
            default
        })
    }

    fn within<T: FromStr<Err: Display> + PartialOrd + Display + Copy>(
        &mut self,
        name: &str,
        default: T,
        min: T,
        max: T,
    ) -> T {
        let value = self.parsed(name, default);
        if value < min || value > max {
            self.fault(name, format!("is {value}, and must lie between {min} and {max}"));
        }
        value
    }

    fn one_of(&mut self, name: &str, default: &str, known: &[&str]) -> String {
        let value = self.optional(name).unwrap_or_else(|| default.to_owned());
        if !known.contains(&value.as_str()) {
            self.fault(name, format!("is {value:?}, and must be {}", known.join(" or ")));
        }
        value
    }

    /// Where to send something by HTTP, if anywhere.
    fn http_url(&mut self, name: &str) -> Option<String> {
        let place = self.optional(name)?;
        if !place.parse::<reqwest::Url>().is_ok_and(|url| ["http", "https"].contains(&url.scheme())) {
            self.fault(name, format!("is {place:?}, and must be an http or https URL"));
        }
        Some(place)
    }

    /// What is logged. What librdkafka says of brokers the crate above it would tell once more.
    fn log_filter(&mut self, name: &str) -> String {
        let filter = self.optional(name).unwrap_or_else(|| "info,rdkafka::client=off".into());
        if let Err(error) = EnvFilter::try_new(&filter) {
            self.fault(name, format!("is {filter:?}, and must be a log filter like info,sqlx=warn: {error}"));
        }
        filter
    }

    /// A file that can be read.
    fn file(&mut self, name: &str) -> PathBuf {
        let path = PathBuf::from(self.required(name));
        if !path.as_os_str().is_empty()
            && let Err(error) = fs::File::open(&path)
        {
            self.fault(name, format!("names {}, which cannot be read: {error}", path.display()));
        }
        path
    }

    /// A secret: the variable itself, or a file named by the variable with `_FILE` at its end.
    fn secret(&mut self, name: &str) -> SecretString {
        let file_name = format!("{name}_FILE");
        let value = match (self.optional(name), self.optional(&file_name)) {
            (Some(value), None) => value,
            (None, Some(path)) => fs::read_to_string(&path).unwrap_or_else(|error| {
                self.fault(&file_name, format!("names {path}, which cannot be read: {error}"));
                String::new()
            }),
            (None, None) => {
                self.fault(name, format!("is not set, nor is {file_name}"));
                String::new()
            }
            (Some(_), Some(_)) => {
                self.fault(name, format!("is set, and so is {file_name}: set one of them"));
                String::new()
            }
        };
        SecretString::from(value.trim())
    }

    /// Where the database is. In production nobody on the way may pass for it.
    fn database_url(&mut self, name: &str, production: bool) -> SecretString {
        let url = self.secret(name);
        if production
            && !url.expose_secret().is_empty()
            && let Err(fault) = address::verified(url.expose_secret())
        {
            self.fault(name, fault);
        }
        url
    }

    fn list<T: FromStr<Err: Display>>(&mut self, name: &str) -> Vec<T> {
        let text = self.optional(name).unwrap_or_default();
        let mut values = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            match item.parse() {
                Ok(value) => values.push(value),
                Err(error) => self.fault(name, format!("has the member {item:?}: {error}")),
            }
        }
        values
    }

    fn jwks(&mut self, name: &str, ca_name: &str) -> jwks::Source {
        let place = self.required(name);
        if !place.contains("://") {
            let path = PathBuf::from(&place);
            if !place.is_empty() && !path.is_file() {
                self.fault(name, format!("names {place}, which is no file; give a file or an https URL"));
            }
            return jwks::Source::File(path);
        }
        let ca = self.optional(ca_name).and_then(|path| {
            fs::read(&path)
                .map_err(|error| self.fault(ca_name, format!("names {path}, which cannot be read: {error}")))
                .ok()
        });
        match place.parse::<reqwest::Url>() {
            Ok(url) if url.scheme() == "https" => jwks::Source::Url { url, ca },
            _ => {
                self.fault(name, format!("is {place:?}, and must be a file or an https URL"));
                jwks::Source::File(PathBuf::new())
            }
        }
    }
}
