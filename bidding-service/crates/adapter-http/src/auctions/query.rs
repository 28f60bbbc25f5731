//! How the history is asked for: pages, the latest bid first.

use event_contracts::problem::FieldError;

use crate::problem::ApiError;

/// Items of a page unless asked otherwise.
const DEFAULT_LIMIT: u32 = 20;

/// Which page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HistoryQuery {
    /// Only bids whose sequence lies below it.
    pub before: Option<u64>,
    /// 1–100.
    pub limit: u32,
}

/// Reads the query string; every fault is named.
pub(super) fn parse(query: &str) -> Result<HistoryQuery, ApiError> {
    let mut history = HistoryQuery { before: None, limit: DEFAULT_LIMIT };
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let mut fault =
            |detail: &str| faults.push(FieldError { pointer: format!("?{name:.50}"), detail: detail.to_owned() });
        if seen.contains(&name) {
            fault("is given twice");
            continue;
        }
        seen.push(name.clone());
        match &*name {
            "limit" => match value.parse() {
                Ok(limit @ 1..=100) => history.limit = limit,
                _ => fault("is a number from 1 to 100"),
            },
            "cursor" => match decode(&value) {
                Some(before) => history.before = Some(before),
                None => fault("is not a cursor of this list: send next_cursor as it came"),
            },
            _ => fault("is not known; known are cursor, limit"),
        }
    }
    if faults.is_empty() { Ok(history) } else { Err(ApiError::validation(faults)) }
}

/// An opaque cursor: the sequence of the last bid of the page.
pub(super) fn encode(before: u64) -> String {
    format!("b{before:x}")
}

fn decode(cursor: &str) -> Option<u64> {
    let hex = cursor.strip_prefix('b').filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u64::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_continues_where_the_page_ended() {
        let read = parse(&format!("cursor={}&limit=7", encode(300))).expect("sound");
        assert_eq!(read, HistoryQuery { before: Some(300), limit: 7 });
    }

    #[test]
    fn every_faulty_parameter_is_named() {
        let told = format!("{:?}", parse("limit=101&cursor=b&colour=red&limit=2").expect_err("faulty"));
        for name in ["?limit", "?cursor", "?colour", "twice"] {
            assert!(told.contains(name), "{name}: {told}");
        }
        for cursor in ["", "b", "x1", "b+1", "b-1", "bfffffffffffffffff", "%00"] {
            assert!(parse(&format!("cursor={cursor}")).is_err(), "{cursor}");
        }
    }
}
