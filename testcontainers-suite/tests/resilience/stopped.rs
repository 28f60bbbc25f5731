//! A database or the broker that stands still: the probes say which part it is and stay quick, nobody waits for an answer,
//! the other services go on, and all is well again by itself.

use std::{process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testcontainers_suite::{
    client::{Answer, Person, fresh_key},
    story::{Lot, Sale, Terms},
    wait::within,
    world::{Service, World},
};

use crate::trial;

/// A probe that takes longer is as good as none: orchestrators give up earlier.
const PROBE_ANSWERS_WITHIN: Duration = Duration::from_secs(15);
const NOTICED_WITHIN: Duration = Duration::from_secs(30);
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);
/// The services' own bound is 10 s; the rest is for a machine that is busy.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// No lot ends meanwhile.
const LONG: Duration = Duration::from_secs(600);

pub fn trials() -> Vec<Trial> {
    let databases = Service::ALL.map(|service| {
        trial(
            format!("stopped::{service}_says_that_its_database_stands_still_and_the_others_go_on"),
            async move |_, world| database_stands_still(world, service).await,
        )
    });
    let broker =
        trial("stopped::all_say_that_the_broker_stands_still_and_bids_are_still_taken".to_owned(), async |_, world| {
            broker_stands_still(world).await
        });
    databases.into_iter().chain([broker]).collect()
}

/// Processes that were told to stop, until this is dropped.
struct Stopped(Vec<Pid>);

impl Stopped {
    /// Stops a process and all below it: a database has one for each connection.
    fn all_of(pid: i32) -> Result<Self> {
        let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().context("ps")?;
        let table = String::from_utf8(output.stdout)?;
        let pairs: Vec<(i32, i32)> = table
            .lines()
            .filter_map(|line| {
                let mut numbers = line.split_whitespace().map(str::parse);
                Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
            })
            .collect();
        let mut all = vec![pid];
        let mut place = 0;
        while let Some(parent) = all.get(place).copied() {
            all.extend(pairs.iter().filter(|(_, above)| *above == parent).map(|(pid, _)| *pid));
            place += 1;
        }
        let mut stopped = Self(Vec::new());
        for pid in all.into_iter().map(Pid::from_raw) {
            // A process below may have ended meanwhile.
            if kill(pid, Signal::SIGSTOP).is_ok() {
                stopped.0.push(pid);
            }
        }
        ensure!(!stopped.0.is_empty(), "{pid} does not run");
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill(*pid, Signal::SIGCONT);
        }
    }
}

async fn probe(world: &World, service: Service, path: &str) -> Result<Answer> {
    let request = world.http.get(format!("{}{path}", world.endpoints.api(service)));
    tokio::time::timeout(PROBE_ANSWERS_WITHIN, world.ask(request))
        .await
        .with_context(|| format!("{service}: {path} hangs"))?
}

/// What a probe says of a part.
fn part<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let parts = answer.body["parts"].as_array().into_iter().flatten();
    parts.filter(|part| part["name"] == name).find_map(|part| part["status"].as_str()).unwrap_or("not told")
}

async fn is_not_ready_for(world: &World, service: Service, name: &str) -> Result<()> {
    within(NOTICED_WITHIN, &format!("{service} says that {name} stands still"), || async {
        let ready = probe(world, service, "/healthz/ready").await?;
        ensure!(ready.status == 503 && ready.body["status"] == "failing", "{}: {}", ready.status, ready.text);
        ensure!(part(&ready, name) != "ok", "{}", ready.text);
        Ok(())
    })
    .await?;
    let live = probe(world, service, "/healthz/live").await?;
    ensure!(live.status == 200, "a restart would mend nothing: {}", live.text);
    Ok(())
}

async fn is_ready(world: &World, service: Service) -> Result<()> {
    within(RECOVERS_WITHIN, &format!("{service} is ready"), || async {
        let ready = probe(world, service, "/healthz/ready").await?;
        ensure!(ready.status == 200, "{}", ready.text);
        Ok(())
    })
    .await
}

/// What somebody can do at each service, whatever has become of the others.
struct Ready<'w> {
    anna: Person<'w>,
    bert: Person<'w>,
    /// It can be bid on.
    open: Lot,
    /// It can be paid.
    sold: Sale,
}

impl<'w> Ready<'w> {
    async fn of(world: &'w World) -> Result<Self> {
        let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
        let open = anna.opens(&Terms::from(100).lasting(LONG)).await?;
        let bought = anna.opens(&Terms::from(100).with_buy_now(500).lasting(LONG)).await?;
        bert.buys_now(&bought).await?;
        let sold = bert.awaits_sale(&bought).await?;
        Ok(Self { anna, bert, open, sold })
    }

    async fn does_it_at(&self, service: Service) -> Result<()> {
        let done = async {
            match service {
                Service::Listing => self.anna.drafts(&Terms::from(100).lasting(LONG)).await.map(|_| ()),
                Service::Bidding => self.bert.bids(&self.open, 500).await.map(|_| ()),
                Service::Settlement => self.bert.pays(&self.sold, "pm_card_visa").await.map(|_| ()),
            }
        };
        tokio::time::timeout(ANSWERED_WITHIN, done).await.context("a request hangs")?
    }
}

async fn database_stands_still(world: &World, service: Service) -> Result<()> {
    for service in Service::ALL {
        is_ready(world, service).await?;
    }
    let people = Ready::of(world).await?;
    let person = world.person("reader", &["seller", "bidder"]);
    let (path, body) = match service {
        Service::Listing => ("/v1/listings".to_owned(), Terms::from(100).body()),
        Service::Bidding => (format!("/v1/auctions/{}/bids", fresh_key()), serde_json::json!({"max_amount": 500})),
        Service::Settlement => {
            (format!("/v1/settlements/{}/pay", fresh_key()), serde_json::json!({"payment_method": "pm_card_visa"}))
        }
    };
    {
        let _stopped = Stopped::all_of(world.pid(&format!("postgres-{service}"))?)?;
        is_not_ready_for(world, service, "postgres").await?;
        let request = person.request(reqwest::Method::POST, service, &path).header("idempotency-key", fresh_key());
        let asked = world.ask(request.json(&body));
        let answer = tokio::time::timeout(ANSWERED_WITHIN, asked).await.context("a request hangs")??;
        let unavailable = answer.status == 503 && answer.slug() == "unavailable";
        ensure!(unavailable && answer.header("retry-after").is_some(), "{}: {}", answer.status, answer.text);
        for other in Service::ALL.into_iter().filter(|other| *other != service) {
            let ready = probe(world, other, "/healthz/ready").await?;
            ensure!(ready.status == 200, "{other} is not ready for {service}'s database: {}", ready.text);
            people.does_it_at(other).await.with_context(|| format!("{other} does not go on"))?;
        }
    }
    is_ready(world, service).await?;
    let after = person.clone().patient(RECOVERS_WITHIN).post(service, &path, &body).await?;
    ensure!(after.status < 500, "afterwards it answers {}: {}", after.status, after.text);
    Ok(())
}

async fn broker_stands_still(world: &World) -> Result<()> {
    let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
    let lot = anna.opens(&Terms::from(100).lasting(LONG)).await?;
    {
        let _stopped = Stopped::all_of(world.pid("kafka")?)?;
        for service in Service::ALL {
            is_not_ready_for(world, service, "kafka").await?;
        }
        // What is decided needs the database only; it is told when the broker is back.
        bert.bids(&lot, 500).await.context("a bid while the broker stands still")?;
    }
    for service in Service::ALL {
        is_ready(world, service).await?;
    }
    within(RECOVERS_WITHIN, "listing hears of the bid", || async {
        let listing = anna.listing(&lot).await?;
        ensure!(listing["bid_count"] == 1, "{listing}");
        Ok(())
    })
    .await
}
