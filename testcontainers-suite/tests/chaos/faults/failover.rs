//! A database fails over to a replica: because the primary died, or because nobody reaches it any more.
//!
//! The replica is synchronous: what was committed is on both. It is what an operator needs who may lose nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testcontainers_suite::{wait::within, world::Service};
use tokio::time::{Instant, sleep};

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    faults::SILENCE,
    last_trial, report,
    round::Round,
    stage::{Stage, cluster::Cluster},
};

const IN_STEP_WITHIN: Duration = Duration::from_secs(30);
/// How long it takes to notice that a primary is dead, and to decide.
const DECIDES_AFTER: Duration = Duration::from_secs(2);
/// Of the ports of a marketplace: one of those for ways to Kafka that nobody goes.
const REPLICA_PORT: u16 = 29;

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        return Vec::new();
    }
    if cfg!(not(target_os = "linux")) {
        report::leave_out("failover to a replica", "processes are looked at by /proc, which is Linux's");
        return Vec::new();
    }
    let died = Service::ALL.map(|service| {
        last_trial(format!("failover::the_primary_of_{service}_dies"), async move |stage| died(stage, service).await)
    });
    let unreachable = Service::ALL.map(|service| {
        last_trial(format!("failover::the_primary_of_{service}_is_not_reached"), async move |stage| {
            not_reached(stage, service).await
        })
    });
    died.into_iter().chain(unreachable).collect()
}

/// A replica that has everything that was committed.
async fn replica(stage: &Stage, primary: &Cluster, service: Service) -> Result<Cluster> {
    let files = primary.data.with_file_name(format!("{service}-replica"));
    primary.set("wal_keep_size", "1GB").await?;
    primary.back_up(&files).await?;
    primary.instruct(&files, &primary.conninfo()?, "standby.signal")?;
    let log = stage.world.endpoints.logs_dir.join(format!("postgres-{service}-replica.log"));
    let replica = primary.start_on(&files, stage.local().base_port() + REPLICA_PORT, &log).await?;
    primary.set("synchronous_standby_names", "*").await?;
    within(IN_STEP_WITHIN, "the replica follows in step", || async {
        let follows = primary.ask("SELECT coalesce(max(sync_state), 'none') FROM pg_stat_replication").await?;
        ensure!(follows == "sync", "it is {follows}");
        Ok(())
    })
    .await?;
    Ok(replica)
}

/// Makes a replica the primary, and sends new connections there.
async fn promote(stage: &Stage, replica: &Cluster, service: Service) -> Result<()> {
    let promoted = replica.ask("SELECT pg_promote(true, 30)::text").await?;
    ensure!(promoted == "true", "it was not promoted");
    stage.database_is_at(service, replica)
}

async fn died(stage: &mut Stage, service: Service) -> Result<()> {
    let primary = Cluster::of(stage, service)?;
    let replica = replica(stage, &primary, service).await?;
    let what = format!("the database of {service} dies, a replica takes over");
    Round::of(&what, DECIDES_AFTER, Contract::all_serve_but(service))
        .run(stage, async |stage| {
            let since = Instant::now();
            // It comes back by and by; nobody goes there any more.
            stage.links(service).database.leads_to(&[]);
            kill(Pid::from_raw(stage.world.pid(&format!("postgres-{service}"))?), Signal::SIGKILL)?;
            sleep(DECIDES_AFTER).await;
            promote(stage, &replica, service).await?;
            Ok(Mended::now(since, "the replica was promoted"))
        })
        .await
}

/// The old primary is up, and every connection to it leads nowhere; who has one is not told.
async fn not_reached(stage: &mut Stage, service: Service) -> Result<()> {
    let primary = Cluster::of(stage, service)?;
    let replica = replica(stage, &primary, service).await?;
    let what = format!("the database of {service} is not reached any more, a replica takes over");
    let contract = Contract::all_serve_but(service).noticed_within(SILENCE);
    Round::of(&what, SILENCE, contract)
        .run(stage, async |stage| {
            let (since, link) = (Instant::now(), &stage.links(service).database);
            let open = link.open();
            ensure!(open > 0, "no connection was open");
            link.leads_to(&[]);
            link.forget();
            sleep(DECIDES_AFTER).await;
            promote(stage, &replica, service).await?;
            // New connections are well from now on; the others are found out by who uses them.
            let mended = Mended::now(since, format!("{open} connections were open, the replica was promoted"));
            sleep(SILENCE.saturating_sub(since.elapsed())).await;
            Ok(mended)
        })
        .await
}
