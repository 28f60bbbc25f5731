//! `kill -9` at every step of a sale: it still ends paid out, and the ledger balances.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use libtest_mimic::Trial;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testcontainers_suite::{
    client::Person,
    story::{Lot, Sale, Terms, balance_of, text},
    target::Local,
    wait::within,
    world::World,
};

use crate::trial;

/// A broker that was killed needs its time to come back, on a machine that is busy.
const RECOVERS_WITHIN: Duration = Duration::from_secs(120);
/// What is killed, and the currency of the sale in which it is.
type Victims = [(&'static str, &'static str)];

/// What is killed at a time.
const SERVICES: &Victims = &[("listing", "CHF"), ("bidding", "NOK"), ("settlement", "SEK")];
const DATABASES: &Victims = &[("postgres-listing", "DKK"), ("postgres-bidding", "PLN"), ("postgres-settlement", "CZK")];
const BROKERS: &Victims = &[("kafka", "HUF")];
/// Lots last so long. A broker takes longer to come back, and without it bidding does not hear of a lot.
const LASTS: Duration = Duration::from_secs(35);
const LASTS_WITHOUT_BROKER: Duration = Duration::from_secs(75);

pub fn trials() -> Vec<Trial> {
    let victims =
        [("services", SERVICES, LASTS), ("databases", DATABASES, LASTS), ("brokers", BROKERS, LASTS_WITHOUT_BROKER)];
    let victims = victims.into_iter().map(|(kind, victims, lasts)| {
        trial(format!("killed::sales_survive_that_all_{kind}_are_killed_at_every_step"), async move |_, world| {
            let sales = victims.iter().map(|(name, currency)| async move {
                let mut victim = Victim { world, name, killed: None };
                let survives = sale(world, currency, lasts, async |_| victim.dies().await).await;
                survives.with_context(|| format!("the sale in which {name} is killed"))
            });
            try_join_all(sales).await.map(|_| ())
        })
    });
    let all = trial("killed::a_sale_survives_that_everything_is_killed_and_started_again".to_owned(), everything);
    victims.chain([all]).collect()
}

/// The steps after which something dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Published,
    Bid,
    Paid,
    Shipped,
    Received,
}

/// A whole sale with `hurt` after each step; nobody waits for the step's consequences before.
async fn sale(
    world: &World,
    currency: &'static str,
    lasts: Duration,
    mut hurt: impl AsyncFnMut(Step) -> Result<()>,
) -> Result<()> {
    let anna = world.seller("anna").patient(RECOVERS_WITHIN);
    let (bert, carla) = (world.bidder("bert").patient(RECOVERS_WITHIN), world.bidder("carla").patient(RECOVERS_WITHIN));
    let lot = anna.drafts(&Terms::from(10_000).in_currency(currency).lasting(lasts)).await?;

    anna.publishes(&lot).await?.success()?;
    hurt(Step::Published).await.context("published")?;
    anna.awaits_auction(&lot, "open").await?;
    bert.bids(&lot, 20_000).await?;
    carla.bids(&lot, 30_000).await?;
    hurt(Step::Bid).await.context("bid")?;
    carla.awaits_auction(&lot, "closed").await?;
    let sale = awaits_sale(&carla, &lot).await?;
    carla.pays(&sale, "pm_card_visa").await?;
    hurt(Step::Paid).await.context("paid")?;
    carla.awaits_sale_status(&sale, "escrowed", RECOVERS_WITHIN).await?;
    anna.ships(&sale).await?;
    hurt(Step::Shipped).await.context("shipped")?;
    carla.receives(&sale).await?;
    hurt(Step::Received).await.context("received")?;

    let paid_out = anna.awaits_sale_status(&sale, "completed", RECOVERS_WITHIN).await?;
    let price = carla.auction(&lot).await?["result"]["price"].as_i64().context("a price")?;
    within(RECOVERS_WITHIN, "the listing shows it", || async {
        let listing = anna.listing(&lot).await?;
        ensure!(listing["status"] == "sold" && listing["sale_status"] == "completed", "{listing}");
        ensure!(listing["price"] == price && listing["bid_count"] == 2, "{listing}");
        Ok(())
    })
    .await?;
    let ledger = world.operator().patient(RECOVERS_WITHIN).trial_balance().await?;
    for account in ["escrow", "bidder", "seller_payable"] {
        ensure!(balance_of(&ledger, account, currency) == 0, "{account}: {ledger}");
    }
    let commission = balance_of(&ledger, "platform_revenue", currency).abs();
    ensure!(commission == price / 10, "of {price} the platform has {commission}: {paid_out}");
    Ok(())
}

async fn awaits_sale(person: &Person<'_>, lot: &Lot) -> Result<Sale> {
    within(RECOVERS_WITHIN, "settlement hears of the sale", || async {
        let sales = person.sales_of(lot).await?;
        Ok(Sale { id: text(sales.first().context("there is no settlement")?, "id")? })
    })
    .await
}

/// A process that is killed again and again.
struct Victim<'w> {
    world: &'w World,
    name: &'static str,
    killed: Option<i32>,
}

impl Victim<'_> {
    /// Kills the process that runs now: the one that replaced the last one killed.
    async fn dies(&mut self) -> Result<()> {
        let pid = within(RECOVERS_WITHIN, &format!("{} runs again", self.name), || async {
            let pid = self.world.pid(self.name)?;
            ensure!(Some(pid) != self.killed, "it is dead");
            Ok(pid)
        })
        .await?;
        kill(Pid::from_raw(pid), Signal::SIGKILL).with_context(|| format!("{} ({pid})", self.name))?;
        self.killed = Some(pid);
        Ok(())
    }
}

/// Not even `outcry up` is left; what it had started runs on until the next start ends it.
async fn everything(local: &mut Local, world: &World) -> Result<()> {
    sale(world, "RON", Duration::from_secs(25), async |step| {
        if [Step::Bid, Step::Paid].contains(&step) {
            local.kill()?;
            tokio::task::block_in_place(|| local.start_again())?;
        }
        Ok(())
    })
    .await
}
