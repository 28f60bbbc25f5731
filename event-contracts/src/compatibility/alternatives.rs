//! A schema as the list of its alternatives, each of one type or one constant: `$ref` and `allOf`
//! merged, `oneOf`, `anyOf`, `enum` and lists of types (nullability, too) spread out.

use serde_json::{Map, Value, json};

/// One way to fit a schema: its keywords, with `type` a single name or `const` set. Empty: anything fits.
pub(super) type Alternative = Map<String, Value>;

/// Keywords that limit a value without looking into it.
pub(super) const BOUNDS: [&str; 11] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
];

/// Keywords that say nothing about which values fit.
const ANNOTATIONS: [&str; 11] = [
    "$schema",
    "$id",
    "$defs",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// More references, one inside another, than a schema that does not refer to itself has.
const MAX_MERGES: usize = 64;

/// All alternatives of `schema`, whose references point into `root`.
///
/// # Errors
/// A sentence that names what cannot be understood.
pub(super) fn alternatives(root: &Value, schema: &Value) -> Result<Vec<Alternative>, String> {
    match schema {
        Value::Bool(true) => Ok(vec![Map::new()]),
        Value::Bool(false) => Ok(Vec::new()),
        Value::Object(schema) => spread(merged(root, schema.clone(), 0)?, root),
        other => Err(format!("{other} is no schema")),
    }
}

/// Follows `$ref` and `allOf` at this level.
fn merged(root: &Value, mut schema: Alternative, depth: usize) -> Result<Alternative, String> {
    if depth > MAX_MERGES {
        return Err("a reference leads back to itself".to_owned());
    }
    let mut parts = Vec::new();
    if let Some(reference) = schema.remove("$ref") {
        let pointer = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
        let target = pointer.and_then(|pointer| root.pointer(pointer));
        parts.push(target.cloned().ok_or_else(|| format!("the reference {reference} leads nowhere"))?);
    }
    if let Some(Value::Array(all)) = schema.remove("allOf") {
        parts.extend(all);
    }
    for part in parts {
        match part {
            Value::Object(part) => schema = joined(schema, merged(root, part, depth + 1)?)?,
            Value::Bool(true) => {}
            other => return Err(format!("{other} cannot be merged")),
        }
    }
    Ok(schema)
}

/// Both schemas at once.
fn joined(mut schema: Alternative, other: Alternative) -> Result<Alternative, String> {
    for (name, value) in other {
        let Some(mine) = schema.get_mut(&name) else {
            schema.insert(name, value);
            continue;
        };
        match (name.as_str(), mine, value) {
            (annotation, ..) if ANNOTATIONS.contains(&annotation) => {}
            (_, mine, value) if *mine == value => {}
            ("required", Value::Array(mine), Value::Array(more)) => mine.extend(more),
            ("properties", Value::Object(mine), Value::Object(more)) => {
                for (field, value) in more {
                    let both = mine.remove(&field).map_or(value.clone(), |mine| json!({ "allOf": [mine, value] }));
                    mine.insert(field, both);
                }
            }
            (name, mine, value) => return Err(format!("{name} is both {mine} and {value}")),
        }
    }
    Ok(schema)
}

fn spread(mut schema: Alternative, root: &Value) -> Result<Vec<Alternative>, String> {
    for choice in ["oneOf", "anyOf"] {
        if let Some(branches) = schema.remove(choice) {
            let mut found = Vec::new();
            for branch in branches.as_array().into_iter().flatten() {
                let both = json!({ "allOf": [Value::Object(schema.clone()), branch] });
                found.extend(alternatives(root, &both)?);
            }
            return Ok(found);
        }
    }
    if let Some(values) = schema.remove("enum") {
        let values = values.as_array().cloned().unwrap_or_default();
        return Ok(values.into_iter().map(constant).collect());
    }
    if let Some(value) = schema.remove("const") {
        return Ok(vec![constant(value)]);
    }
    schema.retain(|name, _| !ANNOTATIONS.contains(&name.as_str()));
    if let Some(unknown) = schema.keys().find(|name| applies_to(name).is_none()) {
        return Err(format!("the keyword {unknown} is not known to it"));
    }
    Ok(match schema.remove("type") {
        Some(Value::Array(kinds)) => kinds.into_iter().map(|kind| of_type(&schema, kind)).collect(),
        Some(kind) => vec![of_type(&schema, kind)],
        None => vec![schema],
    })
}

fn constant(value: Value) -> Alternative {
    Map::from_iter([("const".to_owned(), value)])
}

/// The keywords that concern one type, and the type.
fn of_type(schema: &Alternative, kind: Value) -> Alternative {
    let of_kind = |name: &str| {
        let family = if kind == "integer" { "number" } else { kind.as_str().unwrap_or_default() };
        applies_to(name).is_some_and(|families| families.contains(&family))
    };
    let mut alternative: Alternative =
        schema.iter().filter(|(name, _)| of_kind(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    alternative.insert("type".to_owned(), kind);
    alternative
}

/// The types that a keyword limits; none for an unknown keyword.
fn applies_to(keyword: &str) -> Option<&'static [&'static str]> {
    Some(match keyword {
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => &["number"],
        "minLength" | "maxLength" | "pattern" => &["string"],
        "format" => &["number", "string"],
        "items" | "minItems" | "maxItems" | "uniqueItems" => &["array"],
        "properties" | "required" | "additionalProperties" => &["object"],
        "type" => &[],
        _ => return None,
    })
}

/// Whether the reader's alternative is meant for what the writer's allows: an equal type, an equal
/// constant and, for objects, equal tags (fields with a constant).
pub(super) fn same_kind(written: &Alternative, read: &Alternative) -> bool {
    let type_of = |of: &Alternative| of.get("const").map(|value| type_name(value).into()).or(of.get("type").cloned());
    if read.get("const").is_some_and(|read| written.get("const") != Some(read)) {
        return false;
    }
    match (type_of(written), type_of(read)) {
        (_, None) => true,
        (Some(written), Some(read)) if written == "integer" && read == "number" => true,
        (written, read) if written != read => false,
        _ => tags(written).all(|(name, written)| tags(read).all(|(other, read)| name != other || written == read)),
    }
}

/// Whether the objects among the reader's alternatives are a union that one required tag tells apart, and `written` has
/// that tag with a value that none of them has.
pub(super) fn is_new_branch(written: &Alternative, read: &[Alternative]) -> bool {
    let branches: Vec<_> =
        read.iter().filter(|branch| branch.get("type").is_some_and(|kind| kind == "object")).collect();
    let tagged = |branch: &Alternative, tag: &str| tags(branch).any(|(name, _)| name == tag) && requires(branch, tag);
    let has =
        |branch: &Alternative, tag: &str, value: &Value| tags(branch).any(|known| known.0 == tag && known.1 == value);
    !branches.is_empty()
        && tags(written).any(|(tag, value)| {
            requires(written, tag) && branches.iter().all(|branch| tagged(branch, tag) && !has(branch, tag, value))
        })
}

fn requires(of: &Alternative, field: &str) -> bool {
    of.get("required").and_then(Value::as_array).is_some_and(|required| required.iter().any(|name| name == field))
}

/// An alternative in words, for a report.
pub(super) fn describe(alternative: &Alternative) -> String {
    let tags: Vec<String> = tags(alternative).map(|(name, value)| format!("{name} = {value}")).collect();
    match (alternative.get("const"), alternative.get("type").and_then(Value::as_str)) {
        (Some(value), _) => value.to_string(),
        (None, Some(kind)) if tags.is_empty() => format!("any {kind}"),
        (None, Some(kind)) => format!("an {kind} with {}", tags.join(", ")),
        (None, None) => "any value".to_owned(),
    }
}

fn tags(of: &Alternative) -> impl Iterator<Item = (&String, &Value)> {
    let fields = of.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(name, schema)| Some((name, schema.get("const")?)))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
