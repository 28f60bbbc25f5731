//! Objects told apart by a tag. Each is read from its own text, so that a fault inside it is told with its place: the
//! message begins with a JSON Pointer, which [`place`] moves to where the object stands.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::input;

/// Reads `text` as one variant.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (pointer, detail) = place(&input::pointer(error.path()), &input::fault(error.inner()));
        if pointer.is_empty() { detail } else { format!("{pointer}: {detail}") }
    })
}

/// The tag of the object in `text`: one of `known`.
pub(crate) fn tag<'a>(text: &str, name: &str, known: &[&'a str]) -> Result<&'a str, String> {
    let members: HashMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|_| format!("is not an object with a `{name}`"))?;
    let one_of = known.join(", ");
    let Some(value) = members.get(name) else { return Err(format!("/{name}: is missing; it is one of {one_of}")) };
    let value: Option<String> = serde_json::from_str(value.get()).ok();
    let found = known.iter().find(|known| value.as_deref() == Some(**known));
    found.copied().ok_or_else(|| format!("/{name}: is not one of {one_of}"))
}

/// Pointer and detail of a fault at `outer`, whose message may name a place further inside.
pub(crate) fn place(outer: &str, message: &str) -> (String, String) {
    match message.split_once(": ") {
        Some((inner, detail)) if inner.starts_with('/') => (format!("{outer}{inner}"), detail.to_owned()),
        _ => (outer.to_owned(), message.to_owned()),
    }
}
