//! A database is restored from a base backup and its archived log: whole, after its disk is lost, or as it was at a moment,
//! after somebody has destroyed what is in it. It is settlement's, because it has the money; docs/operations/recovery.md is
//! what is done here.

mod archive;
mod rewind;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use libtest_mimic::Trial;
use serde_json::json;
use sqlx::Connection;
use testcontainers_suite::{
    client::Person,
    story::{Lot, Sale, Terms},
    wait::{CONVERGES_WITHIN, within},
    world::{Service, World},
};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use self::archive::Archive;
use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    faults::{DEATH_IS_NOTICED_AFTER, STARTS_WITHIN},
    last_trial, report,
    round::Round,
    stage::{Extra, Stage, cluster::Cluster},
};

const SERVICE: Service = Service::Settlement;
/// About how long it takes, with all that happens before.
const LASTS: Duration = Duration::from_secs(40);
/// The load goes on for so long after the backup, and after the harm.
const GOES_ON: Duration = Duration::from_secs(10);
const BEGINS_AGAIN_WITHIN: Duration = Duration::from_secs(30);

/// The books are emptied, by somebody whom no trigger stops.
const CARELESS: &str = "SET session_replication_role = replica;
    DELETE FROM ledger_posting;
    DELETE FROM ledger_transaction";

pub fn trials(extent: Extent) -> Vec<Trial> {
    if extent == Extent::Short {
        return Vec::new();
    }
    if cfg!(not(target_os = "linux")) {
        report::leave_out("restore of a database", "processes are looked at by /proc, which is Linux's");
        return Vec::new();
    }
    vec![
        last_trial("recovery::a_database_whose_disk_is_lost_is_restored_whole", async move |stage| {
            the_disk_is_lost(stage).await
        }),
        last_trial("recovery::a_database_goes_back_to_before_a_careless_statement", async move |stage| {
            a_statement_was_careless(stage).await
        }),
    ]
}

/// Nothing is forgotten, so everything is asked of the marketplace that is asked after any other fault.
async fn the_disk_is_lost(stage: &mut Stage) -> Result<()> {
    let archive = Archive::begin(stage, SERVICE).await?;
    let cluster = Cluster::of(stage, SERVICE)?;
    let mut server = None;
    let what = "settlement and its database's disk are lost, the database is restored whole";
    let judged = Round::of(what, LASTS, Contract::all_serve_but(SERVICE).noticed_within(STARTS_WITHIN))
        .run(stage, async |stage| {
            archive.takes_a_backup(&cluster).await?;
            sleep(GOES_ON).await;
            let since = Instant::now();
            stage.kill(SERVICE, 0).await?;
            let proof = archive.survives_the_disk(stage, &cluster).await?;
            let restored = archive.restored(stage, &cluster, None).await?;
            stage.database_is_at(SERVICE, &restored)?;
            server = Some(restored);
            sleep_until(since + DEATH_IS_NOTICED_AFTER).await;
            stage.start_instance(SERVICE, 0, &Extra::new())?;
            Ok(Mended::now(since, proof))
        })
        .await;
    // It is looked at until the round is over.
    drop(server);
    judged
}

/// What settlement has done since that moment is forgotten. Bidding's events are heard again, and its people do again what
/// it asks of them. Asked is all that is asked elsewhere, but for what cannot hold ([`Contract::doing_again`]). Beyond that:
/// every sale is paid out in the very settlement that it had, no money is moved twice, and a sale that takes another course
/// than the one that was forgotten is heard of. What its buyer has paid, and nobody knows of, is the one movement that is to
/// be given back at the gateway.
async fn a_statement_was_careless(stage: &mut Stage) -> Result<()> {
    let archive = Archive::begin(stage, SERVICE).await?;
    let cluster = Cluster::of(stage, SERVICE)?;
    let mut server = None;
    let what = "settlement's books are emptied, its database goes back to the moment before";
    let judged = Round::of(what, LASTS, Contract::all_serve_but(SERVICE).doing_again(1))
        .run(stage, async |stage| {
            archive.takes_a_backup(&cluster).await?;
            let world = Arc::clone(&stage.world);
            let other = Other::sold(&world).await?;
            let since = Instant::now();
            let moment = empties_the_books(&cluster).await?;
            other.is_paid().await?;
            sleep(GOES_ON).await;
            stage.terminate(SERVICE, 0).await?;
            archive.has_everything(&cluster).await?;
            let known = Known::of(stage).await?;

            let restored = archive.restored(stage, &cluster, Some(moment)).await?;
            stage.database_is_at(SERVICE, &restored)?;
            server = Some(restored);
            let proof = known.is_more_than(&Known::of(stage).await?)?;
            rewind::gives_time(stage).await?;
            rewind::counts_on(stage).await?;
            let earlier = moment - TimeDelta::minutes(1);
            rewind::hears_again_from(&stage.world.endpoints, SERVICE, earlier).await?;
            stage.start_instance(SERVICE, 0, &Extra::new())?;
            stage.are_ready().await?;
            known.begins_again(stage).await?;
            // Those that have begun again, too.
            rewind::counts_on(stage).await?;
            other.is_called_off().await?;
            Ok(Mended::now(since, proof))
        })
        .await;
    drop(server);
    judged
}

/// Tells the moment before.
async fn empties_the_books(cluster: &Cluster) -> Result<DateTime<Utc>> {
    let mut superuser = cluster.superuser_in(SERVICE.context()).await?;
    let moment: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut superuser).await?;
    sqlx::raw_sql(CARELESS).execute(&mut superuser).await?;
    superuser.close().await?;
    Ok(moment)
}

/// What settlement knows of.
struct Known {
    settlements: BTreeSet<Uuid>,
    paid_out: i64,
}

impl Known {
    async fn of(stage: &Stage) -> Result<Self> {
        let database = stage.witness().database(SERVICE);
        let settlements: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM settlement").fetch_all(&database).await?;
        let paid_out = "SELECT count(*) FROM settlement WHERE status = 'completed'";
        let paid_out = stage.witness().count(SERVICE, paid_out).await?;
        Ok(Self { settlements: settlements.into_iter().collect(), paid_out })
    }

    /// Or nothing was forgotten, which proves nothing. Tells how much was.
    fn is_more_than(&self, left: &Self) -> Result<String> {
        let (settlements, known) = (left.settlements.len(), self.settlements.len());
        ensure!(left.settlements.is_subset(&self.settlements), "there are settlements of later");
        ensure!(settlements < known && left.paid_out < self.paid_out, "nothing was forgotten");
        Ok(format!("of {known} settlements {settlements} were left, of {} payouts {}", self.paid_out, left.paid_out))
    }

    /// Every settlement is there again, by the id that it had.
    async fn begins_again(&self, stage: &Stage) -> Result<()> {
        within(BEGINS_AGAIN_WITHIN, "all settlements have begun again", || async {
            let missing = self.settlements.difference(&Self::of(stage).await?.settlements).count();
            ensure!(missing == 0, "{missing} are missing");
            Ok(())
        })
        .await
    }
}

/// A sale that takes another course the second time: paid, and called off by both parties after that was forgotten.
struct Other<'w> {
    anna: Person<'w>,
    bert: Person<'w>,
    lot: Lot,
    sale: Sale,
}

impl<'w> Other<'w> {
    async fn sold(world: &'w World) -> Result<Self> {
        let (anna, bert) = (world.seller("anna"), world.bidder("bert"));
        let lot = anna.opens(&Terms::from(1_000).lasting(Duration::from_secs(5))).await?;
        bert.bids(&lot, 1_500).await?;
        let sale = bert.awaits_sale(&lot).await?;
        Ok(Self { anna, bert, lot, sale })
    }

    async fn is_paid(&self) -> Result<()> {
        self.bert.pays(&self.sale, "pm_card_visa").await?;
        self.stands_at("escrowed").await
    }

    async fn is_called_off(&self) -> Result<()> {
        let forgotten = self.bert.awaits_sale_status(&self.sale, "awaiting_payment", CONVERGES_WITHIN).await;
        forgotten.context("the payment is to be forgotten")?;
        for party in [&self.anna, &self.bert] {
            party.acts(&self.sale, "cancel", &json!({})).await?.success().context("cancel")?;
        }
        self.stands_at("failed").await
    }

    /// Listing says so, too.
    async fn stands_at(&self, status: &str) -> Result<()> {
        self.bert.awaits_sale_status(&self.sale, status, CONVERGES_WITHIN).await?;
        let what = format!("says that the sale is {status}");
        self.anna.awaits_listing_that(&self.lot, &what, |listing| listing["sale_status"] == status).await?;
        Ok(())
    }
}
