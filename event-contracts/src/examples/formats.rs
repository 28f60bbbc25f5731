//! Golden examples of the other formats: a lot of each, and what only happens to it. Five crates of wine are
//! sold at one price, a print is bought at once, an estate is sold sealed, flowers descend, a clock is bid for twice.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Happened, RETRACTOR, RUNNER_UP, SELLER, WINNER, happened, id, on, usd};
use crate::bidding::{
    AuctionCancelled, AuctionClosed, AuctionOpened, AuctionPaused, AuctionResumed, Award, AwardDeclined, BidOutcome,
    BidPlaced, BidRetracted, CancelledBy, CloseOutcome, PausedBy, ReserveStatus,
};
use crate::listing::{
    AuctionFormat, DutchFormat, EnglishFormat, IncrementPreset, IncrementTier, Increments, ListingPublished,
    SealedFormat, SoftClose, UniformMultiUnitFormat,
};

fn wine() -> Uuid {
    id(on(1, -600, 0), 0x99)
}

fn print() -> Uuid {
    id(on(1, -500, 0), 0xaa)
}

fn estate() -> Uuid {
    id(on(1, -400, 0), 0xbb)
}

fn clock() -> Uuid {
    id(on(1, -300, 0), 0xcc)
}

fn flowers() -> Uuid {
    id(on(1, -200, 0), 0xdd)
}

fn opens_at() -> DateTime<Utc> {
    on(1, 0, 0)
}

fn ends_at() -> DateTime<Utc> {
    on(4, 0, 0)
}

/// The wine stands still for two hours, which it is given back.
fn wine_ends_at() -> DateTime<Utc> {
    ends_at() + TimeDelta::hours(2)
}

type Variants<E> = Vec<(&'static str, Happened<E>)>;

/// A listing of each format, and the English one with what the watch lacks.
pub(crate) fn published() -> Variants<ListingPublished> {
    let english = EnglishFormat {
        start_price: 20_000,
        reserve_price: None,
        buy_now_price: Some(26_000),
        increments: Increments::Table(vec![
            IncrementTier { from: 0, increment: 500 },
            IncrementTier { from: 50_000, increment: 2_500 },
        ]),
        soft_close: SoftClose::Add { window_s: 60, extension_s: 90, hard_stop_s: 1_800 },
    };
    let wine_format = UniformMultiUnitFormat {
        start_price: 2_000,
        quantity: 5,
        increments: Increments::Preset(IncrementPreset::EbayUk),
        soft_close: SoftClose::Off,
        decline_within_s: 86_400,
    };
    let descending = DutchFormat { start_price: 5_000, floor_price: 1_000, step: 250, step_every_s: 30 };
    let sealed = |reserve_price| SealedFormat { start_price: 100_000, reserve_price };
    vec![
        ("buy_now", listed(print(), 1, "Woodcut, signed", "prints", AuctionFormat::English(english))),
        ("dutch", listed(flowers(), 2, "Cut tulips, 400 stems", "flowers", AuctionFormat::Dutch(descending))),
        (
            "sealed_first_price",
            listed(
                estate(),
                3,
                "Library of an estate",
                "books",
                AuctionFormat::SealedFirstPrice(sealed(Some(150_000))),
            ),
        ),
        (
            "uniform_multi_unit",
            listed(wine(), 4, "Red wine, crate of six", "wine", AuctionFormat::UniformMultiUnit(wine_format)),
        ),
        ("vickrey", listed(clock(), 5, "Mantel clock", "clocks", AuctionFormat::Vickrey(sealed(None)))),
    ]
}

fn listed(
    listing_id: Uuid,
    minutes_before: i64,
    title: &str,
    category: &str,
    format: AuctionFormat,
) -> Happened<ListingPublished> {
    let published_at = opens_at() - TimeDelta::minutes(minutes_before);
    let data = ListingPublished {
        listing_id,
        seller_id: SELLER.to_owned(),
        title: title.to_owned(),
        category: category.to_owned(),
        currency: usd(),
        format,
        starts_at: opens_at(),
        ends_at: ends_at(),
        second_chance: false,
        relisted_from: None,
        published_at,
        second_chance_days: None,
    };
    happened(published_at, 1, data)
}

/// A sealed auction opens; until its close it says nothing more.
pub(crate) fn opened() -> Variants<AuctionOpened> {
    let data = AuctionOpened {
        auction_id: estate(),
        seller_id: SELLER.to_owned(),
        currency: usd(),
        next_minimum: 100_000,
        starts_at: opens_at(),
        ends_at: ends_at(),
        format: Some("sealed_first_price".to_owned()),
    };
    vec![("sealed", happened(on(1, 0, 20), 1, data))]
}

/// The print is bought at once; two crates of wine are bid for.
pub(crate) fn placed() -> Variants<BidPlaced> {
    let at = on(2, 300, 0);
    let bought = BidPlaced {
        auction_id: print(),
        bid_id: id(at, 0x01),
        bidder_id: WINNER.to_owned(),
        outcome: BidOutcome::Bought,
        price: 26_000,
        currency: usd(),
        next_minimum: 26_500,
        bid_count: 1,
        leader_id: WINNER.to_owned(),
        displaced_bidder_id: None,
        reserve: ReserveStatus::None,
        ends_at: at,
        placed_at: at,
        quantity: None,
    };
    let units = BidPlaced {
        auction_id: wine(),
        bid_id: id(at, 0x02),
        bidder_id: RUNNER_UP.to_owned(),
        outcome: BidOutcome::Leading,
        price: 2_000,
        next_minimum: 2_000,
        bid_count: 1,
        leader_id: RUNNER_UP.to_owned(),
        ends_at: ends_at(),
        quantity: Some(2),
        ..bought.clone()
    };
    vec![("bought", happened(at, 2, bought)), ("units", happened(at, 4, units))]
}

/// The only bid for the wine so far is taken back.
pub(crate) fn retracted() -> Variants<BidRetracted> {
    let at = on(1, 3_600, 0);
    let data = BidRetracted {
        auction_id: wine(),
        bid_ids: vec![id(on(1, 1_800, 0), 0x03)],
        bidder_id: RETRACTOR.to_owned(),
        price: None,
        currency: usd(),
        next_minimum: 2_000,
        bid_count: 0,
        leader_id: None,
        retracted_at: at,
        reserve: Some(ReserveStatus::None),
    };
    vec![("last_bid", happened(at, 3, data))]
}

/// Five crates: the winner wanted four and gets them, one is left for the runner-up, who wanted two.
pub(crate) fn closed() -> Variants<AuctionClosed> {
    let at = wine_ends_at() + TimeDelta::milliseconds(9);
    let award = |bidder: &str, quantity, wanted| Award { bidder_id: bidder.to_owned(), quantity, wanted, price: 2_000 };
    let data = AuctionClosed {
        auction_id: wine(),
        seller_id: SELLER.to_owned(),
        currency: usd(),
        outcome: CloseOutcome::Sold,
        price: Some(2_000),
        winner_id: None,
        bid_count: 2,
        second_chance: false,
        ended_at: wine_ends_at(),
        closed_at: at,
        awards: vec![award(WINNER, 4, 4), award(RUNNER_UP, 1, 2)],
        decline_until: Some(at + TimeDelta::days(1)),
        second_chance_days: None,
    };
    vec![("awards", happened(at, 8, data))]
}

/// The runner-up does not want one crate alone.
pub(crate) fn award_declined() -> Happened<AwardDeclined> {
    let at = wine_ends_at() + TimeDelta::hours(1);
    let data = AwardDeclined { auction_id: wine(), bidder_id: RUNNER_UP.to_owned(), quantity: 1, declined_at: at };
    happened(at, 9, data)
}

/// The flowers turn out not to be the seller's.
pub(crate) fn cancelled() -> Variants<AuctionCancelled> {
    let at = on(1, 60, 0);
    let data = AuctionCancelled {
        auction_id: flowers(),
        seller_id: SELLER.to_owned(),
        cancelled_by: CancelledBy::Operator,
        cancelled_at: at,
        reason: Some("the lot is not the seller's to sell".to_owned()),
    };
    vec![("by_operator", happened(at, 2, data))]
}

/// The wine stands still for two hours …
pub(crate) fn auction_paused() -> Happened<AuctionPaused> {
    let at = on(3, 0, 0);
    let data = AuctionPaused {
        auction_id: wine(),
        by: PausedBy::Operator,
        reason: "a question about the vintage".to_owned(),
        paused_at: at,
    };
    happened(at, 6, data)
}

/// … which it is given back.
pub(crate) fn auction_resumed() -> Happened<AuctionResumed> {
    let at = on(3, 7_200, 0);
    let data = AuctionResumed { auction_id: wine(), paused_for_ms: 7_200_000, ends_at: wine_ends_at(), resumed_at: at };
    happened(at, 7, data)
}
