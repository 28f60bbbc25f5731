//! Where things are: the services, the ports that follow from one base port, and the files of a data directory.

use std::fmt;
use std::path::{Path, PathBuf};

/// The three services, in the order of their ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// What is for sale.
    Listing,
    /// Who pays how much.
    Bidding,
    /// Money and goods.
    Settlement,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Listing, Self::Bidding, Self::Settlement];

    /// The bounded context's name, e.g. `listing`.
    pub const fn context(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Bidding => "bidding",
            Self::Settlement => "settlement",
        }
    }

    /// The name of the binary, of the consumer group and of the client certificate, e.g. `listing-service`.
    pub fn name(self) -> String {
        format!("{}-service", self.context())
    }

    /// Position in [`Service::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The topic this service publishes to.
    pub fn topic(self) -> String {
        format!("outcry.{}.v1", self.context())
    }

    /// Where this service puts messages that it cannot handle.
    pub fn dead_letters(self) -> String {
        format!("{}.dlq", self.name())
    }

    /// Whose topics this service reads besides its own.
    pub const fn reads(self) -> &'static [Self] {
        match self {
            Self::Listing => &[Self::Bidding, Self::Settlement],
            Self::Bidding => &[Self::Listing, Self::Settlement],
            Self::Settlement => &[Self::Listing, Self::Bidding],
        }
    }

    /// The name of this service's database process, e.g. `postgres-listing`.
    pub fn database(self) -> String {
        format!("postgres-{}", self.context())
    }

    const fn offset(self) -> u16 {
        self as u16 + 1
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-service", self.context())
    }
}

/// Further ways to Kafka for which there are ports.
pub const KAFKA_WAYS: usize = 8;

/// Every port of one marketplace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    base: u16,
}

impl Ports {
    /// Ports that follow from `base`.
    pub const fn new(base: u16) -> Self {
        Self { base }
    }

    /// The API of a service.
    pub const fn api(self, service: Service) -> u16 {
        self.base + service.offset()
    }

    /// Metrics of a service.
    pub const fn admin(self, service: Service) -> u16 {
        self.base + 10 + service.offset()
    }

    /// Kafka's clients.
    pub const fn kafka(self) -> u16 {
        self.base + 20
    }

    /// Kafka's controller.
    pub const fn kafka_controller(self) -> u16 {
        self.base + 21
    }

    /// Kafka's clients that come by another way, from 0 on.
    pub const fn kafka_via(self, way: u16) -> u16 {
        self.base + 22 + way
    }

    /// A service's PostgreSQL.
    pub const fn postgres(self, service: Service) -> u16 {
        self.base + 30 + service.offset()
    }
}

/// The files of a data directory.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// A data directory at `root`, an absolute path.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Locked by the `outcry up` that runs on this directory.
    pub fn lock_file(&self) -> PathBuf {
        self.at("lock")
    }

    /// Names this data directory, so that what is kept elsewhere is not mistaken for another's.
    pub fn id_file(&self) -> PathBuf {
        self.at("id")
    }

    /// Addresses of the running marketplace.
    pub fn endpoints_file(&self) -> PathBuf {
        self.at("endpoints.json")
    }

    /// State of the demo.
    pub fn demo_file(&self) -> PathBuf {
        self.at("demo.json")
    }

    /// Certificate of the development authority, which clients trust.
    pub fn ca_file(&self) -> PathBuf {
        self.at("ca.pem")
    }

    /// Its private key.
    pub fn ca_key_file(&self) -> PathBuf {
        self.at("secrets/ca-key.pem")
    }

    /// A secret of this marketplace by name.
    pub fn secret(&self, name: &str) -> PathBuf {
        self.root.join("secrets").join(name)
    }

    /// Where certificates are.
    pub fn tls_dir(&self) -> PathBuf {
        self.at("tls")
    }

    /// Public halves of the development signing key.
    pub fn jwks_file(&self) -> PathBuf {
        self.at("jwks.json")
    }

    /// Logs of everything that runs.
    pub fn logs_dir(&self) -> PathBuf {
        self.at("logs")
    }

    /// The log of one process.
    pub fn log(&self, process: &str) -> PathBuf {
        self.logs_dir().join(format!("{process}.log"))
    }

    /// Notes on running processes.
    pub fn run_dir(&self) -> PathBuf {
        self.at("run")
    }

    /// Kafka's files.
    pub fn kafka_dir(&self) -> PathBuf {
        self.at("kafka")
    }

    /// The databases' files, unless they have to be elsewhere.
    pub fn postgres_dir(&self) -> PathBuf {
        self.at("postgres")
    }

    /// The simulated payment gateway's journal.
    pub fn gateway_file(&self) -> PathBuf {
        self.at("gateway.journal")
    }

    /// Journals of replays.
    pub fn replays_dir(&self) -> PathBuf {
        self.at("replays")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ports_follow_from_the_base_port_and_differ() {
        let ports = Ports::new(8440);
        assert_eq!(Service::ALL.map(|s| ports.api(s)), [8441, 8442, 8443]);
        assert_eq!(Service::ALL.map(|s| ports.admin(s)), [8451, 8452, 8453]);
        assert_eq!((ports.kafka(), ports.kafka_controller()), (8460, 8461));
        assert_eq!(Service::ALL.map(|s| ports.postgres(s)), [8471, 8472, 8473]);
    }

    #[test]
    fn no_service_reads_its_own_topic_as_another_ones() {
        assert!(Service::ALL.into_iter().all(|service| !service.reads().contains(&service)));
    }
}
