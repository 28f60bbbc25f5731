//! How lists are asked for: filters, and cursors that continue a list where it ended.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use settlement_domain::{SettlementId, Status};
use settlement_ports::ListFilter;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{parameters::Parameters, problem::ApiError};

/// Items of a page unless asked otherwise.
pub(crate) const DEFAULT_LIMIT: u32 = 20;
/// What is told of a cursor that cannot be read.
pub(crate) const NO_CURSOR: &str = "is not a cursor of this list: send next_cursor as it came";
/// The first byte of a cursor: its format.
const FORMAT: u8 = 1;

/// Which settlements.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)] // only its schema is used: parameters are read one by one, to name each fault
pub struct ListQuery {
    /// Exact auction.
    #[param(required = false)]
    auction_id: Uuid,
    /// Exact status.
    #[param(required = false, value_type = super::dto::SettlementStatus, inline)]
    status: String,
    /// `next_cursor` of the page before.
    #[param(required = false, min_length = 1, max_length = 200)]
    cursor: String,
    /// Items of a page; 20 unless given.
    #[param(required = false, minimum = 1, maximum = 100)]
    limit: u32,
}

/// Reads the query string; every fault is named.
pub(crate) fn parse(query: &str) -> Result<(ListFilter, u32), ApiError> {
    let mut parameters = Parameters::read(query, &["auction_id", "status", "cursor", "limit"]);
    let statuses = format!("is one of {}", Status::ALL.map(Status::name).join(", "));
    let filter = ListFilter {
        auction_id: parameters.optional("auction_id", "is a UUID", |text| text.parse().ok()),
        status: parameters.optional("status", &statuses, |text| text.parse().ok()),
        after: parameters.optional("cursor", NO_CURSOR, decode),
    };
    let limit = parameters.limit(DEFAULT_LIMIT);
    parameters.finish().map(|()| (filter, limit))
}

/// An opaque cursor: the last id of the page before.
pub(crate) fn encode(after: SettlementId) -> String {
    let mut bytes = vec![FORMAT];
    bytes.extend(after.as_uuid().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(cursor: &str) -> Option<SettlementId> {
    let bytes: [u8; 17] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let (format, id) = bytes.split_first()?;
    (*format == FORMAT).then(|| Uuid::from_slice(id).ok().map(SettlementId::from))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_continues_the_list_and_a_forged_one_is_refused() {
        let id = SettlementId::from(Uuid::from_u128(7));
        let after = |cursor: &str| parse(&format!("cursor={cursor}")).map(|(filter, _)| filter.after).ok();
        assert_eq!(after(&encode(id)), Some(Some(id)));
        for cursor in ["x", "!!!!", &"A".repeat(23), &"A".repeat(34), &"A".repeat(300), "%00"] {
            assert_eq!(after(cursor), None, "{cursor}");
        }
    }

    #[test]
    fn every_faulty_parameter_is_named() {
        let told = format!("{:?}", parse("limit=0&status=paid&colour=red&auction_id=7&status=x").expect_err("faulty"));
        for name in ["?limit", "?status", "?colour", "?auction_id", "twice"] {
            assert!(told.contains(name), "{name}: {told}");
        }
        for limit in ["0", "101", "-1", "1.5", "ten", "99999999999"] {
            assert!(parse(&format!("limit={limit}")).is_err(), "{limit}");
        }
    }

    #[test]
    fn filters_are_taken_as_they_are() {
        let (filter, limit) = parse(&format!("auction_id={}&status=shipped&limit=100", Uuid::nil())).expect("sound");
        assert_eq!((filter.auction_id, filter.status, limit), (Some(Uuid::nil().into()), Some(Status::Shipped), 100));
    }
}
