//! Enums that later versions may extend.

use schemars::Schema;
use serde_json::{Value, json};

/// An enum with a `#[serde(other)]` fallback is open: a reader accepts values that it does not know.
pub(crate) fn values(schema: &mut Schema) {
    if let Some(Value::Array(mut values)) = schema.remove("oneOf") {
        values.retain(|value| value["const"] != "unknown");
        values.push(json!({ "type": "string", "description": "A value of a later version." }));
        schema.insert("anyOf".to_owned(), values.into());
    }
}
