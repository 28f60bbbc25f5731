//! PostgreSQL and Kafka as `outcry up` really starts them: who gets in, who may write what, and what a killed program leaves.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use serde_json::Value;

const STARTS_WITHIN: Duration = Duration::from_secs(240);
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// One `outcry up --infrastructure-only`; dropped, it is stopped as by Ctrl-C.
struct Up {
    child: Child,
    data_dir: PathBuf,
    endpoints: Value,
}

impl Up {
    fn start(data_dir: &Path, base_port: u16) -> Self {
        let file = data_dir.join("endpoints.json");
        let _ = fs::remove_file(&file);
        let mut child = command(data_dir, base_port).spawn().unwrap();
        wait_until("the infrastructure is ready", STARTS_WITHIN, || {
            assert!(child.try_wait().unwrap().is_none(), "`outcry up` ended while it started");
            file.exists()
        });
        let endpoints = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        Self { child, data_dir: data_dir.to_owned(), endpoints }
    }

    fn kafka(&self, tls_dir: &Path, principal: &str) -> FutureProducer {
        let file = |name: String| tls_dir.join(name).display().to_string();
        ClientConfig::new()
            .set("bootstrap.servers", self.endpoints["kafka"].as_str().unwrap())
            .set("security.protocol", "ssl")
            .set("ssl.ca.location", self.data_dir.join("ca.pem").display().to_string())
            .set("ssl.certificate.location", file(format!("{principal}.pem")))
            .set("ssl.key.location", file(format!("{principal}-key.pem")))
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "15000")
            .create()
            .unwrap()
    }

    fn pid(&self, name: &str) -> i32 {
        let endpoints: Value =
            serde_json::from_slice(&fs::read(self.data_dir.join("endpoints.json")).unwrap()).unwrap();
        i32::try_from(endpoints["pids"][name].as_i64().unwrap()).unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = kill(pid_of(&self.child), Signal::SIGINT);
        let _ = self.child.wait();
    }
}

fn command(data_dir: &Path, base_port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outcry"));
    command.args(["up", "--infrastructure-only", "--base-port", &base_port.to_string(), "--data-dir"]).arg(data_dir);
    command.stdin(Stdio::null());
    command
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

fn runs(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A base port whose ports are all free, below those that the system hands out.
fn free_base_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    let free = |base: u16| (1..=33).all(|offset| TcpListener::bind(("127.0.0.1", base + offset)).is_ok());
    (first..32_000).step_by(50).find(|&base| free(base)).expect("no free ports")
}

async fn publish(producer: &FutureProducer, topic: &str) -> Result<(), KafkaError> {
    let sent = producer.send(FutureRecord::to(topic).key("k").payload("v"), ANSWERS_WITHIN).await;
    sent.map(|_| ()).map_err(|(fault, _)| fault)
}

/// A certificate that names a service, signed by an authority that nobody asked.
fn stranger(dir: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "listing-service");
    fs::write(dir.join("stranger.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(dir.join("stranger-key.pem"), key.serialize_pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_stay_out_and_a_service_writes_its_own_topic_only() {
    let dir = tempfile::tempdir().unwrap();
    let base_port = free_base_port();
    let up = Up::start(&dir.path().join("data"), base_port);
    let tls_dir = PathBuf::from(up.endpoints["tls_dir"].as_str().unwrap());

    let listing = up.kafka(&tls_dir, "listing-service");
    publish(&listing, "outcry.listing.v1").await.unwrap();
    publish(&listing, "listing-service.dlq").await.unwrap();
    for others in ["outcry.bidding.v1", "outcry.settlement.v1", "bidding-service.dlq"] {
        let fault = publish(&listing, others).await.unwrap_err();
        assert_eq!(fault.rdkafka_error_code(), Some(RDKafkaErrorCode::TopicAuthorizationFailed), "{others}: {fault}");
    }
    let known = listing.client().fetch_metadata(Some("outcry.bidding.v1"), ANSWERS_WITHIN).unwrap();
    assert_eq!(known.topics()[0].partitions().len(), 12);

    stranger(dir.path());
    let refused = up.kafka(dir.path(), "stranger").client().fetch_metadata(None, Duration::from_secs(5)).map(|_| ());
    assert!(refused.is_err(), "a certificate of another authority got in");

    let second = command(&up.data_dir, base_port + 40).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success());
    assert!(said.contains(&format!("another `outcry up` (process {})", up.child.id())), "{said}");

    let same_ports = command(&dir.path().join("other"), base_port).output().unwrap();
    let said = String::from_utf8_lossy(&same_ports.stderr);
    assert!(!same_ports.status.success());
    assert!(said.contains("is taken by") && said.contains("--base-port"), "{said}");

    assert_postgres_wants_tls_and_the_password(&up).await;
}

async fn assert_postgres_wants_tls_and_the_password(up: &Up) {
    use sqlx::Connection;
    let url = up.endpoints["postgres"]["listing"].as_str().unwrap();
    sqlx::PgConnection::connect(url).await.unwrap().close().await.unwrap();
    let plain = url.replace("sslmode=verify-full", "sslmode=disable");
    assert!(sqlx::PgConnection::connect(&plain).await.is_err(), "a session without TLS was opened");
    let mut guessed = reqwest::Url::parse(url).unwrap();
    guessed.set_password(Some("guessed")).unwrap();
    assert!(sqlx::PgConnection::connect(guessed.as_str()).await.is_err(), "any password will do");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_is_started_again_and_what_a_killed_program_leaves_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (data_dir, base_port) = (dir.path().join("data"), free_base_port() + 200);
    let mut up = Up::start(&data_dir, base_port);

    for name in ["kafka", "postgres-bidding"] {
        let old = up.pid(name);
        kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
        wait_until(&format!("{name} runs again"), STARTS_WITHIN, || up.pid(name) != old);
    }

    let left = ["kafka", "postgres-listing", "postgres-bidding", "postgres-settlement"].map(|name| up.pid(name));
    up.child.kill().unwrap();
    up.child.wait().unwrap();
    assert!(left.into_iter().all(runs), "the test is about processes that outlive the program");

    let again = Up::start(&data_dir, base_port);
    assert!(!left.into_iter().any(runs), "an old process still runs");
    let tls_dir = data_dir.join("tls");
    publish(&again.kafka(&tls_dir, "bidding-service"), "outcry.bidding.v1").await.unwrap();

    let running = ["kafka", "postgres-listing", "postgres-bidding", "postgres-settlement"].map(|name| again.pid(name));
    drop(again);
    assert!(!running.into_iter().any(runs), "Ctrl-C left a process running");
    assert!(!data_dir.join("endpoints.json").exists());
}
