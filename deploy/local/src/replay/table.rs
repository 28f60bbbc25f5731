//! Reads the CSV file and believes none of it: every fault is named with its line before anything is sent.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail, ensure};
use csv::StringRecord;

const COLUMNS: [&str; 9] =
    ["auction_id", "item", "duration_days", "bid", "bid_time_days", "bidder", "open_bid", "closing_price", "reserve"];
/// How many faults are shown before it is enough.
const FAULTS_SHOWN: usize = 10;
/// The largest amount of the API, in cents (2^53 − 1).
const AMOUNT_MAX: i64 = (1 << 53) - 1;
const TEXT_MAX_CHARS: usize = 100;

/// One auction of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Lot {
    /// Its id in the file.
    pub id: String,
    /// What was sold.
    pub item: String,
    /// Start price, in cents.
    pub open_cents: i64,
    /// What it sold for, in cents.
    pub closing_cents: i64,
    /// Hidden reserve, in cents.
    pub reserve_cents: Option<i64>,
    /// Bids in the order of their time.
    pub bids: Vec<Bid>,
}

/// One bid of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Bid {
    /// Who bid.
    pub bidder: String,
    /// At most how much, in cents.
    pub max_cents: i64,
}

struct Row {
    lot: Lot,
    duration_days: f64,
    time_days: f64,
}

/// The auctions of `content`, by the order of their first bid.
///
/// # Errors
/// Names up to ten faults, each with its line number.
pub fn read(content: &[u8]) -> Result<Vec<Lot>> {
    let mut reader = csv::Reader::from_reader(content);
    let header = reader.headers()?.clone();
    for column in COLUMNS {
        ensure!(
            header.iter().any(|name| name == column),
            "line 1: the column `{column}` is missing; needed are {}",
            COLUMNS.join(",")
        );
    }
    let mut faults = Vec::new();
    let mut lots: Vec<Lot> = Vec::new();
    let mut seen: BTreeMap<String, (usize, f64, f64)> = BTreeMap::new();
    for record in reader.records() {
        let (line, added) = match record {
            Ok(record) => {
                (line_of(record.position()), row(&header, &record).and_then(|row| add(&mut lots, &mut seen, row)))
            }
            Err(fault) => (line_of(fault.position()), Err(malformed(&fault))),
        };
        if let Err(fault) = added {
            faults.push(format!("line {line}: {fault}"));
        }
    }
    if !faults.is_empty() {
        let more = faults.len().saturating_sub(FAULTS_SHOWN);
        let shown = faults.into_iter().take(FAULTS_SHOWN).collect::<Vec<_>>().join("\n  ");
        bail!(
            "the file has faults, nothing was sent:\n  {shown}{}",
            if more > 0 { format!("\n  and {more} more") } else { String::new() }
        );
    }
    ensure!(!lots.is_empty(), "the file has no bids");
    Ok(lots)
}

fn line_of(position: Option<&csv::Position>) -> u64 {
    position.map_or(0, csv::Position::line)
}

fn malformed(fault: &csv::Error) -> anyhow::Error {
    match fault.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            anyhow!("it has {len} columns instead of {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => anyhow!("it is not UTF-8"),
        _ => anyhow!("{fault}"),
    }
}

fn row(header: &StringRecord, record: &StringRecord) -> Result<Row> {
    let field = |name: &str| {
        header.iter().position(|column| column == name).and_then(|at| record.get(at)).unwrap_or_default().trim()
    };
    let text = |name: &str| {
        let value = field(name);
        let fits = (1..=TEXT_MAX_CHARS).contains(&value.chars().count()) && !value.chars().any(char::is_control);
        ensure!(fits, "`{name}` must have 1 to {TEXT_MAX_CHARS} printable characters");
        Ok(value.to_owned())
    };
    let amount = |name: &str| {
        let value = field(name);
        cents(value).ok_or_else(|| anyhow!("`{name}` is `{value}`: an amount in dollars is needed, e.g. 177.50"))
    };
    let days = |name: &str| {
        let value = field(name);
        let days = value.parse::<f64>().ok().filter(|days| days.is_finite() && *days >= 0.0);
        days.ok_or_else(|| anyhow!("`{name}` is `{value}`: a number of days is needed"))
    };
    let bid = Bid { bidder: text("bidder")?, max_cents: amount("bid")? };
    let lot = Lot {
        id: text("auction_id")?,
        item: text("item")?,
        open_cents: amount("open_bid")?,
        closing_cents: amount("closing_price")?,
        reserve_cents: if field("reserve").is_empty() { None } else { Some(amount("reserve")?) },
        bids: vec![bid],
    };
    Ok(Row { lot, duration_days: days("duration_days")?, time_days: days("bid_time_days")? })
}

fn add(lots: &mut Vec<Lot>, seen: &mut BTreeMap<String, (usize, f64, f64)>, row: Row) -> Result<()> {
    let Row { mut lot, duration_days, time_days } = row;
    let Some((at, duration, last)) = seen.get_mut(&lot.id) else {
        seen.insert(lot.id.clone(), (lots.len(), duration_days, time_days));
        lots.push(lot);
        return Ok(());
    };
    let known = &mut lots[*at];
    let bids = std::mem::take(&mut lot.bids);
    let same = (&lot.item, lot.open_cents, lot.closing_cents, lot.reserve_cents, duration_days)
        == (&known.item, known.open_cents, known.closing_cents, known.reserve_cents, *duration);
    ensure!(
        same,
        "auction {} has another item, duration, start price, closing price or reserve than in its first line",
        lot.id
    );
    ensure!(time_days >= *last, "auction {} goes back in time: bids must be in the order of `bid_time_days`", lot.id);
    *last = time_days;
    known.bids.extend(bids);
    Ok(())
}

/// `177.5` → 17750; none for what is no positive amount of whole cents.
fn cents(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let cents: i64 = format!("{part:0<2}").parse().ok()?;
    let amount = whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)?;
    (1..=AMOUNT_MAX).contains(&amount).then_some(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "auction_id,item,duration_days,bid,bid_time_days,bidder,open_bid,closing_price,reserve\n";

    fn faults(rows: &str) -> String {
        read(format!("{HEADER}{rows}").as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn bids_keep_their_order_and_amounts_their_cents() {
        let rows =
            "7,Watch,3,100,0.5,a,99,177.5,\n8,Console,5,10.25,1,c,9.99,10.25,10\n7,Watch,3,177.50,2,b,99,177.5,\n";
        let lots = read(format!("{HEADER}{rows}").as_bytes()).unwrap();
        assert_eq!((lots[0].open_cents, lots[0].closing_cents, lots[0].reserve_cents), (9_900, 17_750, None));
        assert_eq!(lots[0].bids.iter().map(|bid| bid.max_cents).collect::<Vec<_>>(), [10_000, 17_750]);
        assert_eq!((lots[1].bids[0].max_cents, lots[1].reserve_cents), (1_025, Some(1_000)));
    }

    #[test]
    fn every_malformed_row_is_named_with_its_line() {
        let said =
            faults("7,Watch,3,100,0.5,a,99,177.5,\n7,Watch,3,ten,0.6,a,99,177.5,\n7,Watch,3,12.345,0.7,a,99,177.5,\n");
        assert!(said.contains("line 3: `bid` is `ten`") && said.contains("line 4: `bid` is `12.345`"), "{said}");
    }

    #[test]
    fn amounts_that_are_no_amounts_are_refused() {
        for bad in
            ["", "-1", "0", "0.00", "1e3", "NaN", "1.001", "90071992547409.92", "99999999999999999999", " ", "1,5", "٣"]
        {
            assert_eq!(cents(bad), None, "{bad}");
        }
        assert_eq!(cents("90071992547409.91"), Some(AMOUNT_MAX));
        assert_eq!(cents("0.01"), Some(1));
    }

    #[test]
    fn rows_that_contradict_each_other_are_refused() {
        assert!(
            faults("7,Watch,3,100,0.5,a,99,177.5,\n7,Watch,3,110,0.6,a,98,177.5,\n")
                .contains("line 3: auction 7 has another")
        );
        assert!(
            faults("7,Watch,3,100,0.5,a,99,177.5,\n7,Watch,3,110,0.4,a,99,177.5,\n")
                .contains("line 3: auction 7 goes back")
        );
    }

    #[test]
    fn rows_of_another_shape_and_text_that_is_none_are_refused() {
        assert!(faults("7,Watch,3,100\n").contains("line 2: it has 4 columns instead of 9"));
        assert!(faults(&format!("7,Watch,3,100,0.5,{},99,177.5,\n", "x".repeat(101))).contains("line 2: `bidder`"));
        let mut invalid = format!("{HEADER}7,Watch,3,100,0.5,").into_bytes();
        invalid.extend(b"\xff,99,177.5,\n");
        assert!(read(&invalid).unwrap_err().to_string().contains("line 2: it is not UTF-8"));
    }

    #[test]
    fn a_missing_column_and_an_empty_file_are_named() {
        assert!(read(b"auction_id,item\n").unwrap_err().to_string().contains("`duration_days` is missing"));
        assert!(faults("").contains("no bids"));
    }
}
