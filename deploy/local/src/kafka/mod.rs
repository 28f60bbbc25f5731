//! Apache Kafka as one KRaft node: broker and controller in one process, mutual TLS on every listener and
//! nothing allowed that no ACL allows.

pub mod access;
pub mod admin;
pub mod lag;
pub mod reader;
pub mod wire;
pub mod writer;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::ca::{Authority, Purpose};
use crate::files;
use crate::layout::{DataDir, Ports};
use crate::process::{Spec, run_to_end};

/// The name of the broker's process and its principal.
pub const BROKER: &str = "broker";
/// The principal that creates topics and access rules: this program.
pub const OPERATOR: &str = "operator";

const LOGGING: &str = "\
rootLogger.level = warn
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
# Which refused which operation: without it a missing access rule is a riddle.
logger.authorizer.name = kafka.authorizer.logger
logger.authorizer.level = info
";

/// One broker of a data directory.
pub struct Broker {
    java: PathBuf,
    jars: Vec<PathBuf>,
    data_dir: DataDir,
    ports: Ports,
    via: Vec<String>,
}

impl Broker {
    /// A broker that `java` runs from `jars`. Clients reach it directly, and under the addresses of `via`: a client is
    /// told the address that belongs to the port it came by.
    pub fn new(java: PathBuf, jars: Vec<PathBuf>, data_dir: DataDir, ports: Ports, via: Vec<String>) -> Self {
        Self { java, jars, data_dir, ports, via }
    }

    /// Writes the configuration, and formats the storage at the first start.
    pub async fn prepare(&self, authority: &Authority) -> Result<()> {
        let dir = self.data_dir.kafka_dir();
        files::create_dir(&dir)?;
        let identity = authority.issue(BROKER, Purpose::Server)?;
        let key_store = format!("{}{}", files::read(&identity.key)?, files::read(&identity.cert)?);
        files::write_private(&dir.join("keystore.pem"), key_store.as_bytes())?;
        files::write_public(&dir.join("log4j2.properties"), LOGGING.as_bytes())?;
        files::write_public(&self.properties_file(), self.properties().as_bytes())?;
        if !self.log_dir().join("meta.properties").exists() {
            let cluster = files::read_or_create_private(&dir.join("cluster-id"), cluster_id)?;
            let mut format = self.java("kafka-format", "kafka.tools.StorageTool");
            format.args.extend(
                ["format", "--ignore-formatted", "--cluster-id", cluster.trim(), "--config"].map(OsString::from),
            );
            format.args.push(self.properties_file().into());
            run_to_end(&format).await.context("cannot prepare Kafka's storage")?;
        }
        Ok(())
    }

    /// The broker's process.
    pub fn spec(&self) -> Spec {
        let mut spec = self.java("kafka", "kafka.Kafka");
        spec.args.push(self.properties_file().into());
        spec
    }

    fn properties_file(&self) -> PathBuf {
        self.data_dir.kafka_dir().join("server.properties")
    }

    fn log_dir(&self) -> PathBuf {
        self.data_dir.kafka_dir().join("data")
    }

    fn java(&self, name: &str, class: &str) -> Spec {
        let mut logging = OsString::from("-Dlog4j2.configurationFile=");
        logging.push(self.data_dir.kafka_dir().join("log4j2.properties"));
        let class_path = std::env::join_paths(&self.jars).unwrap_or_default();
        let flags = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"];
        let mut spec = Spec::new(&self.data_dir, name, &self.java).args(flags);
        spec.args.extend([logging, "-cp".into(), class_path, class.into()]);
        spec
    }

    fn properties(&self) -> String {
        let (clients, controller) = (self.ports.kafka(), self.ports.kafka_controller());
        let dir = self.data_dir.kafka_dir();
        let (logs, key_store) = (self.log_dir(), dir.join("keystore.pem"));
        let (logs, key_store, ca) = (logs.display(), key_store.display(), self.data_dir.ca_file());
        let ways = || (0..).zip(&self.via);
        let further = ways().map(|(way, _)| format!(",VIA{way}://127.0.0.1:{}", self.ports.kafka_via(way)));
        let addresses = ways().map(|(way, address)| format!(",VIA{way}://{address}"));
        let secured = ways().map(|(way, _)| format!(",VIA{way}:SSL"));
        let [further, addresses, secured] =
            [further.collect::<Vec<_>>(), addresses.collect(), secured.collect()].map(|lines| lines.concat());
        format!(
            "\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENTS
listeners=CLIENTS://127.0.0.1:{clients}{further},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENTS://127.0.0.1:{clients}{addresses}
listener.security.protocol.map=CLIENTS:SSL,CONTROLLER:SSL{secured}
log.dirs={logs}

# Mutual TLS: the client certificate's subject is the principal.
ssl.client.auth=required
ssl.enabled.protocols=TLSv1.3,TLSv1.2
ssl.keystore.type=PEM
ssl.keystore.location={key_store}
ssl.truststore.type=PEM
ssl.truststore.location={ca}

# What no ACL allows is refused.
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:CN={BROKER};User:CN={OPERATOR}

# Topics are created by whoever deploys, not by services.
auto.create.topics.enable=false
num.partitions=12
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=12
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=12
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0

# A node that was killed may register again only when its old session has run out (default: 9 s).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# Sized for one machine.
log.index.size.max.bytes=1048576
log.segment.bytes=67108864
log.retention.hours=168
",
            ca = ca.display()
        )
    }
}

/// A cluster id as Kafka wants it: 16 random bytes in URL-safe base 64, not beginning with a dash.
fn cluster_id() -> Result<String> {
    use base64::Engine;
    let bytes = hex::decode(files::random_hex(15)?)?;
    let bytes: Vec<u8> = std::iter::once(b'O').chain(bytes).collect();
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_asks_every_client_for_a_certificate_and_allows_nothing_by_default() {
        let data_dir = DataDir::new("/somewhere".into());
        let broker = Broker::new("java".into(), Vec::new(), data_dir, Ports::new(9000), Vec::new());
        let properties = broker.properties();
        for line in [
            "listeners=CLIENTS://127.0.0.1:9020,CONTROLLER://127.0.0.1:9021",
            "listener.security.protocol.map=CLIENTS:SSL,CONTROLLER:SSL",
            "ssl.client.auth=required",
            "allow.everyone.if.no.acl.found=false",
            "auto.create.topics.enable=false",
        ] {
            assert!(properties.lines().any(|other| other == line), "{line}");
        }
    }

    #[test]
    fn who_comes_through_a_proxy_is_told_the_proxys_address() {
        let via = vec!["127.0.0.1:7001".to_owned(), "tunnel:7002".to_owned()];
        let data_dir = DataDir::new("/somewhere".into());
        let properties = Broker::new("java".into(), Vec::new(), data_dir, Ports::new(9000), via).properties();
        for line in [
            "listeners=CLIENTS://127.0.0.1:9020,VIA0://127.0.0.1:9022,VIA1://127.0.0.1:9023,CONTROLLER://127.0.0.1:9021",
            "advertised.listeners=CLIENTS://127.0.0.1:9020,VIA0://127.0.0.1:7001,VIA1://tunnel:7002",
            "listener.security.protocol.map=CLIENTS:SSL,CONTROLLER:SSL,VIA0:SSL,VIA1:SSL",
        ] {
            assert!(properties.lines().any(|other| other == line), "{properties}");
        }
    }
}
