//! Golden examples of what follows a sale that failed: the offer to the next contender, how it ends, the lot
//! listed again; and of a complaint.

use chrono::TimeDelta;

use super::{
    Happened, RUNNER_UP, SELLER, happened, id, listing_published, lot, on, relisted_at, relisted_lot, second_lot,
    second_lot_settlement, settlement, usd,
};
use crate::listing::ListingPublished;
use crate::settlement::{
    FailureReason, SettlementDisputed, SettlementFailed, SettlementKind, SettlementStarted, SettlementStatus,
};

type Variants<E> = Vec<(&'static str, Happened<E>)>;

/// The second lot on the same terms, for as long as before, at once.
pub(crate) fn published() -> Variants<ListingPublished> {
    let at = relisted_at();
    let data = ListingPublished {
        listing_id: relisted_lot(),
        title: "Brass carriage clock, about 1880".to_owned(),
        category: "clocks".to_owned(),
        starts_at: at,
        ends_at: at + TimeDelta::days(7),
        relisted_from: Some(second_lot()),
        published_at: at,
        second_chance_days: Some(1),
        ..listing_published().data
    };
    vec![("relisted", happened(at, 1, data))]
}

/// The watch is offered to the runner-up for three days; nothing comes on top of the price.
pub(crate) fn started() -> Variants<SettlementStarted> {
    let at = on(11, 91, 0);
    let data = SettlementStarted {
        settlement_id: settlement(),
        auction_id: lot(),
        seller_id: SELLER.to_owned(),
        buyer_id: RUNNER_UP.to_owned(),
        amount: 125_000,
        currency: usd(),
        status: SettlementStatus::AwaitingPayment,
        payment_due_at: at + TimeDelta::days(3),
        started_at: at,
        kind: Some(SettlementKind::SecondChance),
        total: Some(125_000),
    };
    vec![("second_chance", happened(at, 1, data))]
}

/// The last contender for the second lot lets it go.
pub(crate) fn failed() -> Variants<SettlementFailed> {
    let at = on(14, 120, 0);
    let data = SettlementFailed {
        settlement_id: second_lot_settlement(),
        auction_id: second_lot(),
        reason: FailureReason::OfferLapsed,
        refunded: 0,
        currency: usd(),
        status: SettlementStatus::Failed,
        failed_at: at,
    };
    vec![("offer_lapsed", happened(at, 3, data))]
}

/// A lot arrives otherwise than described.
pub(crate) fn settlement_disputed() -> Happened<SettlementDisputed> {
    let at = on(14, 43_200, 0);
    let data = SettlementDisputed {
        settlement_id: id(on(5, 0, 0), 0xee),
        auction_id: id(on(0, -300, 0), 0xff),
        status: SettlementStatus::Disputed,
        disputed_at: at,
    };
    happened(at, 4, data)
}
