//! Pages of settlements. The statement is put together from the filters that are set, so that each combination gets a
//! plan of its own and an index that fits it.

use settlement_domain::Settlement;
use settlement_ports::{ListFilter, StoreError, Viewer};
use sqlx::{Postgres, QueryBuilder};

use crate::{error::store_error, row::Row, session::Sessions};

const SELECT: &str = "SELECT id, auction_id, seller_id, buyer_id, amount, currency, quote, terms, started_at, \
     payment_due_at, sequence, attempts, state, rest, due_at FROM settlement WHERE ";

pub(crate) async fn page(
    pool: &Sessions,
    viewer: &Viewer,
    filter: &ListFilter,
    limit: u32,
) -> Result<Vec<Settlement>, StoreError> {
    let mut sql = QueryBuilder::new("");
    if viewer.admin {
        sql.push(SELECT).push("true");
        push_rest(&mut sql, filter, limit);
    } else {
        // Nobody is seller and buyer of the same lot, so the two parts have no row in common; either follows its index.
        sql.push("(").push(SELECT).push("seller_id = ").push_bind(viewer.user.as_str());
        push_rest(&mut sql, filter, limit);
        sql.push(") UNION ALL (").push(SELECT).push("buyer_id = ").push_bind(viewer.user.as_str());
        push_rest(&mut sql, filter, limit);
        sql.push(") ORDER BY id DESC LIMIT ").push_bind(i64::from(limit));
    }
    let rows: Vec<Row> = sql.build_query_as().fetch_all(pool).await.map_err(store_error)?;
    rows.into_iter().map(Settlement::try_from).collect()
}

fn push_rest(sql: &mut QueryBuilder<Postgres>, filter: &ListFilter, limit: u32) {
    if let Some(auction) = filter.auction_id {
        sql.push(" AND auction_id = ").push_bind(auction.as_uuid());
    }
    if let Some(status) = filter.status {
        sql.push(" AND status = ").push_bind(status.name());
    }
    if let Some(after) = filter.after {
        sql.push(" AND id < ").push_bind(after.as_uuid());
    }
    sql.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(limit));
}
