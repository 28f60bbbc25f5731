//! Who is next: what an answer needs, and that it is kept like every decision.

use bidding_domain::{
    event::Happening,
    ids::{SettlementId, UserId},
    log::StandingBids,
    replay::replay,
    second_chance::Asked,
};
use bidding_ports::{
    error::StoreError,
    outbox::Outbox,
    store::{AuctionStore, AuctionTx},
};
use uuid::Uuid;

use super::{bid, change, close, fresh, open, read};
use crate::world::{amount, user};

pub(super) async fn the_suspended_of_many_bidders_are_named_in_their_order(
    store: &dyn AuctionStore,
) -> Result<(), StoreError> {
    let bidders: Vec<UserId> = ["d", "a", "c", "b"].map(|name| user(&fresh(name))).into();
    let suspended = async |tx: &mut dyn AuctionTx| tx.suspended(&bidders).await;
    let mut tx = store.begin().await?;
    assert_eq!(suspended(&mut *tx).await?, []);
    for place in [3, 0, 2] {
        tx.set_suspended(&bidders[place], true).await?;
    }
    let expected = [0, 2, 3].map(|place: usize| bidders[place].clone());
    assert_eq!(suspended(&mut *tx).await?, expected, "a unit of work sees what it wrote");
    assert_eq!(suspended(&mut *store.begin().await?).await?, [], "others do not");
    tx.commit().await?;

    let mut tx = store.begin().await?;
    tx.set_suspended(&bidders[2], false).await?;
    assert_eq!(suspended(&mut *tx).await?, [0, 3].map(|place: usize| bidders[place].clone()));
    drop(tx);
    assert_eq!(suspended(&mut *store.begin().await?).await?, expected);
    assert_eq!(store.begin().await?.suspended(&[]).await?, []);
    Ok(())
}

pub(super) async fn an_answer_is_kept_in_the_log_with_what_everybody_may_know_and_waits_to_be_published(
    store: &dyn AuctionStore,
    relay: &dyn Outbox,
) -> Result<(), StoreError> {
    let id = open(store).await?.id();
    bid(store, id, "ann", 1_000).await?.expect("accepted");
    bid(store, id, "bob", 2_000).await?.expect("accepted");
    let closed = change(store, id, close).await?;
    let bids = store.log(id).await?.iter().collect::<StandingBids>().into_vec();
    let settlement = SettlementId(Uuid::now_v7());
    let asked = Asked { settlement, excluded: vec![user("bob")] };
    let answered =
        change(store, id, |auction, now| Ok(auction.nominate(&asked, &[], &bids, now).expect("asked once"))).await?;

    let kept = read(store, id).await?.expect("it is there");
    assert_eq!((kept.snapshot(), kept.public()), (answered.snapshot(), closed.public()));
    assert!(kept.snapshot().chances.has_answered(&asked));
    let played = replay(id, kept.terms(), &store.log(id).await?).expect("the log follows from the rules");
    assert_eq!(played.snapshot(), kept.snapshot());

    let events = store.events(id, closed.sequence(), 10).await?;
    let currency = kept.sale().currency;
    let nominated = Happening::Nominated { settlement, bidder: user("ann"), amount: amount(1_000), currency };
    assert_eq!(events.iter().map(|event| &event.what).collect::<Vec<_>>(), [&nominated]);
    assert_eq!(events[0].sequence, closed.sequence() + 1);
    let waiting = relay.batch(10_000).await?;
    let of_this: Vec<_> = waiting.iter().filter(|record| record.key == id.to_string()).collect();
    let last = of_this.last().expect("it waits");
    assert_eq!(
        (last.event_type.as_str(), last.sequence),
        ("outcry.bidding.second_chance.nominated.v1", kept.sequence())
    );
    Ok(())
}
