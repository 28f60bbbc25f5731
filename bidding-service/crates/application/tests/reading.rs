//! Histories and live streams: what is shown, in pages and as it happens.

use std::time::Duration;

use bidding_application::error::UseError;
use bidding_domain::{ids::AuctionId, views::HappeningView};
use bidding_harness::{
    faults::When,
    lots::of_each_format,
    world::{LASTS, World, lot, user},
};
use bidding_ports::{change::ChangeListener, error::StoreError};
use uuid::Uuid;

async fn with_bids(world: &World, count: i64) -> AuctionId {
    let auction = world.given_open(lot()).await;
    for step in 0..count {
        world.when_bids(["ann", "bob"][usize::from(step % 2 == 1)], auction, 500 + step * 1_000).await;
    }
    auction
}

#[tokio::test]
async fn a_history_is_read_in_pages_the_latest_bid_first() {
    let world = World::default();
    let auction = with_bids(&world, 5).await;
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = world.auctions.bids(&user("ann"), auction, before, 2).await.unwrap();
        seen.extend(page.bids.iter().map(|bid| bid.sequence));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, [6, 5, 4, 3, 2]);
}

#[tokio::test]
async fn a_full_last_page_has_no_next_one() {
    let world = World::default();
    let auction = with_bids(&world, 4).await;
    let page = world.auctions.bids(&user("ann"), auction, None, 4).await.unwrap();
    assert_eq!((page.bids.len(), page.next), (4, None));
}

#[tokio::test]
async fn a_history_calls_the_same_bidder_by_the_same_alias() {
    let world = World::default();
    let auction = with_bids(&world, 4).await;
    let page = world.auctions.bids(&user("ann"), auction, None, 10).await.unwrap();
    let aliases: Vec<_> = page.bids.iter().map(|bid| &bid.bidder).collect();
    assert_eq!((aliases[0], aliases[1]), (aliases[2], aliases[3]));
    assert_ne!(aliases[0], aliases[1]);
    assert_eq!(page.bids.iter().map(|bid| bid.yours).collect::<Vec<_>>(), [false, true, false, true]);
}

#[tokio::test]
async fn an_auction_without_bids_has_an_empty_history_and_one_that_is_not_there_has_none() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    assert_eq!(world.auctions.bids(&user("ann"), auction, None, 10).await.unwrap().bids, []);
    let nowhere = AuctionId(Uuid::now_v7());
    assert_eq!(world.auctions.bids(&user("ann"), nowhere, None, 10).await, Err(UseError::NotFound));
    assert_eq!(world.auctions.find(&user("ann"), nowhere).await, Err(UseError::NotFound));
    assert_eq!(world.auctions.stream(&user("ann"), nowhere, 0).await.err(), Some(UseError::NotFound));
}

#[tokio::test]
async fn a_stream_begins_where_the_reader_left_off_and_ends_with_the_auction() {
    let world = World::default();
    let auction = with_bids(&world, 2).await;
    let mut stream = world.auctions.stream(&user("ann"), auction, 1).await.unwrap();
    let first: Vec<_> = stream.next().await.unwrap().unwrap().iter().map(|event| event.sequence).collect();
    assert_eq!(first, [2, 3]);
    world.when_time_passes(LASTS).await;
    let last = stream.next().await.unwrap().unwrap();
    assert!(matches!(last[..], [ref event] if matches!(event.what, HappeningView::Closed { .. })));
    assert_eq!(stream.next().await.unwrap(), None);
    assert!(stream.is_ended());
}

#[tokio::test]
async fn a_stream_wakes_for_every_event_and_has_each_once() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let mut stream = world.auctions.stream(&user("ann"), auction, 0).await.unwrap();
    let listen = async {
        let mut seen = Vec::new();
        while let Some(events) = stream.next().await.unwrap() {
            seen.extend(events.iter().map(|event| event.sequence));
        }
        seen
    };
    let bid = async {
        for step in 1..=20 {
            world.when_bids(["ann", "bob"][step % 2], auction, 500 + 1_000 * i64::try_from(step).unwrap()).await;
        }
        world.when_time_passes(LASTS).await;
    };
    let both = async { tokio::join!(listen, bid).0 };
    let seen = tokio::time::timeout(Duration::from_secs(30), both).await.expect("the stream ends with the auction");
    assert_eq!(seen, (1..=22).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_that_comes_and_goes_at_random_misses_nothing() {
    let world = World::default();
    let auction = with_bids(&world, 30).await;
    world.when_time_passes(LASTS).await;
    let (mut seen, mut after, mut patience) = (Vec::new(), 0, 1);
    while after < 32 {
        let mut stream = world.auctions.stream(&user("ann"), auction, after).await.unwrap();
        let events = stream.next().await.unwrap().unwrap();
        // The reader disconnects after some of them.
        patience = patience * 7 % 11;
        for event in events.into_iter().take(patience) {
            after = event.sequence;
            seen.push(after);
        }
    }
    assert_eq!(seen, (1..=32).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_of_an_auction_that_is_over_ends_at_once_for_who_has_seen_it_all() {
    let world = World::default();
    let auction = with_bids(&world, 1).await;
    world.when_time_passes(LASTS).await;
    for after in [3, 99] {
        let mut stream = world.auctions.stream(&user("ann"), auction, after).await.unwrap();
        assert_eq!(stream.next().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_reader_who_claims_to_have_seen_the_future_gets_what_comes_next() {
    let world = World::default();
    let auction = with_bids(&world, 1).await;
    let mut stream = world.auctions.stream(&user("ann"), auction, 99).await.unwrap();
    world.when_bids("bob", auction, 9_000).await;
    let next: Vec<_> = stream.catch_up().await.unwrap().iter().map(|event| event.sequence).collect();
    assert_eq!(next, [3]);
}

#[tokio::test]
async fn a_stream_goes_on_after_a_fault_of_the_store() {
    let world = World::default();
    let auction = with_bids(&world, 2).await;
    let mut stream = world.auctions.stream(&user("ann"), auction, 0).await.unwrap();
    world.store.faults.fail(0, When::After, StoreError::Unavailable("gone".to_owned()));
    assert!(stream.next().await.is_err());
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_there_already_is_read_without_waiting_for_word() {
    let world = World::default();
    let auction = with_bids(&world, 1).await;
    let mut stream = world.auctions.stream(&user("ann"), auction, 0).await.unwrap();
    assert_eq!(stream.catch_up().await.unwrap().len(), 2);
    assert_eq!(stream.catch_up().await.unwrap(), []);
}

#[tokio::test]
async fn of_many_readers_who_wake_one_reads_for_all() {
    let world = World::default();
    let auction = with_bids(&world, 1).await;
    let mut readers = Vec::new();
    for number in 0..100 {
        let mut stream = world.auctions.stream(&user(&format!("reader-{number}")), auction, 2).await.unwrap();
        readers.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(events) = stream.next().await.unwrap() {
                seen.extend(events.iter().map(|event| event.sequence));
            }
            seen
        }));
    }
    let before = world.store.faults.count("events");
    for step in 1..=10 {
        world.given_bid(["ann", "bob"][usize::from(step % 2 == 1)], auction, 500 + step * 1_000).await;
    }
    world.when_time_passes(LASTS).await;
    for reader in readers {
        let seen = tokio::time::timeout(Duration::from_secs(30), reader).await.expect("it ends").unwrap();
        assert_eq!(seen, (3..=13).collect::<Vec<_>>());
    }
    let reads = world.store.faults.count("events") - before;
    assert!(reads <= 22, "{reads} reads of 11 events for a hundred readers");
}

#[tokio::test]
async fn a_reader_far_behind_and_one_at_the_end_get_the_same_events() {
    let world = World::default();
    let auction = world.given_open(lot()).await;
    let mut at_the_end = world.auctions.stream(&user("ann"), auction, 1).await.unwrap();
    let mut given = Vec::new();
    for step in 1..=300 {
        world.given_bid(["ann", "bob"][usize::from(step % 2 == 1)], auction, 500 + step * 1_000).await;
        if step % 50 == 0 {
            given.extend(at_the_end.next().await.unwrap().unwrap());
        }
    }
    world.when_time_passes(LASTS).await;
    let mut behind = world.auctions.stream(&user("ann"), auction, 1).await.unwrap();
    let mut read = Vec::new();
    while let Some(events) = behind.next().await.unwrap() {
        read.extend(events);
    }
    while let Some(events) = at_the_end.next().await.unwrap() {
        given.extend(events);
    }
    assert_eq!(read.iter().map(|event| event.sequence).collect::<Vec<_>>(), (2..=302).collect::<Vec<_>>());
    assert_eq!(given, read);
}

#[tokio::test]
async fn a_stream_tells_of_everything_that_happens_to_an_auction() {
    use HappeningView::{BidPlaced, Cancelled, Opened, Paused, Resumed, Retracted};

    let world = World::default();
    let auction = world.given_open(lot()).await;
    let bid = world.given_bid("ann", auction, 900).await;
    world.when_retracts("ann", auction, bid).await.unwrap();
    world.when_paused(auction).await.unwrap();
    world.when_resumed(auction).await.unwrap();
    world.when_cancelled(auction).await.unwrap();
    let mut stream = world.auctions.stream(&user("ann"), auction, 0).await.unwrap();
    let told = stream.next().await.unwrap().unwrap();
    let what: Vec<_> = told.into_iter().map(|event| event.what).collect();
    assert!(
        matches!(
            what[..],
            [
                Opened { .. },
                BidPlaced { yours: true, .. },
                Retracted { yours: true, bid_count: 0, .. },
                Paused { .. },
                Resumed { .. },
                Cancelled { .. }
            ]
        ),
        "{what:?}"
    );
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_tells_nothing_private() {
    for format in of_each_format() {
        let world = World::default();
        let auction = world.given_open(format).await;
        for (bidder, max) in [("ann-private", 77_771), ("bob-private", 88_883), ("cay-private", 99_991)] {
            let _ = world.when_bids(bidder, auction, max).await;
        }
        let mut stream = world.auctions.stream(&user("eve"), auction, 0).await.unwrap();
        let told = serde_json::to_string(&stream.catch_up().await.unwrap()).unwrap();
        assert!(!told.contains("private"), "{told}");
        assert!(!told.contains("99991"), "the highest maximum: {told}");
    }
}

#[tokio::test]
async fn the_feed_holds_nothing_of_an_auction_that_nobody_watches() {
    let world = World::default();
    let auction = with_bids(&world, 1).await;
    let one = world.auctions.stream(&user("ann"), auction, 0).await.unwrap();
    let other = world.auctions.stream(&user("bob"), auction, 0).await.unwrap();
    assert_eq!(world.feed.len(), 1);
    drop(one);
    assert_eq!(world.feed.len(), 1);
    drop(other);
    assert!(world.feed.is_empty());
    world.feed.advanced(auction, 9);
    assert!(world.feed.is_empty());
}

#[tokio::test]
async fn word_of_what_the_store_does_not_have_is_looked_up_once() {
    let world = World::default();
    let auction = with_bids(&world, 1).await;
    let mut stream = world.auctions.stream(&user("ann"), auction, 0).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 2);
    let before = world.store.faults.count("events");
    world.feed.advanced(auction, 9);
    let waiting = tokio::spawn(async move { stream.next().await });
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.store.faults.count("events"), before + 1);
    world.given_bid("bob", auction, 5_000).await;
    world.feed.advanced(auction, 10);
    let next = waiting.await.unwrap().unwrap().unwrap();
    assert_eq!(next[0].sequence, 3, "what comes later is found by the next word");
}
