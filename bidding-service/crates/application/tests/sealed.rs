//! Sealed auctions: nothing of them shows before the close, and the history after it.

use bidding_application::place_bid::BidReply;
use bidding_domain::{
    auction::Status,
    bid::BidOutcome,
    format::{FormatTerms, ReserveStatus},
    ids::AuctionId,
    views::HappeningView,
};
use bidding_harness::{
    lots::{first_price, vickrey},
    world::{LASTS, World, amount, user},
};

/// Ann and Bob bid; Bob's is the higher one.
async fn with_bids(world: &World, format: FormatTerms) -> AuctionId {
    let auction = world.given_open(format).await;
    world.given_bid("ann", auction, 900).await;
    world.given_bid("bob", auction, 2_000).await;
    auction
}

#[tokio::test]
async fn an_accepted_sealed_bid_is_answered_as_sealed_and_nothing_more() {
    for format in [first_price(), vickrey()] {
        let world = World::default();
        let auction = world.given_open(format).await;
        let before = world.then_sees("ann", auction).await;
        let reply = world.when_bids("ann", auction, 900).await;
        let BidReply::Accepted { outcome, auction: view, .. } = reply else { panic!("{reply:?}") };
        assert_eq!((outcome, *view), (BidOutcome::Sealed, before), "the auction looks as it did");
    }
}

#[tokio::test]
async fn what_a_sealed_auction_shows_does_not_depend_on_its_bids() {
    for format in [first_price(), vickrey()] {
        let world = World::default();
        let (with, without) = (with_bids(&world, format.clone()).await, world.given_open(format).await);
        for viewer in ["ann", "bob", "cay", "sam"] {
            let mut view = world.then_sees(viewer, with).await;
            assert_eq!((view.price, view.bid_count, view.you_lead), (None, None, false));
            view.id = without;
            assert_eq!(view, world.then_sees(viewer, without).await);
            let page = world.auctions.bids(&user(viewer), with, None, 10).await.unwrap();
            assert_eq!((page.bids, page.next), (Vec::new(), None));
            let mut stream = world.auctions.stream(&user(viewer), with, 0).await.unwrap();
            let seen = stream.catch_up().await.unwrap();
            assert!(matches!(seen[..], [ref opened] if matches!(opened.what, HappeningView::Opened { .. })));
        }
        assert_eq!(world.store.contents().outbox.len(), 2, "both opened");
    }
}

#[tokio::test]
async fn after_the_end_and_before_the_closer_came_a_sealed_auction_still_shows_nothing() {
    let world = World::default();
    let auction = with_bids(&world, first_price()).await;
    world.store.advance(LASTS);
    let view = world.then_sees("ann", auction).await;
    assert_eq!((view.price, view.bid_count, view.reserve), (None, None, ReserveStatus::None));
    assert_eq!(world.auctions.bids(&user("ann"), auction, None, 10).await.unwrap().bids, []);
}

#[tokio::test]
async fn after_the_close_the_bids_at_first_price_are_read_out_and_those_at_second_price_are_not() {
    for (format, prices, hammer) in
        [(first_price(), [Some(amount(2_000)), Some(amount(900))], 2_000), (vickrey(), [None, None], 900)]
    {
        let world = World::default();
        let auction = with_bids(&world, format).await;
        world.when_time_passes(LASTS).await;
        let view = world.then_sees("bob", auction).await;
        assert_eq!((view.status, view.price, view.bid_count), (Status::Closed, Some(amount(hammer)), Some(2)));
        assert!(view.you_lead);
        let page = world.auctions.bids(&user("bob"), auction, None, 10).await.unwrap();
        assert_eq!(page.bids.iter().map(|bid| bid.price).collect::<Vec<_>>(), prices);
        assert_eq!(page.bids.iter().map(|bid| bid.yours).collect::<Vec<_>>(), [true, false]);
        let numbers: Vec<_> = page.bids.iter().map(|bid| (bid.sequence, bid.number)).collect();
        assert_eq!(numbers, [(1, 3), (1, 2)]);
    }
}

#[tokio::test]
async fn a_sealed_history_is_read_in_pages_that_leave_nothing_out() {
    let world = World::default();
    let auction = world.given_open(first_price()).await;
    for step in 0..7 {
        world.given_bid(&format!("bidder-{step}"), auction, 900).await;
    }
    world.when_time_passes(LASTS).await;
    for size in 1..=8 {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = world.auctions.bids(&user("ann"), auction, before, size).await.unwrap();
            seen.extend(page.bids.iter().map(|bid| bid.number));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, [8, 7, 6, 5, 4, 3, 2], "in pages of {size}");
    }
}

#[tokio::test]
async fn a_sealed_stream_wakes_for_its_close() {
    let world = World::default();
    let auction = with_bids(&world, vickrey()).await;
    let mut stream = world.auctions.stream(&user("bob"), auction, 1).await.unwrap();
    let (events, ()) = tokio::join!(stream.next(), world.when_time_passes(LASTS));
    let events = events.unwrap().unwrap();
    assert!(matches!(events[0].what, HappeningView::Closed { you_won: true, bid_count: 2, .. }), "{events:?}");
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_sealed_auction_that_is_cancelled_tells_no_price() {
    let world = World::default();
    let auction = with_bids(&world, first_price()).await;
    world.when_cancelled(auction).await.unwrap();
    let view = world.then_sees("ann", auction).await;
    assert_eq!(view.status, Status::Cancelled);
    let told = serde_json::to_string(&world.store.contents().events()).unwrap();
    assert!(!told.contains("2000") && !told.contains("900"), "{told}");
    assert_eq!((view.price, view.you_lead), (None, false), "nobody won");
    let read_out = world.auctions.bids(&user("ann"), auction, None, 10).await.unwrap().bids;
    assert!(read_out.is_empty(), "bids of a lot that was not sold stay secret: {read_out:?}");
}
