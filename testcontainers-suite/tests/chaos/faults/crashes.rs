//! A service dies at the worst moments there are: it has taken events in and not committed what they lead to, or it has
//! committed events and the broker does not have them. Whatever it had sent and nobody had got dies with it.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use testcontainers_suite::{
    proxy::{Proxy, Way},
    story::{Lot, Sale},
    wait::within,
    world::Service,
};
use tokio::time::{Instant, sleep};

use crate::{
    contract::{Contract, Mended},
    extent::Extent,
    faults::{DEATH_IS_NOTICED_AFTER, network::Cut, story::People},
    load::record,
    outcome,
    round::Round,
    stage::{Extra, Stage},
    trial,
};

/// Longer than it takes a consumer to tell the broker how far it got, which is once a second.
const UNCOMMITTED_FOR: Duration = Duration::from_secs(3);
/// Longer than a relay rests between two looks at the outbox.
const UNPUBLISHED_FOR: Duration = Duration::from_secs(1);
/// What others tell waits at the broker so long, so that the consumer takes in many events at once: of a single one, the last
/// about its subject, nobody might notice that it is missing.
const PILES_UP_FOR: Duration = Duration::from_secs(3);
/// What others tell begins so long before the cut.
const BEFORE_THE_CUT: Duration = Duration::from_secs(1);
/// Lots that are to be over in a moment last so long, so that there is time for a bid.
const ENDS_SOON: Duration = Duration::from_secs(3);
/// Lots that are to be there all the while, and over soon after it.
const OUTLASTS: Duration = Duration::from_secs(10);
/// What was told is known everywhere so soon after the round; the last lots may not even be over by then.
const KNOWN_WITHIN: Duration = Duration::from_secs(15);

/// Of every test run. Listing hears of each bid, so something is always under way to it; each bid is an event of bidding's.
const SHORT: [Service; 2] = [Service::Listing, Service::Bidding];

pub fn trials(extent: Extent) -> Vec<Trial> {
    let [consumer, publisher] = SHORT;
    let of = |short| Service::ALL.into_iter().filter(move |service| extent == Extent::All || *service == short);
    of(consumer).map(consumes).chain(of(publisher).map(publishes)).collect()
}

/// Kills a service whose way to a server is cut. What it had sent and the proxy held is lost, as with the machine that it
/// ran on; then the way is free, and it is started again.
async fn dies_cut_off(stage: &mut Stage, service: Service, way: impl Fn(&Stage) -> &Proxy) -> Result<()> {
    stage.kill(service, 0).await?;
    way(stage).reset();
    way(stage).heal();
    stage.start_instance(service, 0, &Extra::new())
}

/// Others tell, and it piles up at the broker. The database is cut off, the consumer takes in the pile, and dies.
fn consumes(service: Service) -> Trial {
    trial(format!("crashes::{service}_dies_before_it_commits_what_it_has_consumed"), async move |stage| {
        let what = format!("{service} is killed while it cannot commit what it consumes");
        let (world, mut lots) = (Arc::clone(&stage.world), Vec::new());
        let people = People::of(&world);
        let contract = Contract::all_serve_but(service).noticed_within(DEATH_IS_NOTICED_AFTER);
        let lasts = BEFORE_THE_CUT + PILES_UP_FOR + UNCOMMITTED_FOR + DEATH_IS_NOTICED_AFTER;
        Round::of(&what, lasts, contract)
            .run(stage, async |stage| {
                let (link, broker) = (&stage.links(service).database, &stage.links(service).broker);
                let cuts = async {
                    sleep(BEFORE_THE_CUT).await;
                    let since = Instant::now();
                    // It cannot ask for events; what it asks then is answered with all of them.
                    broker.cut(Way::ToServer);
                    let before = stage.witness().published().await;
                    sleep(PILES_UP_FOR).await;
                    let cut = Cut::of(link, &Way::BOTH).await;
                    let after = stage.witness().published().await;
                    broker.heal();
                    anyhow::Ok((since, cut?, after? - before?))
                };
                let (told, cut) = tokio::join!(others_tell(&people, service), cuts);
                lots = told?;
                let (since, cut, piled_up) = cut?;
                ensure!(piled_up > 1, "{piled_up} events piled up");
                let proof = format!("{}, {piled_up} events piled up", cut.holds(link)?);
                dies_cut_off(stage, service, |stage| &stage.links(service).database).await?;
                Ok(Mended::now(since, proof))
            })
            .await?;
        all_are_told_alike(stage, lots).await
    })
}

/// Others tell a service something from before the cut until it has lasted long enough: lots of which it has to know.
async fn others_tell(people: &People<'_>, service: Service) -> Result<Vec<Lot>> {
    let until_it_dies = BEFORE_THE_CUT + PILES_UP_FOR + UNCOMMITTED_FOR;
    match service {
        // The load bids all the time.
        Service::Listing => {
            sleep(until_it_dies).await;
            Ok(Vec::new())
        }
        Service::Bidding => people.publish_for(until_it_dies, OUTLASTS).await,
        Service::Settlement => {
            let lots = people.open_with_a_bid(ENDS_SOON).await?;
            people.await_the_hammer(&lots).await?;
            sleep(PILES_UP_FOR + UNCOMMITTED_FOR).await;
            Ok(lots)
        }
    }
}

/// Whether everything that was told of lots got everywhere.
async fn all_are_told_alike(stage: &Stage, lots: Vec<Lot>) -> Result<()> {
    for Lot { id } in lots {
        let lot = record::Lot { id, paid_out: false };
        let what = format!("all tell the same of lot {}", lot.id);
        within(KNOWN_WITHIN, &what, || outcome::is_told_alike(stage, &lot)).await?;
    }
    Ok(())
}

/// What is there before the broker is cut off.
enum Ready {
    Nothing,
    ToBeBidOn(Vec<Lot>),
    ToBePaid(Vec<Sale>),
}

/// The broker is cut off, people go on, the service commits what it has to tell, and dies. Some of its users lose their
/// connections with it.
fn publishes(service: Service) -> Trial {
    trial(format!("crashes::{service}_dies_before_the_broker_has_what_it_has_committed"), async move |stage| {
        let what = format!("{service} is killed while the broker has not got what it tells");
        let (world, mut lots, mut sales) = (Arc::clone(&stage.world), Vec::new(), Vec::new());
        let people = People::of(&world);
        let contract = Contract::ALL_SERVE.felt_by_users_of(service).noticed_within(DEATH_IS_NOTICED_AFTER);
        Round::of(&what, UNPUBLISHED_FOR + DEATH_IS_NOTICED_AFTER, contract)
            .run(stage, async |stage| {
                let ready = ready(&people, service).await?;
                let (since, link) = (Instant::now(), &stage.links(service).broker);
                // Acknowledgements come through: the relay sends on, and nobody gets it.
                let cut = Cut::of(link, &[Way::ToServer]).await?;
                let told = match ready {
                    Ready::Nothing => {
                        lots = people.publish(OUTLASTS).await?;
                        lots.len()
                    }
                    Ready::ToBeBidOn(on) => {
                        lots = on;
                        people.outbid_each_other(&lots[0]).await?
                    }
                    Ready::ToBePaid(of) => {
                        sales = of;
                        people.pay(&sales).await?
                    }
                };
                sleep(UNPUBLISHED_FOR).await;
                let waiting = stage.witness().count(service, "SELECT count(*) FROM outbox").await?;
                ensure!(
                    usize::try_from(waiting)? >= told,
                    "{told} events were committed, and {waiting} are kept until the broker has them"
                );
                let proof = format!("{}, {waiting} events waited", cut.holds(link)?);
                dies_cut_off(stage, service, |stage| &stage.links(service).broker).await?;
                Ok(Mended::now(since, proof))
            })
            .await?;
        all_are_told_alike(stage, lots).await?;
        people.complete(&sales).await
    })
}

async fn ready(people: &People<'_>, service: Service) -> Result<Ready> {
    Ok(match service {
        Service::Listing => Ready::Nothing,
        Service::Bidding => Ready::ToBeBidOn(people.open_with_a_bid(OUTLASTS).await?),
        Service::Settlement => {
            let lots = people.open_with_a_bid(ENDS_SOON).await?;
            Ready::ToBePaid(people.await_sales(&lots).await?)
        }
    })
}
