//! Pages of listings. The statement is put together from the filters that are set, so that each
//! combination gets a plan of its own and an index that fits it.

use chrono::DateTime;
use listing_domain::listing::Listing;
use listing_ports::{
    error::StoreError,
    store::{Browse, Page, Position, Sort},
};
use sqlx::{Postgres, QueryBuilder};

use crate::{
    error::{corrupt, store_error},
    row::Row,
    session::Sessions,
};

const SELECT: &str = "SELECT id, seller, version, sequence, status, title, description, category, currency, format, \
     starts_at, ends_at, second_chance, second_chance_days, relisted_from, relisted_as, published_at, opens_at, closes_at, \
     price, bid_count, cancellation_requested_at, paused_at, cancelled_by, cancellation_reason, sale_status, \
     sale_status_at, second_chance_until, created_at, updated_at \
     FROM listing";
/// Only who asks for the order of prices pays for the second table.
const WITH_PRICE: &str = " JOIN listing_by_price ON listing_id = id";

pub(crate) async fn page(pool: &Sessions, query: &Browse) -> Result<Page, StoreError> {
    let mut sql = QueryBuilder::new(SELECT);
    if matches!(query.sort, Sort::PriceAscending | Sort::PriceDescending) {
        sql.push(WITH_PRICE);
    }
    sql.push(" WHERE (sequence > 0 OR seller = ").push_bind(&query.viewer.0).push(")");
    if let Some(seller) = &query.seller {
        sql.push(" AND seller = ").push_bind(&seller.0);
    }
    if let Some(category) = &query.category {
        sql.push(" AND category = ").push_bind(category);
    }
    if let Some(status) = &query.status {
        sql.push(" AND status = ").push_bind(status);
    }
    if let Some(text) = &query.text {
        sql.push(" AND words @@ websearch_to_tsquery('english', ").push_bind(text).push(")");
    }
    if let Some(position) = query.after {
        push_after(&mut sql, query.sort, position)?;
    }
    sql.push(match query.sort {
        Sort::Newest => " ORDER BY created_at DESC, id DESC",
        Sort::EndsSoonest => " ORDER BY sort_ends_at, id",
        Sort::PriceAscending => " ORDER BY sort_price, listing_id",
        Sort::PriceDescending => " ORDER BY sort_price DESC, listing_id DESC",
    });
    // One more than asked tells whether there is a next page.
    sql.push(" LIMIT ").push_bind(i64::from(query.limit) + 1);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(pool).await.map_err(store_error)?;
    let more = rows.len() > query.limit as usize;
    let listings: Vec<Listing> =
        rows.into_iter().take(query.limit as usize).map(Listing::try_from).collect::<Result<_, _>>()?;
    let next = listings.last().filter(|_| more).map(|listing| query.sort.position(listing));
    Ok(Page { listings, next })
}

fn push_after(sql: &mut QueryBuilder<Postgres>, sort: Sort, position: Position) -> Result<(), StoreError> {
    let time = || DateTime::from_timestamp_micros(position.key).ok_or_else(|| corrupt("a cursor beyond all time"));
    match sort {
        Sort::Newest => sql.push(" AND (created_at, id) < (").push_bind(time()?),
        Sort::EndsSoonest => sql.push(" AND (sort_ends_at, id) > (").push_bind(time()?),
        Sort::PriceAscending => sql.push(" AND (sort_price, listing_id) > (").push_bind(position.key),
        Sort::PriceDescending => sql.push(" AND (sort_price, listing_id) < (").push_bind(position.key),
    };
    sql.push(", ").push_bind(position.id.0).push(")");
    Ok(())
}
