//! A client as it behaves: it repeats what was not answered for good, with the same idempotency key, and now and then
//! sends again what was.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::Value;
use testcontainers_suite::{
    chance::Chance,
    client::{Answer, fresh_key},
    history::Interval,
    served::{Attempt, End},
    story::text,
    world::{Service, World},
};
use tokio::time::Instant;

use super::{Gate, record::Record};

/// Nobody waits longer for an answer. Services answer everything within ten seconds.
const PATIENCE: Duration = Duration::from_secs(12);
/// Pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(150);
/// A request that is not answered for good after so long is stuck.
const GIVES_UP_AFTER: Duration = Duration::from_secs(120);
/// One answer in so many is asked for once more.
const AGAIN_ONE_IN: usize = 10;

/// What all clients of a run share.
pub struct Crowd {
    /// The marketplace.
    pub world: Arc<World>,
    /// Whether calls may begin.
    pub gate: Gate,
    /// What was answered.
    pub record: Record,
}

/// A request that may be repeated.
#[derive(Debug, Clone)]
pub struct Ask {
    service: Service,
    method: Method,
    path: String,
    /// Its idempotency key, if it has one.
    pub key: Option<String>,
    body: Option<Value>,
    /// The problems that it may be answered with; any other is a finding.
    problems: &'static [&'static str],
}

impl Ask {
    /// A read.
    pub fn read(service: Service, path: impl Into<String>) -> Self {
        Self::of(service, Method::GET, path.into())
    }

    /// A write under a fresh key.
    pub fn write(service: Service, path: impl Into<String>, body: Value) -> Self {
        Self { key: Some(fresh_key()), body: Some(body), ..Self::of(service, Method::POST, path.into()) }
    }

    /// A write that is the same however often it is done.
    pub fn does(service: Service, path: impl Into<String>) -> Self {
        Self::of(service, Method::POST, path.into())
    }

    fn of(service: Service, method: Method, path: String) -> Self {
        Self { service, method, path, key: None, body: None, problems: &[] }
    }

    /// It may be answered with these problems, by their slugs.
    pub fn or(self, problems: &'static [&'static str]) -> Self {
        Self { problems, ..self }
    }
}

/// What became of an attempt.
pub enum Attempted {
    /// An answer for good.
    Answered(Answer),
    /// Perhaps it was done.
    Unknown,
}

/// Somebody with a token and a connection.
pub struct Client {
    /// Shared by all.
    pub crowd: Arc<Crowd>,
    /// The token's `sub`.
    pub sub: String,
    token: String,
    http: reqwest::Client,
    chance: Chance,
    /// Whether its attempts count among what users saw.
    counted: bool,
}

impl Client {
    /// Somebody new.
    pub fn new(crowd: &Arc<Crowd>, name: &str, roles: &[&str]) -> Result<Self> {
        let person = crowd.world.person(name, roles);
        let (sub, token) = (person.sub.clone(), person.token.clone());
        let ca = std::fs::read(&crowd.world.endpoints.ca_file)?;
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca)?])
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        let seed = sub.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Ok(Self { crowd: Arc::clone(crowd), sub, token, http, chance: Chance::of_seed(seed), counted: true })
    }

    /// Somebody who is no user.
    pub fn uncounted(crowd: &Arc<Crowd>, name: &str, roles: &[&str]) -> Result<Self> {
        Ok(Self { counted: false, ..Self::new(crowd, name, roles)? })
    }

    /// A number below `bound` by chance.
    pub fn below(&mut self, bound: usize) -> usize {
        self.chance.below(bound)
    }

    /// Sends once.
    pub async fn attempts(&self, ask: &Ask) -> (Interval, Attempted) {
        let url = format!("{}{}", self.crowd.world.endpoints.api(ask.service), ask.path);
        let mut request = self.http.request(ask.method.clone(), url).bearer_auth(&self.token);
        if let Some(key) = &ask.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let began = self.crowd.record.now();
        let answer = self.crowd.world.ask(request).await;
        let ended = self.crowd.record.now();
        let (end, attempted) = self.judge(ask, answer);
        let interval = Interval { began, ended };
        if self.counted {
            let writes = ask.method != Method::GET;
            self.crowd.record.attempt(Attempt { service: ask.service, writes, interval, end });
        }
        (interval, attempted)
    }

    fn judge(&self, ask: &Ask, answer: Result<Answer>) -> (End, Attempted) {
        match answer {
            Ok(answer) if [429, 503].contains(&answer.status) || answer.slug() == "idempotency-key-running" => {
                (End::Busy, Attempted::Unknown)
            }
            Ok(answer) if (200..300).contains(&answer.status) => (End::Ok, Attempted::Answered(answer)),
            Ok(answer) => {
                if !ask.problems.contains(&answer.slug()) {
                    let said = format!("{} {} was answered {}: {}", ask.method, ask.path, answer.status, answer.text);
                    self.crowd.record.finding(said);
                }
                (End::Refused, Attempted::Answered(answer))
            }
            Err(fault) => {
                let broken = fault.chain().find_map(|cause| cause.downcast_ref::<reqwest::Error>());
                let end = match broken {
                    Some(error) if error.is_timeout() => End::Unanswered,
                    Some(_) => End::Lost,
                    // There was one, and it is none that the service's document tells of.
                    None => {
                        self.crowd.record.finding(format!("{fault:#}"));
                        End::Refused
                    }
                };
                (end, Attempted::Unknown)
            }
        }
    }

    /// Repeats until it is answered for good; `each` hears of every attempt.
    pub async fn insists_and(&mut self, ask: &Ask, mut each: impl FnMut(Interval, Option<&Answer>)) -> Result<Answer> {
        let _inside = self.crowd.gate.pass().await;
        let begun = Instant::now();
        let answer = loop {
            match self.attempts(ask).await {
                (interval, Attempted::Answered(answer)) => {
                    each(interval, Some(&answer));
                    break answer;
                }
                (interval, Attempted::Unknown) => each(interval, None),
            }
            if begun.elapsed() > GIVES_UP_AFTER {
                bail!("{} {} was not answered for good within {GIVES_UP_AFTER:?}", ask.method, ask.path);
            }
            tokio::time::sleep(PAUSE).await;
        };
        if ask.key.is_some()
            && self.chance.below(AGAIN_ONE_IN) == 0
            && let (interval, Attempted::Answered(again)) = self.attempts(ask).await
        {
            each(interval, Some(&again));
            if (again.status, &again.body) != (answer.status, &answer.body) {
                let (first, again) = (&answer.text, &again.text);
                self.crowd.record.finding(format!("{} was answered {first}, and again {again}", ask.path));
            }
        }
        Ok(answer)
    }

    /// Repeats until it is answered for good.
    pub async fn insists(&mut self, ask: &Ask) -> Result<Answer> {
        self.insists_and(ask, |_, _| {}).await
    }

    /// Repeats until it is done.
    pub async fn gets(&mut self, ask: &Ask) -> Result<Value> {
        self.insists(ask).await?.success().with_context(|| ask.path.clone())
    }

    /// Reads again and again until it is as described.
    pub async fn awaits(&mut self, ask: &Ask, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let begun = Instant::now();
        loop {
            let answer = self.insists(ask).await?;
            if answer.status == 200 && is(&answer.body) {
                return Ok(answer.body);
            }
            ensure!(begun.elapsed() < GIVES_UP_AFTER, "not within {GIVES_UP_AFTER:?}: {what}; it is {}", answer.text);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Creates something and tells its id.
    pub async fn creates(&mut self, ask: &Ask) -> Result<String> {
        text(&self.gets(ask).await?, "id")
    }
}
