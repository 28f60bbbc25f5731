//! How the history is asked for: pages, the latest bid first.

use bidding_ports::store::LogPlace;
use event_contracts::problem::FieldError;
use utoipa::IntoParams;

use crate::problem::ApiError;

/// Items of a page unless asked otherwise.
const DEFAULT_LIMIT: u32 = 20;

/// Which page, as the document has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // only its schema is used: parameters are read one by one, to name each fault
pub(super) struct PageQuery {
    /// `next_cursor` of the page before.
    #[param(required = false, min_length = 1, max_length = 200)]
    cursor: String,
    /// Items of a page; 20 unless given.
    #[param(required = false, minimum = 1, maximum = 100)]
    limit: u32,
}

/// From where on, as the document has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // only its schema is used
pub(super) struct LastEvent {
    /// The last event that the client has.
    #[param(rename = "Last-Event-ID", required = false, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    last: u64,
}

/// Which page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HistoryQuery {
    /// Only bids before it.
    pub before: Option<LogPlace>,
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

/// An opaque cursor: the place of the last bid of the page.
pub(super) fn encode(before: LogPlace) -> String {
    format!("b{:x}.{:x}", before.sequence, before.number)
}

fn decode(cursor: &str) -> Option<LogPlace> {
    let hex = |digits: &str| {
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if plain { u64::from_str_radix(digits, 16).ok() } else { None }
    };
    let (sequence, number) = cursor.strip_prefix('b')?.split_once('.')?;
    Some(LogPlace { sequence: hex(sequence)?, number: hex(number)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_continues_where_the_page_ended() {
        let place = LogPlace { sequence: 300, number: 17 };
        let read = parse(&format!("cursor={}&limit=7", encode(place))).expect("sound");
        assert_eq!(read, HistoryQuery { before: Some(place), limit: 7 });
    }

    #[test]
    fn every_faulty_parameter_is_named() {
        let told = format!("{:?}", parse("limit=101&cursor=b&colour=red&limit=2").expect_err("faulty"));
        for name in ["?limit", "?cursor", "?colour", "twice"] {
            assert!(told.contains(name), "{name}: {told}");
        }
        for cursor in ["", "b", "b1", "b.", "x1.1", "b+1.1", "b1.-1", "bfffffffffffffffff.1", "%00"] {
            assert!(parse(&format!("cursor={cursor}")).is_err(), "{cursor}");
        }
    }
}
