//! How the ledger is asked: a moment, a seller's account, and cursors that continue a statement where it ended.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, Utc};
use settlement_domain::ledger::Place;
use settlement_ports::{StatementQuery as Query, Viewer};
use utoipa::IntoParams;

use super::query::{DEFAULT_LIMIT, NO_CURSOR};
use crate::{parameters::Parameters, problem::ApiError};

/// The first byte of a cursor: its format.
const FORMAT: u8 = 1;
const NO_MOMENT: &str = "is a time like 2030-01-31T12:00:00Z";

/// When.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // only its schema is used: parameters are read one by one, to name each fault
pub struct BalanceQuery {
    /// As it stood then, entries of that very moment included; now unless given.
    #[param(required = false)]
    at: DateTime<Utc>,
}

/// Whose statement.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // as above
pub struct StatementQuery {
    /// ISO 4217.
    #[param(pattern = "^[A-Z]{3}$", example = "USD")]
    currency: String,
    /// A seller's `sub`; the caller's own unless given.
    #[param(required = false, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    seller: String,
    /// As it stood then; now unless given.
    #[param(required = false)]
    at: DateTime<Utc>,
    /// `next_cursor` of the page before.
    #[param(required = false, min_length = 1, max_length = 200)]
    cursor: String,
    /// Items of a page; 20 unless given.
    #[param(required = false, minimum = 1, maximum = 100)]
    limit: u32,
}

pub(crate) fn moment(query: &str) -> Result<Option<DateTime<Utc>>, ApiError> {
    let mut parameters = Parameters::read(query, &["at"]);
    let at = parameters.optional("at", NO_MOMENT, |text| text.parse().ok().filter(is_of_our_era));
    parameters.finish().map(|()| at)
}

pub(crate) fn statement(query: &str, caller: &Viewer) -> Result<(Query, u32), ApiError> {
    let mut parameters = Parameters::read(query, &["currency", "seller", "at", "cursor", "limit"]);
    let currency = parameters.required("currency", "is a currency code of ISO 4217", |text| text.parse().ok());
    let seller = parameters.optional("seller", "is a sub of 1 to 128 characters", |text| text.parse().ok());
    let at = parameters.optional("at", NO_MOMENT, |text| text.parse().ok().filter(is_of_our_era));
    let before = parameters.optional("cursor", NO_CURSOR, decode);
    let limit = parameters.limit(DEFAULT_LIMIT);
    parameters.finish()?;
    let Some(currency) = currency else { return Err(ApiError::invalid("?currency", "is missing")) };
    Ok((Query { seller: seller.unwrap_or_else(|| caller.user.clone()), currency, at, before }, limit))
}

/// A year of RFC 3339, and not one that no database has.
fn is_of_our_era(at: &DateTime<Utc>) -> bool {
    (1..=9999).contains(&at.year())
}

/// An opaque cursor: the place of the last line of the page before.
pub(crate) fn encode(place: &Place) -> String {
    let mut bytes = vec![FORMAT];
    bytes.extend(place.at.timestamp_micros().to_be_bytes());
    bytes.extend(place.line.to_be_bytes());
    bytes.extend(place.reference.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(cursor: &str) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (format, bytes) = bytes.split_first_chunk::<1>()?;
    let (at, bytes) = bytes.split_first_chunk()?;
    let (line, reference) = bytes.split_first_chunk()?;
    let at = DateTime::from_timestamp_micros(i64::from_be_bytes(*at)).filter(is_of_our_era)?;
    let reference = std::str::from_utf8(reference).ok().filter(|text| !text.contains('\0'))?.to_owned();
    (*format == [FORMAT]).then_some(Place { at, reference, line: i16::from_be_bytes(*line) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Viewer {
        Viewer { user: "anna".parse().unwrap(), admin: false }
    }

    #[test]
    fn a_statement_is_the_callers_own_unless_another_seller_is_named() {
        let of = |query: &str| statement(query, &caller()).unwrap().0.seller.to_string();
        assert_eq!((of("currency=USD"), of("currency=USD&seller=bert")), ("anna".to_owned(), "bert".to_owned()));
    }

    #[test]
    fn a_cursor_continues_the_statement_and_a_forged_one_is_refused() {
        let at = DateTime::from_timestamp_micros(1_893_456_000_123_456).unwrap();
        let place = Place { at, reference: "0190:released".to_owned(), line: 2 };
        let before = |cursor: &str| {
            statement(&format!("currency=USD&cursor={cursor}"), &caller()).map(|(query, _)| query.before)
        };
        assert_eq!(before(&encode(&place)).unwrap(), Some(place));
        let nul = Place { at, reference: "\0".to_owned(), line: 1 };
        let antique = Place { at: "-5000-01-01T00:00:00Z".parse().unwrap(), reference: "r".to_owned(), line: 1 };
        for forged in ["x", "!!!!", "AQ", &"_".repeat(40), &encode(&nul), &encode(&antique)] {
            assert!(before(forged).is_err(), "{forged}");
        }
    }

    #[test]
    fn every_faulty_parameter_is_named() {
        let told = format!("{:?}", statement("limit=0&at=monday&colour=red&cursor=x", &caller()).expect_err("faulty"));
        for name in ["?limit", "?at", "?colour", "?cursor", "?currency"] {
            assert!(told.contains(name), "{name}: {told}");
        }
        assert!(moment("at=monday").is_err() && moment("").unwrap().is_none());
        for beyond in ["at=-5000-01-01T00:00:00Z", "at=%2B12000-01-01T00:00:00Z", "at=0000-01-01T00:00:00Z"] {
            assert!(moment(beyond).is_err(), "{beyond}");
        }
        assert!(moment("at=9999-12-31T23:59:59Z").unwrap().is_some());
    }
}
