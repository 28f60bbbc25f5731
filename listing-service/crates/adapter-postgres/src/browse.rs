//! Pages of listings. The statement is put together from the filters that are set, so that each
//! combination gets a plan of its own and an index that fits it. What was published and what never
//! was are read apart, each by its own indexes: nobody's page costs the drafts of others.

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

const COLUMNS: &str = "id, seller, version, sequence, status, title, description, category, currency, format, \
     starts_at, ends_at, second_chance, second_chance_days, relisted_from, relisted_as, published_at, opens_at, closes_at, \
     price, bid_count, cancellation_requested_at, paused_at, cancelled_by, cancellation_reason, sale_status, \
     sale_status_at, second_chance_until, created_at, updated_at";

/// What a reader may see of the listings.
#[derive(Clone, Copy)]
enum Part {
    /// What was ever published: everybody.
    Public,
    /// What never was: its seller.
    Own,
}

impl Part {
    /// Whether the query may find something in it.
    fn is_asked_for(self, query: &Browse) -> bool {
        let status = query.status.as_deref();
        match self {
            Self::Public => status != Some("draft"),
            Self::Own => {
                query.seller.as_ref().is_none_or(|seller| *seller == query.viewer)
                    && status.is_none_or(|status| ["draft", "cancelled"].contains(&status))
            }
        }
    }

    /// What it is ordered by, and what breaks ties, as its index has them.
    const fn order(self, sort: Sort) -> [&'static str; 2] {
        match (sort, self) {
            (Sort::Newest, _) => ["created_at", "id"],
            (Sort::EndsSoonest, _) => ["sort_ends_at", "id"],
            (Sort::PriceAscending | Sort::PriceDescending, Self::Public) => ["sort_price", "listing_id"],
            // Before publication there is no bid.
            (Sort::PriceAscending | Sort::PriceDescending, Self::Own) => ["(format ->> 'start_price')::bigint", "id"],
        }
    }

    /// Only who asks for the order of prices pays for the second table.
    const fn table(self, sort: Sort) -> &'static str {
        match (sort, self) {
            (Sort::PriceAscending | Sort::PriceDescending, Self::Public) => {
                "listing JOIN listing_by_price ON listing_id = id"
            }
            _ => "listing",
        }
    }
}

pub(crate) async fn page(pool: &Sessions, query: &Browse) -> Result<Page, StoreError> {
    let mut sql = QueryBuilder::new("SELECT * FROM (");
    let mut parts = [Part::Public, Part::Own].into_iter().filter(|part| part.is_asked_for(query));
    let Some(first) = parts.next() else { return Ok(Page { listings: Vec::new(), next: None }) };
    push_part(&mut sql, first, query)?;
    for part in parts {
        sql.push(" UNION ALL ");
        push_part(&mut sql, part, query)?;
    }
    sql.push(") AS listed");
    push_order(&mut sql, ["place", "id"], query);
    let rows: Vec<Row> = sql.build_query_as().fetch_all(pool).await.map_err(store_error)?;
    let more = rows.len() > query.limit as usize;
    let listings: Vec<Listing> =
        rows.into_iter().take(query.limit as usize).map(Listing::try_from).collect::<Result<_, _>>()?;
    let next = listings.last().filter(|_| more).map(|listing| query.sort.position(listing));
    Ok(Page { listings, next })
}

/// The first of a part, in order.
fn push_part<'q>(sql: &mut QueryBuilder<'q, Postgres>, part: Part, query: &'q Browse) -> Result<(), StoreError> {
    let order = part.order(query.sort);
    sql.push(format_args!("(SELECT {COLUMNS}, {} AS place FROM {} WHERE ", order[0], part.table(query.sort)));
    match part {
        Part::Public => sql.push("sequence > 0"),
        Part::Own => sql.push("sequence = 0 AND seller = ").push_bind(&query.viewer.0),
    };
    if let Some(seller) = &query.seller {
        sql.push(" AND seller = ").push_bind(&seller.0);
    }
    if let Some(category) = &query.category {
        sql.push(" AND category = ").push_bind(category);
    }
    if let Some(status) = &query.status {
        sql.push(" AND status = ").push_bind(status);
    }
    let guessed = query.text.as_deref().is_some_and(is_guessed);
    if let Some(text) = &query.text {
        sql.push(" AND words @@ ");
        if guessed {
            // What the planner does not see it looks up in the index of words. Words to leave out are not in there:
            // without another one nothing is found.
            sql.push("(SELECT asked FROM websearch_to_tsquery('english', ").push_bind(text);
            sql.push(") AS asked WHERE querytree(asked) <> 'T')");
        } else {
            sql.push("websearch_to_tsquery('english', ").push_bind(text).push(")");
        }
    }
    if let Some(position) = query.after {
        push_after(sql, order, query.sort, position)?;
    }
    if guessed {
        // Keeps the order out of the plan: all that is found is sorted afterwards.
        sql.push(" OFFSET 0");
    } else {
        push_order(sql, order, query);
    }
    sql.push(")");
    Ok(())
}

/// Whether the planner can but guess how often a text occurs. Of one word it knows. Several it takes to come without
/// regard to each other, and for those that exclude each other it would go through everything in order.
fn is_guessed(text: &str) -> bool {
    !text.chars().all(char::is_alphanumeric)
}

fn push_after(
    sql: &mut QueryBuilder<Postgres>,
    [key, id]: [&str; 2],
    sort: Sort,
    position: Position,
) -> Result<(), StoreError> {
    let than = if is_descending(sort) { "<" } else { ">" };
    sql.push(format_args!(" AND ({key}, {id}) {than} ("));
    match sort {
        Sort::Newest | Sort::EndsSoonest => {
            let time = DateTime::from_timestamp_micros(position.key);
            sql.push_bind(time.ok_or_else(|| corrupt("a cursor beyond all time"))?)
        }
        Sort::PriceAscending | Sort::PriceDescending => sql.push_bind(position.key),
    };
    sql.push(", ").push_bind(position.id.0).push(")");
    Ok(())
}

/// One more than asked tells whether there is a next page.
fn push_order(sql: &mut QueryBuilder<Postgres>, [key, id]: [&str; 2], query: &Browse) {
    let direction = if is_descending(query.sort) { " DESC" } else { "" };
    sql.push(format_args!(" ORDER BY {key}{direction}, {id}{direction} LIMIT "));
    sql.push_bind(i64::from(query.limit) + 1);
}

fn is_descending(sort: Sort) -> bool {
    matches!(sort, Sort::Newest | Sort::PriceDescending)
}
