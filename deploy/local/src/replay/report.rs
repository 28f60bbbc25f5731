//! The result of a replay, for a person.

use std::collections::BTreeMap;
use std::fmt;

use super::journal::Entry;
use super::progress::Speed;
use super::table::Lot;

/// What came out.
pub struct Report {
    auctions: usize,
    differences: Vec<Difference>,
    accepted: usize,
    refused: BTreeMap<String, usize>,
    speed: Speed,
}

struct Difference {
    lot: String,
    item: String,
    outcome: String,
    ours_cents: Option<i64>,
    file_cents: i64,
}

impl Report {
    /// Compares how `lots` closed, `entries` in the same order; at this `speed`.
    pub fn new(lots: &[Lot], entries: Vec<Entry>, speed: Speed) -> Self {
        let mut report =
            Self { auctions: lots.len(), differences: Vec::new(), accepted: 0, refused: BTreeMap::new(), speed };
        for (lot, entry) in lots.iter().zip(entries) {
            report.accepted += entry.accepted;
            for (slug, count) in entry.refused {
                *report.refused.entry(slug).or_default() += count;
            }
            let (outcome, ours_cents) =
                entry.closed.map_or_else(Default::default, |closed| (closed.outcome, closed.price_cents));
            if ours_cents != Some(lot.closing_cents) {
                let (lot, item, file_cents) = (lot.id.clone(), lot.item.clone(), lot.closing_cents);
                report.differences.push(Difference { lot, item, outcome, ours_cents, file_cents });
            }
        }
        report
    }

    /// How many closing prices are the same to the cent.
    pub fn equal(&self) -> usize {
        self.auctions - self.differences.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.differences.is_empty() {
            writeln!(f, "\n{:<14} {:<24} {:>12} {:>12}  outcome", "auction", "item", "here", "file")?;
        }
        for Difference { lot, item, outcome, ours_cents, file_cents } in &self.differences {
            let ours = ours_cents.map_or_else(|| "-".to_owned(), dollars);
            writeln!(f, "{lot:<14} {item:<24} {ours:>12} {:>12}  {outcome}", dollars(*file_cents))?;
        }
        let refused: usize = self.refused.values().sum();
        writeln!(f, "\n{} of {} closing prices to the cent", self.equal(), self.auctions)?;
        let reasons: Vec<String> = self.refused.iter().map(|(slug, count)| format!("{slug}: {count}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        write!(f, "{} bids accepted, {refused} refused{reasons}", self.accepted)?;
        let Speed { bids, bidding, all } = self.speed;
        let per_second = u128::from(bids as u64) * 1000 / bidding.as_millis().max(1);
        let (bidding, all) = (bidding.as_secs_f64(), all.as_secs_f64());
        writeln!(
            f,
            "\n{bids} bids placed in {bidding:.1} s, {per_second} a second; the last auction closed after {all:.1} s"
        )
    }
}

fn dollars(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::journal::Closed;
    use super::*;

    fn lot(id: &str, closing_cents: i64) -> Lot {
        Lot {
            id: id.to_owned(),
            item: "Watch".to_owned(),
            open_cents: 1,
            closing_cents,
            reserve_cents: None,
            bids: Vec::new(),
        }
    }

    fn sold(price_cents: i64) -> Entry {
        let closed = Closed { outcome: "sold".to_owned(), price_cents: Some(price_cents) };
        Entry { accepted: 3, refused: [("bid-too-low".to_owned(), 1)].into(), closed: Some(closed), ..Entry::default() }
    }

    #[test]
    fn a_cent_of_difference_is_a_difference_and_is_shown() {
        let report = Report::new(
            &[lot("7", 17_750), lot("8", 17_750)],
            vec![sold(17_750), sold(17_751)],
            Speed { bids: 8, bidding: Duration::from_secs(2), all: Duration::from_secs(9) },
        );
        assert_eq!(report.equal(), 1);
        let text = report.to_string();
        assert!(text.contains("1 of 2 closing prices to the cent"), "{text}");
        assert!(text.contains("177.51") && text.contains("6 bids accepted, 2 refused (bid-too-low: 2)"), "{text}");
        assert!(text.contains("4 a second"), "{text}");
    }
}
