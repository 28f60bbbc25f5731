//! The network: partitions each way, latency, a trickle, resets, and connections that only one side believes in.

use std::{fmt, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use reqwest::Url;
use sqlx::{Connection, PgConnection};
use testcontainers_suite::{
    proxy::{Proxy, Way},
    world::Service,
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    faults::SILENCE,
    round::Round,
    stage::Stage,
    trial,
};

/// What a service is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Database,
    Broker,
}

impl Server {
    const BOTH: [Self; 2] = [Self::Database, Self::Broker];
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Database { "its database" } else { "the broker" })
    }
}

fn link(stage: &Stage, service: Service, server: Server) -> &Proxy {
    match server {
        Server::Database => &stage.links(service).database,
        Server::Broker => &stage.links(service).broker,
    }
}

/// Without its database a service can do nothing; without the broker its users are served as ever, and others hear of it
/// later. Where users are told to come again, it is by a service without its database.
const fn cut_off_from(service: Service, server: Server) -> Contract {
    match server {
        Server::Database => Contract::all_serve_but(service),
        Server::Broker => Contract::ALL_SERVE,
    }
}

/// A cut, and the bytes that had passed each way by then.
pub struct Cut {
    ways: &'static [Way],
    carried: Vec<u64>,
}

impl Cut {
    /// Cuts ways that something passes.
    pub async fn of(link: &Proxy, ways: &'static [Way]) -> Result<Self> {
        ensure!(ways.iter().all(|way| link.carried(*way) > 0), "nothing goes this way");
        for way in ways {
            link.cut(*way);
        }
        // What is being written at this moment passes yet.
        sleep(CUT_WITHIN).await;
        Ok(Self { ways, carried: ways.iter().map(|way| link.carried(*way)).collect() })
    }

    /// Tells that nothing has passed since.
    pub fn holds(&self, link: &Proxy) -> Result<String> {
        let carried: Vec<_> = self.ways.iter().map(|way| link.carried(*way)).collect();
        ensure!(carried == self.carried, "of {:?} bytes at the cut there are {carried:?}", self.carried);
        Ok(format!("nothing passed after {} bytes", carried.iter().sum::<u64>()))
    }
}

/// A cut holds after this time.
const CUT_WITHIN: Duration = Duration::from_millis(200);
/// A consumer's session runs for six seconds, and its answers are waited for ten.
const SESSION_ENDS_AFTER: Duration = Duration::from_secs(8);
/// How long latency, a trickle, or resets last.
const BAD_WEATHER: Duration = Duration::from_secs(20);
/// So many bytes are asked for in bad weather, on a connection from before.
const BYTES: usize = 20_000;
/// In fair weather that takes milliseconds; two seconds of latency each way, and 4 KiB a second, make it more than this.
const TAKES: Duration = Duration::from_secs(3);
/// Between two resets of all connections.
const RESETS_EVERY: Duration = Duration::from_millis(500);
/// Which ways a partition cuts.
const CUTS: [(&str, &[Way]); 3] =
    [("both ways", &Way::BOTH), ("on the way there", &[Way::ToServer]), ("on the way back", &[Way::ToClient])];

/// The partition of every test run: service, server, and index of [`CUTS`]. Commits are done, and nobody hears of them.
const SHORT_PARTITION: (Service, Server, usize) = (Service::Bidding, Server::Database, 2);

pub fn trials(extent: Extent) -> Vec<Trial> {
    let mut trials = Vec::new();
    for service in Service::ALL {
        for server in Server::BOTH {
            for cut in 0..CUTS.len() {
                if extent == Extent::All || SHORT_PARTITION == (service, server, cut) {
                    trials.push(partition(extent, service, server, cut));
                }
            }
        }
    }
    trials.push(forgotten());
    if extent == Extent::All {
        trials.push(weather("two seconds of latency on all ways", |proxy| proxy.delay(Duration::from_secs(2))));
        trials.push(weather("4 KiB a second on every connection", |proxy| proxy.trickle(4096)));
        trials.push(resets());
        trials.extend(Service::ALL.map(loses_its_session));
    }
    trials
}

fn partition(extent: Extent, service: Service, server: Server, cut: usize) -> Trial {
    let (how, ways) = CUTS[cut];
    let what = format!("{service} is cut off from {server}, {how}");
    let (server_name, way) = (name(&server.to_string()), name(how));
    trial(format!("network::{service}_is_cut_off_from_{server_name}_{way}"), async move |stage| {
        let lasts = extent.lasts(6, 30);
        Round::of(&what, lasts, cut_off_from(service, server))
            .run(stage, async |stage| cut_for(lasts, link(stage, service, server), ways).await)
            .await
    })
}

async fn cut_for(lasts: Duration, link: &Proxy, ways: &'static [Way]) -> Result<Mended> {
    let since = Instant::now();
    let cut = Cut::of(link, ways).await?;
    sleep(lasts).await;
    let proof = cut.holds(link)?;
    link.heal();
    Ok(Mended::now(since, proof))
}

/// The broker is away for longer than a consumer's session, and for less than its answers are waited for. The consumer has
/// given its membership up, and what it had asked for as a member goes out afterwards.
fn loses_its_session(service: Service) -> Trial {
    trial(format!("network::{service}_loses_its_session_with_the_broker"), async move |stage| {
        let what = format!("{service} is cut off from the broker, for about a session");
        Round::of(&what, SESSION_ENDS_AFTER, Contract::ALL_SERVE)
            .run(stage, async |stage| cut_for(SESSION_ENDS_AFTER, &stage.links(service).broker, &Way::BOTH).await)
            .await
    })
}

/// Weather over all ways for a while. It may be so bad that no call ends in its time.
fn weather(what: &'static str, make: impl Fn(&Proxy) + Send + 'static) -> Trial {
    trial(format!("network::{}", name(what)), async move |stage| {
        Round::of(what, BAD_WEATHER, Contract::NONE_SERVES)
            .run(stage, async |stage| {
                let mut session = session_through_proxy(stage, Service::Listing).await?;
                let since = Instant::now();
                stage.all_links().for_each(&make);
                let (asked, ()) = tokio::join!(asks(&mut session), sleep(BAD_WEATHER));
                let proof = asked?;
                stage.all_links().for_each(Proxy::heal);
                Ok(Mended::now(since, proof))
            })
            .await
    })
}

/// A session of ours with a service's database, on the way that the service goes.
async fn session_through_proxy(stage: &Stage, service: Service) -> Result<PgConnection> {
    let mut url = Url::parse(&stage.world.endpoints.postgres[service.context()])?;
    let port = Some(stage.links(service).database.address().port());
    url.set_port(port).ok().context("the database's URL takes no port")?;
    Ok(PgConnection::connect(url.as_str()).await?)
}

/// Asks for some bytes, and tells how long that took.
async fn asks(session: &mut PgConnection) -> Result<String> {
    let asked = Instant::now();
    let query = format!("SELECT repeat('x', {BYTES})");
    let bytes = timeout(BAD_WEATHER, sqlx::raw_sql(&query).execute(session)).await;
    let took = asked.elapsed();
    if let Ok(answered) = bytes {
        answered?;
    }
    ensure!(took > TAKES, "{BYTES} bytes took {took:?}: this is fair weather");
    Ok(format!("{BYTES} bytes took {:.1} s or more", took.as_secs_f64()))
}

/// Between two of them all is well. Whoever has a request under way on one of them is told to come again.
fn resets() -> Trial {
    let what = "every connection reset, twice a second";
    trial("network::every_connection_reset_twice_a_second", async move |stage| {
        Round::of(what, BAD_WEATHER, Contract::ALL_SERVE.felt_by_all())
            .run(stage, async |stage| {
                let (since, mut gone, mut open) = (Instant::now(), Instant::now(), 0);
                while since.elapsed() < BAD_WEATHER {
                    sleep(RESETS_EVERY).await;
                    open += stage.all_links().map(Proxy::open).sum::<usize>();
                    stage.all_links().for_each(Proxy::reset);
                    gone = Instant::now();
                }
                ensure!(open > 0, "no connection was open");
                Ok(Mended { gone, ..Mended::now(since, format!("{open} connections were reset")) })
            })
            .await
    })
}

/// Connections that are half open: new ones are well all the time, and those from before are never answered. The cause is
/// gone at once; all that there is to it is how soon it is noticed. Until then nobody need be served.
fn forgotten() -> Trial {
    let what = "every connection forgotten by its server";
    trial("network::every_connection_forgotten_by_its_server", async move |stage| {
        Round::of(what, SILENCE, Contract::NONE_SERVES.noticed_within(SILENCE))
            .run(stage, async |stage| {
                let open = stage.all_links().map(Proxy::open).collect::<Vec<_>>();
                ensure!(open.iter().all(|open| *open > 0), "a service has no connection: {open:?}");
                let since = Instant::now();
                stage.all_links().for_each(Proxy::forget);
                let mended = Mended::now(since, format!("{} connections were open", open.iter().sum::<usize>()));
                sleep(SILENCE).await;
                Ok(mended)
            })
            .await
    })
}

fn name(what: &str) -> String {
    what.replace([' ', ','], "_").replace("__", "_")
}
