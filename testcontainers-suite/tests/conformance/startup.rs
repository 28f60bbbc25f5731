//! A service that is configured wrongly says all that is wrong at once, does not start, and tells no secret.

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail, ensure};
use libtest_mimic::Trial;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::Url;
use serde_json::Value;
use testcontainers_suite::{
    target::program,
    trials_of_each_service,
    world::{Service, World},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// Less than a database is waited for.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// What a service says of a database that it waits for.
const WAITS: &str = "the database is not there yet and is asked again";
const SECRET: &str = "hunter2hunter2";

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::startup":
        a_sound_configuration_is_told_to_be_sound,
        every_fault_of_the_configuration_is_told_at_once,
        without_any_setting_all_that_is_needed_is_named,
        no_secret_is_told,
        what_failed_is_told_a_service_or_a_command,
        a_database_that_is_not_there_is_asked_again_until_a_signal_ends_it,
        a_database_that_refuses_ends_the_start_at_once,
        a_production_service_takes_no_development_key,
        a_production_service_goes_to_no_database_that_it_cannot_verify,
    )
}

type Settings = BTreeMap<&'static str, String>;

/// What a service needs, from a marketplace that runs.
fn sound(world: &World, service: Service) -> Result<Settings> {
    let data_dir = world.data_dir.as_ref().context("this marketplace has no data directory here")?;
    let path = |path: PathBuf| path.display().to_string();
    let tls = |name: String| path(world.endpoints.tls_dir.join(name));
    let (cert, key) = (tls(format!("{}.pem", service.name())), tls(format!("{}-key.pem", service.name())));
    let url = world.endpoints.postgres.get(service.context()).context("no database")?;
    let mut settings = Settings::from([
        ("OUTCRY_ENV", "development".to_owned()),
        ("OUTCRY_TLS_CERT_FILE", cert.clone()),
        ("OUTCRY_TLS_KEY_FILE", key.clone()),
        ("OUTCRY_DATABASE_URL", url.clone()),
        ("OUTCRY_KAFKA_BROKERS", world.endpoints.kafka.clone()),
        ("OUTCRY_KAFKA_CA_FILE", path(world.endpoints.ca_file.clone())),
        ("OUTCRY_KAFKA_CERT_FILE", cert),
        ("OUTCRY_KAFKA_KEY_FILE", key),
        ("OUTCRY_JWT_ISSUER", "https://issuer.example".to_owned()),
        ("OUTCRY_JWT_AUDIENCE", "outcry".to_owned()),
        ("OUTCRY_JWKS", path(data_dir.join("jwks.json"))),
    ]);
    match service {
        Service::Listing => {}
        Service::Bidding => {
            let secret = |name: &str| path(data_dir.join("secrets").join(name));
            settings.insert("OUTCRY_ALIAS_SECRET_FILE", secret("alias"));
            settings.insert("OUTCRY_RECEIPT_KEY_FILE", secret("receipt-key.pem"));
        }
        Service::Settlement => {
            settings.insert("OUTCRY_GATEWAY", "simulated".to_owned());
            settings.insert("OUTCRY_SIMULATED_GATEWAY_FILE", path(data_dir.join("gateway-of-nobody.jsonl")));
        }
    }
    Ok(settings)
}

/// The same for a service in production, whose gateway moves money.
fn sound_in_production(world: &World, service: Service) -> Result<Settings> {
    let mut settings = sound(world, service)?;
    settings.insert("OUTCRY_ENV", "production".to_owned());
    if service == Service::Settlement {
        settings.insert("OUTCRY_GATEWAY", "stripe".to_owned());
        settings.insert("OUTCRY_STRIPE_KEY", format!("sk_live_{}", "0".repeat(24)));
        settings.insert("OUTCRY_WEBHOOK_SECRET", format!("whsec_{}", "0".repeat(24)));
        // Any file that can be read will do: it is looked into when a seller is paid.
        settings.insert("OUTCRY_STRIPE_ACCOUNTS_FILE", settings["OUTCRY_JWKS"].clone());
    }
    Ok(settings)
}

/// The service's program with these settings and no others.
fn program_of(service: Service, command: &str, settings: &Settings) -> Result<Command> {
    let mut program = Command::new(program()?.with_file_name(service.name()));
    program.arg(command).env_clear().envs(settings).stdin(Stdio::null()).kill_on_drop(true);
    Ok(program)
}

/// How it ends, and all that it says.
async fn run(service: Service, command: &str, settings: &Settings) -> Result<(bool, String)> {
    let mut program = program_of(service, command, settings)?;
    let output = tokio::time::timeout(ENDS_WITHIN, program.output()).await.context("it does not end")?;
    let output = output.with_context(|| format!("cannot run {}", service.name()))?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

async fn a_sound_configuration_is_told_to_be_sound(world: Arc<World>, service: Service) -> Result<()> {
    let (well, said) = run(service, "check-config", &sound(&world, service)?).await?;
    ensure!(well && said.contains("the configuration is sound"), "{said}");
    Ok(())
}

async fn every_fault_of_the_configuration_is_told_at_once(world: Arc<World>, service: Service) -> Result<()> {
    let mut settings = sound(&world, service)?;
    let faults = [
        ("OUTCRY_ENV", "staging"),
        ("OUTCRY_HTTP_ADDR", "everywhere"),
        ("OUTCRY_ADMIN_ADDR", "127.0.0.1"),
        ("OUTCRY_TLS_CERT_FILE", "/nowhere/cert.pem"),
        ("OUTCRY_KAFKA_KEY_FILE", "/nowhere/key.pem"),
        ("OUTCRY_INSTANCE", "the first of us"),
        ("OUTCRY_DATABASE_MAX_CONNECTIONS", "1000"),
        ("OUTCRY_JWKS", "http://plain.example/jwks.json"),
        ("OUTCRY_RATE_PRINCIPAL_PER_S", "many"),
        ("OUTCRY_RATE_ADDRESS_BURST", "-1"),
        ("OUTCRY_TRUSTED_PROXIES", "10.0.0.0/8, nobody"),
        ("OUTCRY_LOG", "=loud="),
        ("OUTCRY_OTLP_ENDPOINT", "somewhere"),
    ];
    settings.extend(faults.map(|(name, value)| (name, value.to_owned())));
    settings.remove("OUTCRY_JWT_ISSUER");
    settings.insert("OUTCRY_DATABASE_URL_FILE", "/nowhere/url".to_owned());
    let expected: Vec<_> =
        faults.iter().map(|(name, _)| *name).chain(["OUTCRY_JWT_ISSUER", "OUTCRY_DATABASE_URL"]).collect();
    for command in ["check-config", "serve"] {
        let (well, said) = run(service, command, &settings).await?;
        ensure!(!well, "{command} goes on with a faulty configuration: {said}");
        let line_of = |name: &str| said.lines().any(|line| line.trim().starts_with(&format!("{name} ")));
        let missing: Vec<_> = expected.iter().filter(|name| !line_of(name)).collect();
        ensure!(missing.is_empty(), "{command} does not tell of {missing:?}: {said}");
        let told = format!("{} fault(s)", expected.len());
        ensure!(said.contains(&told), "{command} does not tell of {told}: {said}");
    }
    Ok(())
}

async fn without_any_setting_all_that_is_needed_is_named(world: Arc<World>, service: Service) -> Result<()> {
    let (well, said) = run(service, "serve", &Settings::new()).await?;
    ensure!(!well, "it starts without a setting: {said}");
    let optional = ["OUTCRY_ENV", "OUTCRY_SIMULATED_GATEWAY_FILE"];
    for name in sound(&world, service)?.into_keys().filter(|name| !optional.contains(name)) {
        let told = [format!("{name} is not set"), format!("nor is {name}")].iter().any(|told| said.contains(told));
        ensure!(told, "it does not tell of {name}: {said}");
    }
    Ok(())
}

async fn no_secret_is_told(world: Arc<World>, service: Service) -> Result<()> {
    let mut settings = sound(&world, service)?;
    let mut database = Url::parse(&settings["OUTCRY_DATABASE_URL"])?;
    database.set_password(Some(SECRET)).map_err(|()| anyhow!("a URL without a place for a password"))?;
    for (name, value) in [
        // Not the database's password: nobody tells it either.
        ("OUTCRY_DATABASE_URL", database.to_string()),
        ("OUTCRY_ALIAS_SECRET", SECRET.to_owned()),
        ("OUTCRY_RECEIPT_KEY", SECRET.to_owned()),
        ("OUTCRY_STRIPE_KEY", SECRET.to_owned()),
        ("OUTCRY_WEBHOOK_SECRET", SECRET.to_owned()),
    ] {
        settings.insert(name, value);
        for command in ["check-config", "serve"] {
            let (_, said) = run(service, command, &settings).await?;
            ensure!(!said.contains(SECRET), "{command} tells {name}: {said}");
        }
    }
    settings.insert("OUTCRY_DATABASE_URL", format!("postgres://listing:{SECRET}@[nowhere"));
    settings.insert("OUTCRY_GATEWAY", "stripe".to_owned());
    settings.insert("OUTCRY_WEBHOOK_SECRET_PREVIOUS", SECRET.to_owned());
    for command in ["check-config", "migrate", "serve"] {
        let (_, said) = run(service, command, &settings).await?;
        ensure!(!said.contains(SECRET), "{command} tells a secret: {said}");
    }
    Ok(())
}

async fn what_failed_is_told_a_service_or_a_command(world: Arc<World>, service: Service) -> Result<()> {
    let mut settings = sound(&world, service)?;
    settings.insert("OUTCRY_DATABASE_URL", "postgres://listing@[nowhere".to_owned());
    let told = [("serve", "the service ends"), ("replay-dead-letters", "the command failed")];
    for (command, expected) in told {
        let (well, said) = run(service, command, &settings).await?;
        ensure!(!well && said.contains("the database URL is not of the form"), "{command}: {said}");
        for (_, sentence) in told {
            ensure!(said.contains(sentence) == (sentence == expected), "{command}: {sentence:?} in {said}");
        }
    }
    Ok(())
}

async fn a_database_that_is_not_there_is_asked_again_until_a_signal_ends_it(
    world: Arc<World>,
    service: Service,
) -> Result<()> {
    let mut settings = sound(&world, service)?;
    settings.insert("OUTCRY_DATABASE_URL", format!("postgres://anybody:{SECRET}@127.0.0.1:1/any?sslmode=require"));
    let mut process = program_of(service, "serve", &settings)?.stdout(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(process.stdout.take().context("it has no output")?).lines();
    let waits = async {
        while let Some(line) = said.next_line().await? {
            ensure!(!line.contains(SECRET), "{line}");
            if line.contains(WAITS) {
                return Ok(line);
            }
        }
        bail!("it has ended")
    };
    let line = tokio::time::timeout(ENDS_WITHIN, waits).await.context("it does not say that it waits")??;
    let told: Value = serde_json::from_str(&line)?;
    let reason = told["reason"].as_str().unwrap_or_default();
    ensure!(reason.contains("Connection refused") && told["left_s"].is_u64(), "{line}");

    let pid = process.id().context("it has ended")?;
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
    let status = tokio::time::timeout(Duration::from_secs(5), process.wait()).await.context("it waits on")??;
    ensure!(status.success(), "{status}");
    Ok(())
}

async fn a_database_that_refuses_ends_the_start_at_once(world: Arc<World>, service: Service) -> Result<()> {
    let mut settings = sound(&world, service)?;
    let url = Url::parse(&settings["OUTCRY_DATABASE_URL"])?;
    let (mut guessed, mut unknown) = (url.clone(), url);
    guessed.set_password(Some("guessed")).map_err(|()| anyhow!("a URL without a place for a password"))?;
    unknown.set_path("/nowhere");
    for url in [guessed, unknown] {
        settings.insert("OUTCRY_DATABASE_URL", url.to_string());
        let (well, said) = run(service, "serve", &settings).await?;
        ensure!(!well && said.contains("error returned from database") && !said.contains(WAITS), "{said}");
    }
    Ok(())
}

async fn a_production_service_takes_no_development_key(world: Arc<World>, service: Service) -> Result<()> {
    let mut settings = sound_in_production(&world, service)?;
    if service == Service::Settlement {
        let gateway = settings.insert("OUTCRY_GATEWAY", "simulated".to_owned()).context("no gateway")?;
        let (well, said) = run(service, "check-config", &settings).await?;
        ensure!(!well && said.contains("OUTCRY_GATEWAY is simulated"), "{said}");
        settings.insert("OUTCRY_GATEWAY", gateway);
    }
    let (well, said) = run(service, "serve", &settings).await?;
    ensure!(!well && said.contains("OUTCRY_JWKS holds a development key"), "{said}");
    Ok(())
}

async fn a_production_service_goes_to_no_database_that_it_cannot_verify(
    world: Arc<World>,
    service: Service,
) -> Result<()> {
    let production = sound_in_production(&world, service)?;
    let database = |url: &str| {
        let mut settings = production.clone();
        settings.insert("OUTCRY_DATABASE_URL", url.to_owned());
        settings
    };
    let elsewhere = format!("postgres://anybody:{SECRET}@db.invalid/any");
    for (mode, query) in [("prefer", ""), ("require", "?sslmode=require"), ("verify-ca", "?sslmode=verify-ca")] {
        let settings = database(&format!("{elsewhere}{query}"));
        for command in ["check-config", "migrate", "serve"] {
            let (well, said) = run(service, command, &settings).await?;
            let told =
                said.contains("1 fault(s)") && said.contains(&format!("OUTCRY_DATABASE_URL has sslmode={mode} "));
            ensure!(!well && told, "{command} with sslmode={mode}: {said}");
            ensure!(!said.contains(SECRET), "{command} tells the password: {said}");
        }
    }
    let verified = database(&format!("{elsewhere}?sslmode=verify-full"));
    let on_this_machine = database(&format!("postgres://anybody:{SECRET}@127.0.0.1/any"));
    let mut development = database(&elsewhere);
    development.insert("OUTCRY_ENV", "development".to_owned());
    for settings in [verified, on_this_machine, development] {
        let (well, said) = run(service, "check-config", &settings).await?;
        ensure!(well && said.contains("the configuration is sound"), "{said}");
    }
    Ok(())
}
