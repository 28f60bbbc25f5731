//! The rules of automatic bidding, written down once more: the higher maximum leads, one increment above the lower one
//! and never above itself; at equal maxima the earlier leads at that amount. So prices and leaders follow from the order
//! of the maxima alone, which the clients know and the log does not show.

use std::collections::BTreeMap;

use super::{
    Ascending, Findings, Placed, Rule,
    log::Log,
    operations::{Matched, Operation},
};

/// Who leads, as far as it is certain.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing<'h> {
    NoBids,
    Led {
        leader: &'h str,
        maximum: i64,
        price: i64,
    },
    /// A bid whose maximum nobody knows leads.
    Uncertain,
}

/// The standing after each bid, by its place in the log.
pub(super) type Standings<'h> = BTreeMap<u64, Standing<'h>>;

/// Plays the bids again, as far as their maxima are certain, up to the first that cannot be. Tells how they stood.
pub(super) fn check<'m>(
    terms: Ascending,
    operations: &[Operation<'_>],
    matched: &'m [Matched<'_>],
    log: &Log<'_>,
    findings: &mut Findings,
) -> Standings<'m> {
    let (mut standing, mut standings) = (Standing::NoBids, Standings::new());
    for Matched { place, bid, operation } in matched {
        let amount = operation.map(|index| operations[index].amount);
        let next = match amount {
            Some(amount) => certain(terms, standing, bid, amount, findings),
            None => uncertain(standing, bid),
        };
        if let (Some(amount), Some((effect, Standing::Led { leader, price, .. }))) = (amount, next) {
            let minimum = log.after(*place).map(|state| state.next_minimum);
            let follows = (bid.effect.as_str(), bid.leader.as_str(), bid.price) == (effect, leader, price);
            if !follows || minimum != Some(price + terms.increment) {
                findings.add(
                    Rule::Price,
                    format!("after {amount} it has to be {effect}, {leader} at {price}; event {place} is {bid:?}"),
                );
                return standings;
            }
        }
        standing = match next {
            Some((_, now)) => now,
            // Whoever takes the lead, or raises, by a known maximum makes it certain again.
            None if bid.effect != "outbid" => amount.map_or(Standing::Uncertain, |maximum| Standing::Led {
                leader: &bid.leader,
                maximum,
                price: bid.price,
            }),
            None => Standing::Uncertain,
        };
        standings.insert(*place, standing);
    }
    standings
}

/// What a bid of a known maximum does; none, if that is not certain.
fn certain<'h>(
    terms: Ascending,
    before: Standing<'h>,
    bid: &'h Placed,
    amount: i64,
    findings: &mut Findings,
) -> Option<(&'static str, Standing<'h>)> {
    let own = |maximum, price| Standing::Led { leader: &bid.alias, maximum, price };
    match before {
        Standing::Uncertain => None,
        Standing::NoBids => {
            if amount < terms.start_price {
                findings.add(Rule::Price, format!("bid {} of {amount} is below the start price", bid.bid));
            }
            Some(("leading", own(amount, terms.start_price)))
        }
        Standing::Led { leader, maximum, price } if leader == bid.alias => {
            if amount <= maximum {
                findings.add(Rule::Price, format!("bid {} of {amount} does not raise the maximum", bid.bid));
            }
            Some(("max_raised", own(maximum.max(amount), price)))
        }
        Standing::Led { leader, maximum, price } => {
            if amount < price + terms.increment {
                findings.add(Rule::Price, format!("bid {} of {amount} is below the minimum after {price}", bid.bid));
            }
            let price = maximum.max(amount).min(maximum.min(amount) + terms.increment);
            Some(if amount > maximum {
                ("leading", own(amount, price))
            } else {
                ("outbid", Standing::Led { leader, maximum, price })
            })
        }
    }
}

/// What a bid of an unknown maximum does: the leader who answers it stays certain.
fn uncertain<'h>(before: Standing<'h>, bid: &Placed) -> Option<(&'static str, Standing<'h>)> {
    match before {
        Standing::Led { leader, maximum, .. } if bid.effect == "outbid" && bid.leader == leader => {
            Some(("outbid", Standing::Led { leader, maximum, price: bid.price }))
        }
        _ => None,
    }
}
