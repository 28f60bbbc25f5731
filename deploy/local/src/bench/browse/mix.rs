//! What people do on a marketplace, and how often: the bidding mix of the `RUBiS` benchmark (an auction site of which
//! 15 % of the interactions write), with its pages turned into calls of this API.
//!
//! A person draws the next step from [`DRAWN`]. The other operations follow from what the last answer showed: who looks
//! at an open auction bids with a certain chance, who finds a lot to pay for pays.

use crate::layout::Service;

/// What a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Looks through a category, newest first.
    Category,
    /// Searches by a word.
    Search,
    /// Looks what ends soon.
    EndingSoon,
    /// Opens a listing.
    Listing,
    /// Opens an auction: its price and what the next bid has to be.
    Auction,
    /// Reads who bid what.
    History,
    /// Looks after what was bought and sold.
    Settlements,
    /// Bids.
    Bid,
    /// Buys at once.
    BuyNow,
    /// Drafts a listing.
    List,
    /// Publishes it.
    Publish,
    /// Pays for a lot.
    Pay,
    /// Ships a lot.
    Ship,
    /// Has received a lot.
    Receive,
}

impl Operation {
    /// All of them, reads first.
    pub const ALL: [Self; 14] = [
        Self::Category,
        Self::Search,
        Self::EndingSoon,
        Self::Listing,
        Self::Auction,
        Self::History,
        Self::Settlements,
        Self::Bid,
        Self::BuyNow,
        Self::List,
        Self::Publish,
        Self::Pay,
        Self::Ship,
        Self::Receive,
    ];

    /// As a report calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Category => "browse a category",
            Self::Search => "search by a word",
            Self::EndingSoon => "browse what ends soon",
            Self::Listing => "view a listing",
            Self::Auction => "view an auction",
            Self::History => "view a bid history",
            Self::Settlements => "view own settlements",
            Self::Bid => "bid",
            Self::BuyNow => "buy at once",
            Self::List => "draft a listing",
            Self::Publish => "publish it",
            Self::Pay => "pay",
            Self::Ship => "ship",
            Self::Receive => "confirm receipt",
        }
    }

    /// Who is asked.
    pub const fn service(self) -> Service {
        match self {
            Self::Category | Self::Search | Self::EndingSoon | Self::Listing | Self::List | Self::Publish => {
                Service::Listing
            }
            Self::Auction | Self::History | Self::Bid | Self::BuyNow => Service::Bidding,
            Self::Settlements | Self::Pay | Self::Ship | Self::Receive => Service::Settlement,
        }
    }

    /// Whether it changes something.
    pub const fn writes(self) -> bool {
        !matches!(
            self,
            Self::Category
                | Self::Search
                | Self::EndingSoon
                | Self::Listing
                | Self::Auction
                | Self::History
                | Self::Settlements
        )
    }

    /// Of a hundred requests that write, so many may be refused: somewhat more than the mix itself brings about when it
    /// is played without any service.
    pub const fn refused_max_percent(self) -> f64 {
        match self {
            // Who bids saw the price a thought ago. Meanwhile others bid more, or the lot ended: some 15 of a hundred.
            Self::Bid => 20.0,
            // The offer is gone with the first bid of anybody, and a thought lies in between here, too: up to 30.
            Self::BuyNow => 50.0,
            // There is nobody who could be quicker.
            _ => 1.0,
        }
    }
}

/// How often each step is drawn, in tenths of a per cent.
const DRAWN: [(Operation, u32); 8] = [
    (Operation::Category, 265),
    (Operation::Search, 110),
    (Operation::EndingSoon, 100),
    (Operation::Listing, 120),
    (Operation::Auction, 265),
    (Operation::History, 60),
    (Operation::Settlements, 69),
    (Operation::List, 11),
];
/// Of a hundred who look at an open auction of somebody else, so many bid.
const BIDS_PERCENT: u32 = 55;
/// Of a hundred who look at a listing that can be bought at once, so many do.
const BUYS_PERCENT: u32 = 20;
/// Of a hundred who pay, so many do it with a card that is declined, and try another one later.
const DECLINED_PERCENT: u32 = 2;

/// The next step of somebody who has nothing particular to do.
pub fn draw() -> Operation {
    let all: u32 = DRAWN.iter().map(|(_, weight)| weight).sum();
    let mut left = fastrand::u32(..all);
    for (operation, weight) in DRAWN {
        if left < weight {
            return operation;
        }
        left -= weight;
    }
    Operation::Category
}

/// Whether somebody who looks at an open auction bids.
pub fn bids() -> bool {
    fastrand::u32(..100) < BIDS_PERCENT
}

/// Whether somebody who could buy at once does.
pub fn buys() -> bool {
    fastrand::u32(..100) < BUYS_PERCENT
}

/// A card, now and then one that is declined.
pub fn card() -> &'static str {
    if fastrand::u32(..100) < DECLINED_PERCENT { "pm_card_chargeDeclined" } else { "pm_card_visa" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn steps_are_drawn_as_often_as_the_mix_says() {
        const DRAWS: u32 = 100_000;
        let mut drawn = BTreeMap::<Operation, u32>::new();
        (0..DRAWS).for_each(|_| *drawn.entry(draw()).or_default() += 1);
        let all: u32 = DRAWN.iter().map(|(_, weight)| weight).sum();
        assert_eq!((all, drawn.len()), (1_000, DRAWN.len()));
        for (operation, weight) in DRAWN {
            let expected = weight * DRAWS / all;
            // More than five standard deviations of the rarest step.
            assert!(drawn[&operation].abs_diff(expected) < expected / 5 + 20, "{operation:?}: {}", drawn[&operation]);
        }
    }

    #[test]
    fn only_listing_something_is_a_write_that_nobody_is_led_to() {
        let writes: Vec<Operation> = DRAWN.into_iter().map(|(step, _)| step).filter(|step| step.writes()).collect();
        assert_eq!(writes, [Operation::List]);
    }
}
