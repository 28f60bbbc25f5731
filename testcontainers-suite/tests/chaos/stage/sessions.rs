//! Sessions with the databases: how many a service has at most, and whether all places of its pools can be used.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use testcontainers_suite::{
    wait::within,
    world::{Service, World},
};
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use super::{Stage, settings::PLACES};
use crate::converge::Witness;

/// Of a service, over all its instances.
const MOST: i64 = 100;
/// Every role may see how many sessions there are, and what they call themselves.
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE '%-service'";
const EVERY: Duration = Duration::from_millis(250);
/// Before somebody who got no place asks again.
const PAUSE: Duration = Duration::from_millis(20);
/// All places are taken so soon, new sessions included. PostgreSQL gives up a lock that is waited for after five seconds.
const TAKEN_WITHIN: Duration = Duration::from_secs(4);
/// So many more reads than places.
const MORE: usize = 5;

/// Counts the sessions of each service until it is dropped.
pub struct Count {
    most: Arc<Mutex<BTreeMap<Service, i64>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Count {
    /// Begins.
    pub fn begin(witness: &Arc<Witness>) -> Self {
        let most = Arc::new(Mutex::new(BTreeMap::new()));
        // Each for itself: one whose database does not answer holds up no other.
        let task = |service| tokio::spawn(count(Arc::clone(witness), service, Arc::clone(&most)));
        let tasks = Service::ALL.map(task).into();
        Self { most, tasks }
    }

    /// The most sessions that a service had at once. Fails if that were too many, or one was never counted.
    pub fn most(&self) -> Result<i64> {
        let most = self.most.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(most.len() == Service::ALL.len(), "sessions were counted of these only: {most:?}");
        ensure!(most.values().all(|most| *most <= MOST), "too many sessions with the databases: {most:?}");
        most.values().copied().max().context("a service")
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn count(witness: Arc<Witness>, service: Service, most: Arc<Mutex<BTreeMap<Service, i64>>>) {
    loop {
        if let Ok(open) = witness.count(service, OPEN).await {
            let mut most = most.lock().unwrap_or_else(PoisonError::into_inner);
            let most = most.entry(service).or_default();
            *most = open.max(*most);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What a service's reads go to, and what locks it.
const fn reads(service: Service) -> (&'static str, &'static str) {
    match service {
        Service::Listing => ("/v1/listings", "LOCK TABLE listing IN ACCESS EXCLUSIVE MODE"),
        Service::Bidding => ("/v1/auctions", "LOCK TABLE auction IN ACCESS EXCLUSIVE MODE"),
        Service::Settlement => ("/v1/settlements", "LOCK TABLE settlement IN ACCESS EXCLUSIVE MODE"),
    }
}

/// Places for reads in one instance: each service keeps a third for what no reader may hold up.
const READS: usize = PLACES - PLACES / 3;

impl Stage {
    /// Every place of a service's pools can be used: while nobody can read, as many reads wait as there are places.
    pub async fn all_places_are_usable(&self, service: Service) -> Result<()> {
        let (path, lock) = reads(service);
        let database = self.witness().database(service);
        let mut locked = database.begin().await?;
        sqlx::query(lock).execute(&mut *locked).await?;
        let (over, apis) = (watch::Sender::new(false), self.apis(service));
        let mut readers = Vec::new();
        for api in &apis {
            for _ in 0..READS + MORE {
                let url = format!("https://{api}{path}/{}", Uuid::now_v7());
                readers.push(tokio::spawn(read(Arc::clone(&self.world), url, over.subscribe())));
            }
        }
        let expected = apis.len() * READS;
        let what = format!("all {expected} places of {service} are in use");
        // Closer, events and worker may wait as well, in places of their own. A read is of one row and locks none.
        let waiting = format!("{OPEN} AND wait_event_type = 'Lock' AND query LIKE '%WHERE id = $1'");
        let taken = within(TAKEN_WITHIN, &what, || async {
            let taken = usize::try_from(self.witness().count(service, &waiting).await?)?;
            ensure!(taken >= expected, "{taken} are");
            Ok(())
        });
        let taken = taken.await;
        over.send_replace(true);
        locked.rollback().await?;
        for reader in readers {
            reader.await?.with_context(|| format!("a read of {service}"))?;
        }
        taken
    }
}

/// Reads what is not there. Who gets no place in time comes again until it is `over`.
async fn read(world: Arc<World>, url: String, over: watch::Receiver<bool>) -> Result<()> {
    let reader = world.bidder("reader");
    loop {
        let answer = world.ask(world.http.get(&url).bearer_auth(&reader.token)).await?;
        if answer.status == 503 && !*over.borrow() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        ensure!([404, 503].contains(&answer.status), "answered {}: {}", answer.status, answer.text);
        return Ok(());
    }
}
