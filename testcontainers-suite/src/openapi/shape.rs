//! Schemas: references followed, components put beside a part, objects closed to members that nobody documented.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// Where a document keeps its schemas.
const COMPONENTS: &str = "#/components/schemas/";
/// Where a JSON Schema keeps its definitions.
const DEFINITIONS: &str = "#/$defs/";

/// Follows `$ref`, if it is one.
pub fn resolved<'d>(root: &'d Value, value: &'d Value) -> Result<&'d Value> {
    let Some(reference) = value["$ref"].as_str() else { return Ok(value) };
    let pointer = reference.strip_prefix('#').with_context(|| format!("{reference} leads out of the document"))?;
    root.pointer(pointer).with_context(|| format!("{reference} leads nowhere"))
}

/// A schema with the components of `root` beside it, so that its references lead somewhere.
#[must_use]
pub fn with_components(root: &Value, schema: &Value) -> Value {
    let mut whole = schema.clone();
    if let Some(members) = whole.as_object_mut() {
        members.insert("components".to_owned(), json!({"schemas": root["components"]["schemas"]}));
    }
    whole
}

/// What checks values against a schema, formats included.
pub fn validator(schema: &Value) -> Result<Validator> {
    let built = jsonschema::draft202012::options().should_validate_formats(true).build(schema);
    built.map_err(|fault| anyhow!("the schema cannot be used: {fault}"))
}

/// Everything that a value has against a schema, each with its place.
#[must_use]
pub fn faults(validator: &Validator, value: &Value) -> Vec<String> {
    let place = |pointer: String| if pointer.is_empty() { "the whole".to_owned() } else { pointer };
    let told = |fault: jsonschema::ValidationError<'_>| {
        let reason: String = fault.to_string().chars().take(300).collect();
        format!("{}: {reason}", place(fault.instance_path().to_string()))
    };
    validator.iter_errors(value).map(told).collect()
}

/// The same schemas with every object closed: whoever adds a member has to document it. Objects that are put together of
/// parts are closed as a whole; a map (`additionalProperties`) stays what it is.
#[must_use]
pub fn closed(root: &Value) -> Value {
    let mut parts = BTreeSet::new();
    loop {
        let before = parts.len();
        let mut found = BTreeSet::new();
        for (name, schema) in definitions(root) {
            collect(schema, parts.contains(&name), &mut found);
        }
        collect(root, false, &mut found);
        parts.extend(found);
        if parts.len() == before {
            break;
        }
    }
    let mut closed = root.clone();
    close(&mut closed, false, &parts);
    closed
}

/// The named schemas of a document or a schema, by the reference that leads there.
fn definitions(root: &Value) -> Vec<(String, &Value)> {
    let pointers = |at: &Value, prefix: &str| -> Vec<String> {
        at.as_object().into_iter().flat_map(Map::keys).map(|name| format!("{prefix}{name}")).collect()
    };
    let of_document = pointers(&root["components"]["schemas"], COMPONENTS).into_iter();
    let all = of_document.chain(pointers(&root["$defs"], DEFINITIONS));
    all.filter_map(|name| root.pointer(&name[1..]).map(|schema| (name.clone(), schema))).collect()
}

/// Whether an object is put together of others: those must stay open for what the others say.
fn is_composed(schema: &Map<String, Value>) -> bool {
    let choice = ["$ref", "oneOf", "anyOf"].iter().any(|keyword| schema.contains_key(*keyword));
    schema.contains_key("allOf") || choice && schema.contains_key("properties")
}

/// References to schemas that are only parts of others.
fn collect(schema: &Value, part: bool, parts: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            let part_within = part || is_composed(members);
            for (keyword, value) in members {
                match (keyword.as_str(), value) {
                    ("$ref", Value::String(reference)) if part_within => drop(parts.insert(reference.clone())),
                    ("allOf" | "oneOf" | "anyOf", Value::Array(choices)) => {
                        for choice in choices {
                            collect(choice, part_within, parts);
                        }
                    }
                    ("properties", Value::Object(fields)) => {
                        for field in fields.values() {
                            collect(field, false, parts);
                        }
                    }
                    // Each definition is looked at by itself; what is no schema has no references.
                    ("$defs" | "schemas" | "enum" | "const" | "example" | "examples" | "default" | "required", _) => {}
                    _ => collect(value, false, parts),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, false, parts)),
        _ => {}
    }
}

fn close(schema: &mut Value, part: bool, parts: &BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            let composed = is_composed(members);
            let object = composed || members.get("properties").is_some_and(Value::is_object);
            let open =
                ["additionalProperties", "unevaluatedProperties"].iter().all(|word| !members.contains_key(*word));
            for (keyword, value) in members.iter_mut() {
                match (keyword.as_str(), value) {
                    ("allOf" | "oneOf" | "anyOf", Value::Array(choices)) => {
                        for choice in choices {
                            close(choice, part || composed, parts);
                        }
                    }
                    ("$defs" | "schemas", Value::Object(named)) => {
                        let prefix = if keyword == "$defs" { DEFINITIONS } else { COMPONENTS };
                        for (name, definition) in named {
                            close(definition, parts.contains(&format!("{prefix}{name}")), parts);
                        }
                    }
                    // Fields are named freely: one that is called like a keyword is none.
                    ("properties", Value::Object(fields)) => {
                        for field in fields.values_mut() {
                            close(field, false, parts);
                        }
                    }
                    ("enum" | "const" | "example" | "examples" | "default" | "required", _) => {}
                    (_, value) => close(value, false, parts),
                }
            }
            if object && open && !part {
                members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, false, parts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(schema: &Value, value: &Value) -> bool {
        validator(&closed(schema)).expect("a schema").is_valid(value)
    }

    #[test]
    fn a_member_that_nobody_documented_is_found_at_any_depth() {
        let schema = json!({
            "type": "object", "properties": {"a": {"$ref": "#/$defs/Inner"}, "list": {"items": {"$ref": "#/$defs/Inner"}}},
            "$defs": {"Inner": {"type": "object", "properties": {"b": {"type": "integer"}}}},
        });
        assert!(fits(&schema, &json!({"a": {"b": 1}, "list": [{"b": 2}]})));
        for more in [json!({"x": 1}), json!({"a": {"b": 1, "x": 1}}), json!({"list": [{"x": 2}]})] {
            assert!(!fits(&schema, &more), "{more}");
        }
    }

    #[test]
    fn what_is_put_together_of_parts_is_closed_as_a_whole() {
        let schema = json!({
            "oneOf": [
                {"$ref": "#/$defs/Part", "properties": {"kind": {"const": "one"}}},
                {"allOf": [{"$ref": "#/$defs/Part"}, {"properties": {"kind": {"const": "two"}}}]},
            ],
            "$defs": {"Part": {"oneOf": [
                {"type": "object", "required": ["a"], "properties": {"a": {}}},
                {"type": "object", "required": ["b"], "properties": {"b": {}}},
            ]}},
        });
        for whole in [json!({"kind": "one", "a": 1}), json!({"kind": "two", "b": 1})] {
            assert!(fits(&schema, &whole), "{whole}");
        }
        assert!(!fits(&schema, &json!({"kind": "one", "a": 1, "x": 1})));
    }

    #[test]
    fn a_map_stays_open_and_a_field_may_be_called_like_a_keyword() {
        let schema = json!({"type": "object", "properties": {
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
            "properties": {"type": "object", "properties": {"enum": {"type": "string"}}},
        }});
        assert!(fits(&schema, &json!({"map": {"any": 1}, "properties": {"enum": "x"}})));
        assert!(!fits(&schema, &json!({"properties": {"enum": "x", "more": 1}})));
    }
}
