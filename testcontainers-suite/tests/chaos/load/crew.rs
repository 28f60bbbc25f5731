//! Everybody who does something in a round: they begin, they rest while it is seen whether all agree, and they come to an
//! end, at which it is decided whether what they were told can have happened.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::Method;
use testcontainers_suite::{
    history::{Event, History, Interval},
    story,
    world::Service,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{
    Gate, bidders,
    client::Crowd,
    observer::{self, Read},
    record::{Lot, Record},
    sales, visitors,
    watcher::{self, Watched},
};
use crate::stage::Stage;

const HOT_LOTS: usize = 2;
const BIDDERS_OF_EACH: usize = 6;
const SELLERS: usize = 4;
/// Calls under way when the fault ended are answered within this time: a service answers everything in ten seconds.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Everything has ended within this time after the last fault.
const ENDS_WITHIN: Duration = Duration::from_secs(150);
/// Where bidding serves, a lot is closed so soon after its end.
const CLOSED_WITHIN: Duration = Duration::from_secs(2);
/// So exactly is known here what the time is there.
const CLOCKS_AGREE_WITHIN: Duration = Duration::from_millis(50);

/// Everybody who does something.
pub struct Crew {
    /// What all of them share.
    pub crowd: Arc<Crowd>,
    stop_sales: watch::Sender<bool>,
    stop_observers: watch::Sender<bool>,
    lots: Vec<String>,
    bidders: Vec<JoinHandle<Result<()>>>,
    watchers: BTreeMap<String, JoinHandle<Result<Watched>>>,
    sellers: Vec<JoinHandle<Result<usize>>>,
    visitors: Vec<JoinHandle<Result<()>>>,
    observer: JoinHandle<Result<Vec<Read>>>,
}

/// What there was when all had ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Bids on hot lots.
    pub bids: usize,
    /// Sales that were paid out.
    pub sales: usize,
    /// Reads of the books.
    pub reads: Vec<Read>,
}

impl Crew {
    /// They begin; hot lots last so long. Where settlement may forget, people do `again` what it asks of them.
    pub async fn begin(stage: &Stage, lasts: Duration, again: bool) -> Result<Self> {
        let crowd = Arc::new(Crowd { world: Arc::clone(&stage.world), gate: Gate::new(), record: Record::new() });
        let mut lots = Vec::new();
        for _ in 0..HOT_LOTS {
            lots.push(bidders::opens_lot(&crowd, lasts).await?);
        }
        let stop_sales = watch::Sender::new(false);
        let stop_observers = watch::Sender::new(false);
        let bidders = lots.iter().flat_map(|lot| std::iter::repeat_n(lot, BIDDERS_OF_EACH));
        let bidders = bidders.map(|lot| tokio::spawn(bidders::bids(Arc::clone(&crowd), lot.clone()))).collect();
        let watchers =
            lots.iter().map(|lot| (lot.clone(), tokio::spawn(watcher::watches(Arc::clone(&crowd), lot.clone()))));
        let watchers = watchers.collect();
        let seller = |_| {
            let (crowd, stop) = (Arc::clone(&crowd), stop_sales.subscribe());
            if again { tokio::spawn(sales::sells_again(crowd, stop)) } else { tokio::spawn(sales::sells(crowd, stop)) }
        };
        let sellers = (0..SELLERS).map(seller).collect();
        let visitors = vec![
            tokio::spawn(visitors::draft(Arc::clone(&crowd), stop_observers.subscribe())),
            tokio::spawn(visitors::look_after_settlements(Arc::clone(&crowd), stop_observers.subscribe())),
        ];
        let observer = tokio::spawn(observer::observes(Arc::clone(&crowd), stop_observers.subscribe()));
        Ok(Self { crowd, stop_sales, stop_observers, lots, bidders, watchers, sellers, visitors, observer })
    }

    /// Lets what is under way be answered, and waits until the services agree; tells how long after `gone` that was.
    pub async fn rests_until_all_agree(&self, stage: &Stage, gone: Instant) -> Result<Duration> {
        let gate = &self.crowd.gate;
        gate.close();
        let answered = timeout(ANSWERED_WITHIN, async {
            while gate.inside() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let agreed = match answered.await {
            Ok(()) => stage.witness().agreement(&stage.world, &self.lots, gone).await,
            Err(_) => Err(anyhow!("{} calls are not answered {ANSWERED_WITHIN:?} later", gate.inside())),
        };
        gate.open();
        agreed
    }

    /// Waits for the ends of all lots and sales, and checks everything. Whether bidding served all the while decides how
    /// soon a lot has to be closed.
    pub async fn ends(&mut self, stage: &Stage, bidding_served: bool) -> Result<Ended> {
        self.stop_sales.send_replace(true);
        let Self { crowd, bidders, watchers, sellers, .. } = self;
        let all = async {
            let (mut bids, mut sales) = (0, 0);
            for seller in sellers {
                sales += seller.await??;
            }
            for bidder in bidders {
                bidder.await??;
            }
            for (lot, watcher) in watchers {
                let watched = watcher.await??;
                bids += watched.log.iter().filter(|entry| matches!(entry.event, Event::Bid(_))).count();
                check(crowd, lot, watched, bidding_served).await?;
                crowd.record.lot(Lot { id: lot.clone(), paid_out: false });
            }
            anyhow::Ok((bids, sales))
        };
        let (bids, sales) = timeout(ENDS_WITHIN, all).await.context("lots or sales are stuck")??;
        ensure!(bids > 0 && sales > 0, "{bids} bids and {sales} sales prove nothing");
        // What the last sales did has to get everywhere, too.
        stage.witness().agreement(&stage.world, &self.lots, Instant::now()).await?;
        self.stop_observers.send_replace(true);
        for visitor in &mut self.visitors {
            visitor.await??;
        }
        let reads = (&mut self.observer).await??;
        Ok(Ended { bids, sales, reads })
    }
}

/// Whether what everybody was told of a lot can have happened, and whoever comes later sees the same.
async fn check(crowd: &Arc<Crowd>, lot: &str, watched: Watched, bidding_served: bool) -> Result<()> {
    let again = watcher::watches(Arc::clone(crowd), lot.to_owned()).await?;
    if again != watched {
        crowd.record.finding(format!("who watched {lot} saw {watched:?}, and whoever comes later {again:?}"));
    }
    let reader = crowd.world.bidder("reader");
    let read = reader.request(Method::GET, Service::Bidding, &format!("/v1/auctions/{lot}"));
    let auction = reader.send(read).await?.success()?;
    let (ends_at, closed_at) = (story::time(&auction, "ends_at")?, watched.closed_at);
    let late = (closed_at - ends_at).to_std().unwrap_or_default();
    if closed_at < ends_at || bidding_served && late > CLOSED_WITHIN {
        crowd.record.finding(format!("lot {lot} was closed at {closed_at}, and its end was {ends_at}"));
    }
    let end = crowd.record.at_clock(ends_at);
    let ends = Interval { began: end.saturating_sub(CLOCKS_AGREE_WITHIN), ended: end + CLOCKS_AGREE_WITHIN };
    let (calls, looks) = crowd.record.of_auction(lot);
    let history = History { terms: bidders::TERMS, calls, looks, log: watched.log, ends: Some(ends) };
    for finding in history.check() {
        crowd.record.finding(format!("lot {lot}: {finding}"));
    }
    Ok(())
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.bidders.iter().for_each(JoinHandle::abort);
        self.sellers.iter().for_each(JoinHandle::abort);
        self.visitors.iter().for_each(JoinHandle::abort);
        self.watchers.values().for_each(JoinHandle::abort);
        self.observer.abort();
    }
}
