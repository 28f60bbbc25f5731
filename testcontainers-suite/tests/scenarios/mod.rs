//! Auctions from listing to payout, and the ways in which they end otherwise.

mod accounts;
mod bidding;
mod browsing;
mod buy_now;
mod cancellation;
mod closing;
mod contention;
mod detours;
mod disputes;
mod events;
mod formats;
mod money;
mod others_got_wrong;
mod pauses;
mod privacy;
mod receipts;
mod retraction;
mod sealed;
mod soft_close;
mod stream;
mod tolerance;
mod unpaid;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [
        accounts::trials(),
        browsing::trials(),
        money::trials(),
        unpaid::trials(),
        disputes::trials(),
        detours::trials(),
        formats::trials(),
        bidding::trials(),
        buy_now::trials(),
        contention::trials(),
        closing::trials(),
        soft_close::trials(),
        retraction::trials(),
        pauses::trials(),
        cancellation::trials(),
        sealed::trials(),
        privacy::trials(),
        stream::trials(),
        receipts::trials(),
        events::trials(),
        tolerance::trials(),
        others_got_wrong::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
