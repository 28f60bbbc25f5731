//! What the price becomes: the rule of eBay's automatic bidding.

use super::EnglishTerms;
use crate::money::Amount;

/// The first bid stands at the start price.
pub(super) fn first_price(max: Amount, terms: &EnglishTerms) -> Amount {
    lifted_to_reserve(terms.start_price, max, terms)
}

/// Raising the own maximum leaves the price, unless it now reaches the reserve.
pub(super) fn raised_price(price: Amount, max: Amount, terms: &EnglishTerms) -> Amount {
    lifted_to_reserve(price, max, terms)
}

/// The higher maximum leads, one increment above the lower one and never above itself. At equal
/// maxima the price is that amount.
pub(super) fn contested_price(leader_max: Amount, challenger_max: Amount, terms: &EnglishTerms) -> Amount {
    let (low, high) = (leader_max.min(challenger_max), leader_max.max(challenger_max));
    let price = high.min(low.saturating_add(terms.increments.at(low)));
    lifted_to_reserve(price, high, terms)
}

/// A maximum that reaches the reserve lifts the price to it.
fn lifted_to_reserve(price: Amount, max: Amount, terms: &EnglishTerms) -> Amount {
    match terms.reserve_price {
        Some(reserve) if max >= reserve => price.max(reserve),
        _ => price,
    }
}
