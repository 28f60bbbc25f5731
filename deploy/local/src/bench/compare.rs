//! Receipts against what is stored and shown: nothing lost, nothing doubled, everything in the order of real time.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::time::Instant;
use uuid::Uuid;

use super::answer::Accepted;
use super::field::Receipt;

/// Findings of one kind that are told one by one.
const TOLD: usize = 5;

/// A decision of the database about a bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Which auction, by its place in the field.
    pub lot: u32,
    /// Its place among the auction's events.
    pub sequence: u64,
    /// Which bid.
    pub bid_id: Uuid,
}

/// What a comparison brought.
pub struct Compared {
    /// Bids in the database that no receipt tells of.
    pub without_receipt: usize,
    /// What is wrong, in sentences.
    pub findings: Vec<String>,
}

/// No receipt is lost, doubled or out of its place; in each auction sequences and prices follow the order of real time.
pub fn compare(receipts: &[Receipt], stored: &[Stored]) -> Compared {
    let mut found = Findings::default();
    let mut places: HashMap<Uuid, (u32, u64)> = HashMap::with_capacity(stored.len());
    for &Stored { lot, sequence, bid_id } in stored {
        if places.insert(bid_id, (lot, sequence)).is_some() {
            found.add("is in the database twice", bid_id);
        }
    }
    let mut matched = 0;
    let mut seen = HashSet::with_capacity(receipts.len());
    let mut lots: BTreeMap<u32, Vec<&Receipt>> = BTreeMap::new();
    for receipt in receipts {
        let id = receipt.accepted.bid_id;
        if !seen.insert(id) {
            found.add("was the answer to two requests", id);
        }
        match places.get(&id) {
            None => found.add("was accepted and is lost", id),
            Some(&place) => {
                matched += 1;
                if place != (receipt.lot, receipt.accepted.sequence) {
                    found.add("is in another place than its receipt says", id);
                }
            }
        }
        lots.entry(receipt.lot).or_default().push(receipt);
    }
    for mut receipts in lots.into_values() {
        receipts.sort_by_key(|receipt| receipt.accepted.sequence);
        in_order(&receipts, &mut found);
    }
    Compared { without_receipt: places.len().saturating_sub(matched), findings: found.sentences() }
}

/// `receipts` of one auction by sequence.
fn in_order(receipts: &[&Receipt], found: &mut Findings) {
    let mut last_sent: Option<Instant> = None;
    for pair in receipts.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        let id = after.accepted.bid_id;
        if before.accepted.sequence == after.accepted.sequence {
            found.add("has the sequence of another bid", id);
        }
        if after.accepted.price < before.accepted.price {
            found.add("made the price fall", id);
        }
        last_sent = last_sent.max(Some(before.sent));
        if last_sent.is_some_and(|sent| after.answered < sent) {
            found.add("was answered before another was sent that comes before it", id);
        }
    }
}

/// Bids by what is wrong with them.
#[derive(Default)]
struct Findings(BTreeMap<&'static str, Vec<Uuid>>);

impl Findings {
    fn add(&mut self, what: &'static str, bid: Uuid) {
        self.0.entry(what).or_default().push(bid);
    }

    fn sentences(self) -> Vec<String> {
        let all = self.0.into_iter().flat_map(|(what, bids)| {
            let more = bids.len().saturating_sub(TOLD);
            let told = bids.into_iter().take(TOLD).map(move |bid| format!("bid {bid} {what}"));
            told.chain((more > 0).then(|| format!("{more} more: a bid {what}"))).collect::<Vec<_>>()
        });
        all.collect()
    }
}

/// `shown`, the newest part of a history, against `receipts` of the same auction.
pub fn differences<'a>(
    auction: Uuid,
    shown: &[(u64, Uuid, i64)],
    receipts: impl Iterator<Item = &'a Accepted>,
) -> Vec<String> {
    let mut findings = Vec::new();
    if !shown.is_sorted_by(|newer, older| newer.0 > older.0) {
        findings.push(format!("the history of auction {auction} is not in descending order"));
    }
    let from = shown.last().map_or(0, |oldest| oldest.0);
    let by_id: HashMap<Uuid, (u64, i64)> = shown.iter().map(|&(sequence, id, price)| (id, (sequence, price))).collect();
    for receipt in receipts.filter(|receipt| receipt.sequence >= from) {
        if by_id.get(&receipt.bid_id) != Some(&(receipt.sequence, receipt.price)) {
            findings
                .push(format!("the history of auction {auction} does not show bid {} as its receipt", receipt.bid_id));
        }
    }
    findings.truncate(TOLD);
    findings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Bids of one auction: sequence, price, sent and answered in milliseconds.
    fn receipts(bids: &[(u64, i64, u32, u32)]) -> Vec<Receipt> {
        let start = Instant::now();
        let receipt = |&(sequence, price, sent, answered): &(u64, i64, u32, u32)| Receipt {
            lot: 0,
            accepted: Accepted {
                bid_id: Uuid::from_u128(u128::from(sequence)),
                sequence,
                price,
                next_minimum: price + 1,
                replayed: false,
            },
            sent: start + sent * MS,
            answered: start + answered * MS,
        };
        bids.iter().map(receipt).collect()
    }

    fn rows(sequences: &[u64]) -> Vec<Stored> {
        let row = |&sequence: &u64| Stored { lot: 0, sequence, bid_id: Uuid::from_u128(u128::from(sequence)) };
        sequences.iter().map(row).collect()
    }

    fn findings(receipts: &[Receipt], stored: &[Stored]) -> String {
        compare(receipts, stored).findings.join("; ")
    }

    #[test]
    fn a_sound_run_has_no_findings_even_if_answers_overtake_each_other() {
        let receipts = receipts(&[(3, 20, 0, 9), (2, 10, 5, 12), (4, 20, 10, 15)]);
        let compared = compare(&receipts, &rows(&[2, 3, 4, 5]));
        assert_eq!((compared.findings.as_slice(), compared.without_receipt), (&[][..], 1));
    }

    #[test]
    fn a_lost_bid_is_found() {
        assert!(findings(&receipts(&[(2, 10, 0, 1), (3, 11, 2, 3)]), &rows(&[2])).contains("is lost"));
    }

    #[test]
    fn a_doubled_bid_is_found_on_both_sides() {
        assert!(findings(&receipts(&[(2, 10, 0, 1)]), &rows(&[2, 2])).contains("in the database twice"));
        let twice = receipts(&[(2, 10, 0, 1), (2, 10, 2, 3)]);
        let found = findings(&twice, &rows(&[2]));
        assert!(found.contains("two requests") && found.contains("sequence of another bid"), "{found}");
    }

    #[test]
    fn a_bid_in_another_place_than_its_receipt_says_is_found() {
        let mut stored = rows(&[2]);
        stored[0].sequence = 7;
        assert!(findings(&receipts(&[(2, 10, 0, 1)]), &stored).contains("another place"));
    }

    #[test]
    fn a_bid_that_was_answered_before_its_predecessor_was_sent_is_found_across_others() {
        // Number 4 was answered at 3, number 2 sent at 5: real time says otherwise, though 3 lies between.
        let found = findings(&receipts(&[(2, 10, 5, 20), (3, 10, 1, 20), (4, 10, 0, 3)]), &rows(&[2, 3, 4]));
        assert!(found.contains("answered before another was sent"), "{found}");
    }

    #[test]
    fn a_falling_price_is_found() {
        assert!(findings(&receipts(&[(2, 10, 0, 1), (3, 9, 2, 3)]), &rows(&[2, 3])).contains("price fall"));
    }

    #[test]
    fn the_history_must_hold_every_receipt_of_its_range_as_it_is() {
        let receipts = receipts(&[(2, 10, 0, 1), (3, 11, 2, 3), (4, 12, 4, 5)]);
        let accepted = || receipts.iter().map(|receipt| &receipt.accepted);
        let item = |sequence: u64, price| (sequence, Uuid::from_u128(u128::from(sequence)), price);
        let whole = [item(4, 12), item(3, 11)];
        assert!(differences(Uuid::nil(), &whole, accepted()).is_empty(), "bid 2 is on a later page");
        for faulty in [[item(4, 12), item(2, 10)], [item(4, 13), item(3, 11)], [item(3, 11), item(4, 12)]] {
            assert!(!differences(Uuid::nil(), &faulty, accepted()).is_empty(), "{faulty:?}");
        }
    }
}
