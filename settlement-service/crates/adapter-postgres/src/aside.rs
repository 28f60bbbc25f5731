//! Rows that cannot be read, by a defect or by somebody's hand. Where rows are taken up by their due time, one that keeps its
//! place would stop all behind it for ever: it is told of, and put aside for a while, so that the others have their turn.

use std::fmt::Display;

use settlement_ports::StoreError;

use crate::metrics::UNREADABLE;

/// What can be read; and of what cannot, which is told of, the keys.
pub(crate) fn readable<K: Display, T>(
    table: &'static str,
    rows: impl Iterator<Item = (K, Result<T, StoreError>)>,
) -> (Vec<T>, Vec<K>) {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for (key, row) in rows {
        match row {
            Ok(row) => readable.push(row),
            Err(error) => {
                tracing::error!(table, %key, %error, "a row cannot be read: it is left out, and looked at again in some minutes");
                UNREADABLE.with_label_values(&[table]).inc();
                unreadable.push(key);
            }
        }
    }
    (readable, unreadable)
}
