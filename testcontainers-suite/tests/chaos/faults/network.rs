//! The network: partitions each way, latency, a trickle, resets, and connections that only one side believes in.

use std::{fmt, time::Duration};

use anyhow::ensure;
use libtest_mimic::Trial;
use testcontainers_suite::{
    proxy::{Proxy, Way},
    world::Service,
};
use tokio::time::{Instant, sleep};

use crate::{extent::Extent, faults::SILENCE, round::Round, stage::Stage, trial};

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

/// How long latency, a trickle, or resets last.
const BAD_WEATHER: Duration = Duration::from_secs(20);
/// Which ways a partition cuts.
const CUTS: [(&str, &[Way]); 3] =
    [("both ways", &Way::BOTH), ("on the way there", &[Way::ToServer]), ("on the way back", &[Way::ToClient])];

/// The partition of every test run: service, server, and index of [`CUTS`].
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
    trials.push(forgotten(extent));
    if extent == Extent::All {
        trials.push(weather("two seconds of latency on all ways", |proxy| proxy.delay(Duration::from_secs(2))));
        trials.push(weather("4 KiB a second on every connection", |proxy| proxy.trickle(4096)));
        trials.push(resets());
    }
    trials
}

fn partition(extent: Extent, service: Service, server: Server, cut: usize) -> Trial {
    let (how, ways) = CUTS[cut];
    let what = format!("{service} is cut off from {server}, {how}");
    trial(format!("network::{}", name(&what)), async move |stage| {
        let lasts = extent.lasts(7, 30);
        Round::of(&what, lasts)
            .run(stage, async |stage| {
                let link = link(stage, service, server);
                let before = ways.iter().map(|way| link.carried(*way)).collect::<Vec<_>>();
                ensure!(before.iter().all(|bytes| *bytes > 0), "nothing goes this way: {before:?}");
                for way in ways {
                    link.cut(*way);
                }
                sleep(lasts).await;
                link.heal();
                Ok(Instant::now())
            })
            .await
    })
}

/// Weather over all ways for a while.
fn weather(what: &'static str, make: impl Fn(&Proxy) + Send + 'static) -> Trial {
    trial(format!("network::{}", name(what)), async move |stage| {
        Round::of(what, BAD_WEATHER)
            .run(stage, async |stage| {
                stage.all_links().for_each(&make);
                sleep(BAD_WEATHER).await;
                stage.all_links().for_each(Proxy::heal);
                Ok(Instant::now())
            })
            .await
    })
}

fn resets() -> Trial {
    let what = "every connection reset, twice a second";
    trial(format!("network::{}", name(what)), async move |stage| {
        Round::of(what, BAD_WEATHER)
            .run(stage, async |stage| {
                let begun = Instant::now();
                while begun.elapsed() < BAD_WEATHER {
                    stage.all_links().for_each(Proxy::reset);
                    sleep(Duration::from_millis(500)).await;
                }
                Ok(Instant::now())
            })
            .await
    })
}

/// Connections that are half open: new ones are well all the time, and those from before are never answered.
fn forgotten(extent: Extent) -> Trial {
    let what = "every connection forgotten by its server";
    trial(format!("network::{}", name(what)), async move |stage| {
        let lasts = extent.lasts(SILENCE.as_secs(), 30);
        Round::of(what, lasts)
            .run(stage, async |stage| {
                stage.all_links().for_each(Proxy::forget);
                sleep(lasts).await;
                Ok(Instant::now())
            })
            .await
    })
}

fn name(what: &str) -> String {
    what.replace([' ', ','], "_").replace("__", "_")
}
