//! How lists are asked for: filters, order, and cursors that continue a list where it ended.

use std::iter;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use event_contracts::problem::FieldError;
use listing_domain::ids::{ListingId, UserId};
use listing_ports::store::{Browse, Position, Sort};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::problem::ApiError;

/// Items of a page unless asked otherwise.
const DEFAULT_LIMIT: u32 = 20;
/// Longest text of a parameter, characters.
const MAX_TEXT: usize = 200;
/// Longest `sub`, characters.
const MAX_SUB: usize = 128;
const STATUSES: [&str; 6] = ["draft", "scheduled", "live", "sold", "unsold", "cancelled"];

/// Which listings, in which order.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // only its schema is used: parameters are read one by one, to name each fault
pub struct BrowseQuery {
    /// Words to find in title and description, at least one, and on each side of `or`; one after `-` must not be there.
    #[param(
        required = false,
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*$",
        example = "wristwatch"
    )]
    q: String,
    /// Exact category.
    #[param(required = false, pattern = "^[a-z0-9-]{1,64}$")]
    category: String,
    /// Exact status.
    #[param(required = false, value_type = super::dto::ListingStatus, inline)]
    status: String,
    /// Exact seller.
    #[param(required = false, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    seller: String,
    /// `-created_at` (the default), `ends_at`, `price` or `-price`.
    #[param(required = false, pattern = "^(-created_at|ends_at|-?price)$")]
    sort: String,
    /// `next_cursor` of the page before.
    #[param(required = false, min_length = 1, max_length = 200)]
    cursor: String,
    /// Items of a page; 20 unless given.
    #[param(required = false, minimum = 1, maximum = 100)]
    limit: u32,
}

/// Reads the query string; every fault is named.
pub(crate) fn parse(query: &str, viewer: UserId) -> Result<Browse, ApiError> {
    let mut browse = Browse {
        viewer,
        text: None,
        category: None,
        status: None,
        seller: None,
        sort: Sort::default(),
        after: None,
        limit: DEFAULT_LIMIT,
    };
    let mut faults = Vec::new();
    let mut cursor = None;
    let mut seen = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let mut fault =
            |detail: &str| faults.push(FieldError { pointer: format!("?{name:.50}"), detail: detail.to_owned() });
        if seen.contains(&name) {
            fault("is given twice");
            continue;
        }
        seen.push(name.clone());
        if value.is_empty() || value.chars().count() > MAX_TEXT || value.chars().any(char::is_control) {
            fault(&format!("has 1 to {MAX_TEXT} characters, none of them a control character"));
            continue;
        }
        match &*name {
            "q" if names_what_to_find(&value) => browse.text = Some(value.into_owned()),
            "q" => fault("names a word to find, also on each side of `or`, and not only words to leave out (`-word`)"),
            "category" if is_slug(&value) => browse.category = Some(value.into_owned()),
            "category" => fault("has 1 to 64 small letters, digits or hyphens"),
            "seller" if value.chars().count() <= MAX_SUB => browse.seller = Some(UserId(value.into_owned())),
            "seller" => fault(&format!("has 1 to {MAX_SUB} characters")),
            "status" if STATUSES.contains(&&*value) => browse.status = Some(value.into_owned()),
            "status" => fault(&format!("is one of {}", STATUSES.join(", "))),
            "sort" => match sort(&value) {
                Some(sort) => browse.sort = sort,
                None => fault("is one of -created_at, ends_at, price, -price"),
            },
            "limit" => match value.parse() {
                Ok(limit @ 1..=100) => browse.limit = limit,
                _ => fault("is a number from 1 to 100"),
            },
            "cursor" => cursor = Some(value.into_owned()),
            _ => fault("is not known; known are q, category, status, seller, sort, cursor, limit"),
        }
    }
    if let Some(cursor) = cursor {
        browse.after = decode(&cursor, browse.sort);
        if browse.after.is_none() {
            let detail = "is not a cursor of this list: send next_cursor as it came, with the same sort";
            faults.push(FieldError { pointer: "?cursor".into(), detail: detail.into() });
        }
    }
    if faults.is_empty() { Ok(browse) } else { Err(ApiError::validation(faults)) }
}

/// Whether there is a word to look up, as PostgreSQL's `websearch_to_tsquery` reads it: no index has what is not there.
fn names_what_to_find(text: &str) -> bool {
    // Every second part stands in quotes, and is one word here.
    let words = text.split('"').enumerate().flat_map(|(number, part)| match number % 2 {
        1 => vec!["quoted"],
        _ => part.split_whitespace().collect(),
    });
    let words: Vec<&str> = words.collect();
    let mut alternatives = words.split(|word| word.eq_ignore_ascii_case("or")).filter(|words| !words.is_empty());
    alternatives.all(|words| {
        let mut after_another = words.iter().zip(iter::once(&"").chain(words));
        after_another.any(|(word, before)| !word.starts_with('-') && *before != "-")
    })
}

fn is_slug(category: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    category.len() <= 64 && category.bytes().all(plain)
}

fn sort(name: &str) -> Option<Sort> {
    Some(match name {
        "-created_at" => Sort::Newest,
        "ends_at" => Sort::EndsSoonest,
        "price" => Sort::PriceAscending,
        "-price" => Sort::PriceDescending,
        _ => return None,
    })
}

fn tag(sort: Sort) -> u8 {
    match sort {
        Sort::Newest => 1,
        Sort::EndsSoonest => 2,
        Sort::PriceAscending => 3,
        Sort::PriceDescending => 4,
    }
}

/// An opaque cursor: the order, the position's key and id.
pub(crate) fn encode(position: Position, sort: Sort) -> String {
    let mut bytes = vec![tag(sort)];
    bytes.extend(position.key.to_be_bytes());
    bytes.extend(position.id.0.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(cursor: &str, sort: Sort) -> Option<Position> {
    /// Microseconds of the years 0 to 9999: beyond, no database has a time.
    const TIMES: std::ops::RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;
    let bytes: [u8; 25] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let (order, rest) = bytes.split_first()?;
    let (key, id) = rest.split_first_chunk::<8>()?;
    let key = i64::from_be_bytes(*key);
    let sound =
        *order == tag(sort) && (TIMES.contains(&key) || matches!(sort, Sort::PriceAscending | Sort::PriceDescending));
    sound.then(|| Some(Position { key, id: ListingId(Uuid::from_slice(id).ok()?) }))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Browse, ApiError> {
        parse(query, UserId("anna".into()))
    }

    #[test]
    fn a_cursor_continues_its_own_order_and_no_other() {
        let position = Position { key: -5, id: ListingId(Uuid::from_u128(7)) };
        let cursor = encode(position, Sort::PriceAscending);
        let after = |query: String| read(&query).map(|browse| browse.after).ok();
        assert_eq!(after(format!("sort=price&cursor={cursor}")), Some(Some(position)));
        assert_eq!(after(format!("cursor={cursor}&sort=price")), Some(Some(position)));
        assert_eq!(after(format!("sort=-price&cursor={cursor}")), None);
    }

    #[test]
    fn forged_and_broken_cursors_are_refused() {
        let beyond = encode(Position { key: i64::MAX, id: ListingId(Uuid::nil()) }, Sort::Newest);
        for cursor in ["x", "!!!!", &"A".repeat(34), &"A".repeat(300), "%00", &beyond] {
            assert!(read(&format!("cursor={cursor}")).is_err(), "{cursor}");
        }
    }

    #[test]
    fn every_faulty_parameter_is_named() {
        let told = format!("{:?}", read("limit=0&sort=random&status=gone&colour=red&q=&q=x").expect_err("faulty"));
        for name in ["?limit", "?sort", "?status", "?colour", "?q", "twice"] {
            assert!(told.contains(name), "{name}: {told}");
        }
        let long = format!("seller={}", "x".repeat(129));
        for query in [long.as_str(), "category=Watches", "category=a b"] {
            assert!(read(query).is_err(), "{query}");
        }
        for limit in ["0", "101", "-1", "1.5", "ten", "99999999999"] {
            assert!(read(&format!("limit={limit}")).is_err(), "{limit}");
        }
    }

    #[test]
    fn words_to_leave_out_are_not_looked_for_alone() {
        let asked = |text: &str| {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", text).finish();
            read(&query).map(|browse| browse.text)
        };
        for text in ["-lamp gold", "gold - lamp", "gold or lamp", "or gold", "gold or", "\"-gold or -lamp\""] {
            assert_eq!(asked(text).ok(), Some(Some(text.to_owned())), "{text}");
        }
        for text in ["-", "-gold -lamp", "- gold", "--gold", "-\"gold lamp\"", "gold or -lamp", "-gold OR lamp"] {
            assert!(format!("{:?}", asked(text).expect_err(text)).contains("?q"), "{text}");
        }
    }

    #[test]
    fn filters_are_taken_as_they_are() {
        let browse =
            read("q=gold+watch&category=watches&status=live&seller=bert&sort=ends_at&limit=100").expect("sound");
        assert_eq!((browse.text.as_deref(), browse.limit, browse.sort), (Some("gold watch"), 100, Sort::EndsSoonest));
    }
}
