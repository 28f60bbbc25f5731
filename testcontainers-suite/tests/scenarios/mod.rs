//! Auctions from listing to payout, and the ways in which they end otherwise.

mod bidding;
mod closing;
mod events;
mod money;
mod privacy;
mod stream;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [money::trials(), bidding::trials(), closing::trials(), stream::trials(), privacy::trials(), events::trials()]
        .into_iter()
        .flatten()
        .collect()
}
