//! Golden examples: one lot from listing to payout, with fixed ids and times.
//!
//! The lot is a watch. Its winner does not pay, the next bidder takes the second chance, and the
//! seller is paid. What cannot happen to the same lot is told of a second one, whose bidders all let
//! it go, and of its relisting, which the seller takes back. [`formats`] tells of lots that are sold in other ways,
//! [`chances`] of offers, a relisting and a dispute.

pub(crate) mod chances;
pub(crate) mod formats;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::{Builder, Uuid};

use crate::bidding::{
    AuctionCancelled, AuctionClosed, AuctionExtended, AuctionOpened, BidOutcome, BidPlaced, BidRetracted, CancelledBy,
    CloseOutcome, ReserveStatus, SecondChanceExhausted, SecondChanceNominated,
};
use crate::listing::{
    AuctionFormat, EnglishFormat, IncrementPreset, Increments, ListingCancelled, ListingPublished, ListingRevised,
    SoftClose,
};
use crate::settlement::{
    BidderReinstated, BidderSuspended, FailureReason, RelistRequested, SecondChanceAccepted, SecondChanceLapsed,
    SecondChanceOffered, SecondChanceRequested, SettlementCompleted, SettlementEscrowed, SettlementFailed,
    SettlementKind, SettlementShipped, SettlementStarted, SettlementStatus,
};

const SELLER: &str = "seller-41";
const WINNER: &str = "bidder-23";
const RUNNER_UP: &str = "bidder-17";
const RETRACTOR: &str = "bidder-08";

/// A moment of the story: `seconds` and `millis` after noon of the day that is `day` days after 1 March 2030.
fn on(day: i64, seconds: i64, millis: i64) -> DateTime<Utc> {
    const NOON_OF_1_MARCH_2030_S: i64 = 1_898_596_800;
    DateTime::UNIX_EPOCH
        + TimeDelta::seconds(NOON_OF_1_MARCH_2030_S + seconds)
        + TimeDelta::days(day)
        + TimeDelta::milliseconds(millis)
}

/// A UUIDv7 of that moment whose random part is made of `tail`.
pub(crate) fn id(at: DateTime<Utc>, tail: u8) -> Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &[tail; 10]).into_uuid()
}

fn lot() -> Uuid {
    id(on(0, -900, 0), 0x11)
}

fn second_lot() -> Uuid {
    id(on(0, -600, 0), 0x22)
}

fn relisted_lot() -> Uuid {
    id(relisted_at(), 0x33)
}

/// At once when settlement asks for it.
fn relisted_at() -> DateTime<Utc> {
    on(14, 181, 40)
}

/// The settlement with the winner, who does not pay.
fn first_settlement() -> Uuid {
    id(closed_at(), 0x44)
}

/// The settlement with the runner-up, who does.
fn settlement() -> Uuid {
    id(on(11, 90, 0), 0x55)
}

/// The settlement of the second lot.
fn second_lot_settlement() -> Uuid {
    id(on(7, 120, 0), 0x66)
}

fn late_bid() -> Uuid {
    id(late_bid_at(), 0x77)
}

fn ends_at() -> DateTime<Utc> {
    on(7, 0, 0)
}

fn late_bid_at() -> DateTime<Utc> {
    on(7, -40, 250)
}

fn extended_to() -> DateTime<Utc> {
    late_bid_at() + TimeDelta::seconds(120)
}

fn closed_at() -> DateTime<Utc> {
    extended_to() + TimeDelta::milliseconds(14)
}

fn usd() -> String {
    "USD".to_owned()
}

/// Data of an event, when it happened, and its number among the events of its key.
pub(crate) struct Happened<E> {
    pub(crate) data: E,
    pub(crate) at: DateTime<Utc>,
    pub(crate) sequence: u64,
}

fn happened<E>(at: DateTime<Utc>, sequence: u64, data: E) -> Happened<E> {
    Happened { data, at, sequence }
}

pub(crate) fn listing_published() -> Happened<ListingPublished> {
    let at = on(0, 0, 0);
    let data = ListingPublished {
        listing_id: lot(),
        seller_id: SELLER.to_owned(),
        title: "Steel wristwatch, hand-wound, 1968".to_owned(),
        category: "watches".to_owned(),
        currency: usd(),
        format: AuctionFormat::English(EnglishFormat {
            start_price: 10_000,
            reserve_price: Some(120_000),
            buy_now_price: None,
            increments: Increments::Preset(IncrementPreset::EbayUs),
            soft_close: SoftClose::Reset { window_s: 120, hard_stop_s: 3_600 },
        }),
        starts_at: at,
        ends_at: ends_at(),
        second_chance: true,
        relisted_from: None,
        published_at: at,
        second_chance_days: Some(3),
    };
    happened(at, 1, data)
}

pub(crate) fn listing_revised() -> Happened<ListingRevised> {
    let at = on(0, 3_600, 0);
    let data = ListingRevised {
        listing_id: lot(),
        version: 3,
        title: "Steel wristwatch, hand-wound, 1968, with papers".to_owned(),
        category: "watches".to_owned(),
        revised_at: at,
    };
    happened(at, 2, data)
}

/// The seller asks after the first bid: bidding goes on.
pub(crate) fn listing_cancelled() -> Happened<ListingCancelled> {
    let at = on(3, 0, 0);
    happened(at, 3, ListingCancelled { listing_id: lot(), seller_id: SELLER.to_owned(), cancelled_at: at })
}

pub(crate) fn auction_opened() -> Happened<AuctionOpened> {
    let data = AuctionOpened {
        auction_id: lot(),
        seller_id: SELLER.to_owned(),
        currency: usd(),
        next_minimum: 10_000,
        starts_at: on(0, 0, 0),
        ends_at: ends_at(),
        format: None,
    };
    happened(on(0, 0, 35), 1, data)
}

/// The runner-up's maximum of 1,250.00 is beaten; the increment at that price is 25.00.
pub(crate) fn bid_placed() -> Happened<BidPlaced> {
    let data = BidPlaced {
        auction_id: lot(),
        bid_id: late_bid(),
        bidder_id: WINNER.to_owned(),
        outcome: BidOutcome::Leading,
        price: 127_500,
        currency: usd(),
        next_minimum: 130_000,
        bid_count: 4,
        leader_id: WINNER.to_owned(),
        displaced_bidder_id: Some(RUNNER_UP.to_owned()),
        reserve: ReserveStatus::Met,
        ends_at: extended_to(),
        placed_at: late_bid_at(),
        quantity: None,
    };
    happened(late_bid_at(), 7, data)
}

pub(crate) fn auction_extended() -> Happened<AuctionExtended> {
    let data =
        AuctionExtended { auction_id: lot(), bid_id: late_bid(), previous_ends_at: ends_at(), ends_at: extended_to() };
    happened(late_bid_at(), 8, data)
}

/// The only rival withdraws early: the runner-up leads alone, at the start price.
pub(crate) fn bid_retracted() -> Happened<BidRetracted> {
    let at = on(2, 0, 0);
    let data = BidRetracted {
        auction_id: lot(),
        bid_ids: vec![id(on(1, 600, 0), 0x88)],
        bidder_id: RETRACTOR.to_owned(),
        price: Some(10_000),
        currency: usd(),
        next_minimum: 10_250,
        bid_count: 1,
        leader_id: Some(RUNNER_UP.to_owned()),
        retracted_at: at,
        reserve: None,
    };
    happened(at, 4, data)
}

pub(crate) fn auction_closed() -> Happened<AuctionClosed> {
    let data = AuctionClosed {
        auction_id: lot(),
        seller_id: SELLER.to_owned(),
        currency: usd(),
        outcome: CloseOutcome::Sold,
        price: Some(127_500),
        winner_id: Some(WINNER.to_owned()),
        bid_count: 4,
        second_chance: true,
        ended_at: extended_to(),
        closed_at: closed_at(),
        awards: Vec::new(),
        decline_until: None,
        second_chance_days: Some(3),
    };
    happened(closed_at(), 9, data)
}

/// The relisting of the second lot is taken back before its first bid.
pub(crate) fn auction_cancelled() -> Happened<AuctionCancelled> {
    let at = on(21, 0, 0);
    let data = AuctionCancelled {
        auction_id: relisted_lot(),
        seller_id: SELLER.to_owned(),
        cancelled_by: CancelledBy::Seller,
        cancelled_at: at,
        reason: None,
    };
    happened(at, 2, data)
}

/// The runner-up's own highest bid is what is offered.
pub(crate) fn second_chance_nominated() -> Happened<SecondChanceNominated> {
    let data = SecondChanceNominated {
        auction_id: lot(),
        settlement_id: first_settlement(),
        bidder_id: RUNNER_UP.to_owned(),
        amount: 125_000,
        currency: usd(),
    };
    happened(on(11, 90, 0), 10, data)
}

pub(crate) fn second_chance_exhausted() -> Happened<SecondChanceExhausted> {
    let data = SecondChanceExhausted { auction_id: second_lot(), settlement_id: second_lot_settlement() };
    happened(on(14, 180, 0), 9, data)
}

pub(crate) fn settlement_started() -> Happened<SettlementStarted> {
    let at = closed_at() + TimeDelta::milliseconds(60);
    let data = SettlementStarted {
        settlement_id: first_settlement(),
        auction_id: lot(),
        seller_id: SELLER.to_owned(),
        buyer_id: WINNER.to_owned(),
        amount: 127_500,
        currency: usd(),
        status: SettlementStatus::AwaitingPayment,
        payment_due_at: at + TimeDelta::days(4),
        started_at: at,
        kind: Some(SettlementKind::Sale),
        total: None,
    };
    happened(at, 1, data)
}

pub(crate) fn settlement_escrowed() -> Happened<SettlementEscrowed> {
    let at = on(12, 5_400, 0);
    let data = SettlementEscrowed {
        settlement_id: settlement(),
        auction_id: lot(),
        amount: 125_000,
        currency: usd(),
        status: SettlementStatus::Escrowed,
        ship_due_at: at + TimeDelta::days(7),
        escrowed_at: at,
    };
    happened(at, 4, data)
}

pub(crate) fn settlement_shipped() -> Happened<SettlementShipped> {
    let at = on(13, 0, 0);
    let data = SettlementShipped {
        settlement_id: settlement(),
        auction_id: lot(),
        carrier: "UPS".to_owned(),
        tracking_number: "1Z12345E0205271688".to_owned(),
        status: SettlementStatus::Shipped,
        inspection_ends_at: at + TimeDelta::days(3),
        shipped_at: at,
    };
    happened(at, 5, data)
}

/// Commission is 10 % of the hammer price.
pub(crate) fn settlement_completed() -> Happened<SettlementCompleted> {
    let at = on(15, 7_200, 0);
    let data = SettlementCompleted {
        settlement_id: settlement(),
        auction_id: lot(),
        payout: 112_500,
        commission: 12_500,
        currency: usd(),
        status: SettlementStatus::Completed,
        completed_at: at,
    };
    happened(at, 6, data)
}

pub(crate) fn settlement_failed() -> Happened<SettlementFailed> {
    let at = on(11, 81, 0);
    let data = SettlementFailed {
        settlement_id: first_settlement(),
        auction_id: lot(),
        reason: FailureReason::Unpaid,
        refunded: 0,
        currency: usd(),
        status: SettlementStatus::Failed,
        failed_at: at,
    };
    happened(at, 2, data)
}

pub(crate) fn second_chance_requested() -> Happened<SecondChanceRequested> {
    let at = on(11, 85, 0);
    let data = SecondChanceRequested {
        settlement_id: first_settlement(),
        auction_id: lot(),
        excluded_bidder_ids: vec![WINNER.to_owned()],
        requested_at: at,
    };
    happened(at, 3, data)
}

pub(crate) fn second_chance_offered() -> Happened<SecondChanceOffered> {
    let at = on(11, 91, 0);
    let data = SecondChanceOffered {
        settlement_id: settlement(),
        auction_id: lot(),
        bidder_id: RUNNER_UP.to_owned(),
        amount: 125_000,
        currency: usd(),
        expires_at: at + TimeDelta::days(3),
    };
    happened(at, 2, data)
}

pub(crate) fn second_chance_accepted() -> Happened<SecondChanceAccepted> {
    let at = on(12, 0, 0);
    let data = SecondChanceAccepted {
        settlement_id: settlement(),
        auction_id: lot(),
        bidder_id: RUNNER_UP.to_owned(),
        accepted_at: at,
    };
    happened(at, 3, data)
}

pub(crate) fn second_chance_lapsed() -> Happened<SecondChanceLapsed> {
    let at = on(14, 120, 0);
    let data = SecondChanceLapsed {
        settlement_id: second_lot_settlement(),
        auction_id: second_lot(),
        bidder_id: RETRACTOR.to_owned(),
        lapsed_at: at,
    };
    happened(at, 4, data)
}

pub(crate) fn bidder_suspended() -> Happened<BidderSuspended> {
    let at = on(11, 120, 0);
    happened(at, 1, BidderSuspended { bidder_id: WINNER.to_owned(), strikes: 2, suspended_at: at })
}

pub(crate) fn bidder_reinstated() -> Happened<BidderReinstated> {
    let at = on(41, 120, 0);
    happened(at, 2, BidderReinstated { bidder_id: WINNER.to_owned(), reinstated_at: at })
}

pub(crate) fn relist_requested() -> Happened<RelistRequested> {
    let at = on(14, 181, 0);
    let data = RelistRequested { settlement_id: second_lot_settlement(), auction_id: second_lot(), requested_at: at };
    happened(at, 6, data)
}
