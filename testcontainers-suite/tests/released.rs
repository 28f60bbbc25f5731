//! Each service's OpenAPI document against every one that was released: clients that were built with those get on.

use std::{fs, path::Path};

use chrono::{NaiveDate, Utc};
use serde_json::{Value, json};
use testcontainers_suite::{
    openapi::{
        self,
        breaking::{breaks, careless_deprecations},
    },
    world::Service,
};

/// Between the announcement that an operation goes and its end.
const NOTICE_DAYS: i64 = 90;

fn read(file: &Path) -> Value {
    let text = fs::read(file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
    serde_json::from_slice(&text).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()))
}

fn released(service: Service) -> Vec<(String, Value)> {
    let directory = openapi::file(service).with_file_name("openapi").join("published");
    let entries = fs::read_dir(&directory).unwrap_or_else(|fault| panic!("{}: {fault}", directory.display()));
    let files = entries.map(|entry| entry.expect("a readable directory").path());
    let mut documents: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| (file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), read(&file)))
        .collect();
    documents.sort_by(|(one, _), (other, _)| one.cmp(other));
    documents
}

fn today() -> NaiveDate {
    Utc::now().date_naive()
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

#[test]
fn no_document_breaks_what_a_released_one_said() {
    for service in Service::ALL {
        let current = read(&openapi::file(service));
        let released = released(service);
        assert!(!released.is_empty(), "{service} has no released document");
        let announced: Vec<&Value> = released.iter().map(|(_, document)| document).collect();
        for (version, document) in &released {
            assert_eq!(document["info"]["version"], version.as_str(), "{service}: a document is named by its version");
            let found = breaks(document, &current, &announced, today());
            assert!(found.is_empty(), "{service}: clients of {version} are broken:\n{}", found.join("\n"));
        }
    }
}

#[test]
fn whatever_is_to_go_says_since_when_and_until_when() {
    for service in Service::ALL {
        let found = careless_deprecations(&read(&openapi::file(service)), NOTICE_DAYS);
        assert!(found.is_empty(), "{service}:\n{}", found.join("\n"));
    }
}

/// A small document with one of everything.
fn document() -> Value {
    json!({
        "security": [{"bearer": []}],
        "paths": {
            "/health": {"get": {"operationId": "getHealth", "security": [{}], "responses": {"200": {"description": ""}}}},
            "/lots/{id}": {
                "get": {
                    "operationId": "getLot",
                    "parameters": [
                        {"in": "path", "name": "id", "required": true, "schema": {"type": "string"}},
                        {"in": "query", "name": "limit", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                    ],
                    "responses": {
                        "200": {
                            "headers": {"ETag": {"schema": {"type": "string"}}},
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Lot"}}},
                        },
                        "404": {"content": {"application/problem+json": {"schema": {"type": "object"}}}},
                    },
                },
                "post": {
                    "operationId": "bid",
                    "requestBody": {"content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/NewBid"}},
                        "application/xml": {"schema": {}},
                    }},
                    "responses": {"201": {"description": ""}},
                },
            },
        },
        "components": {"schemas": {
            "Lot": {"type": "object", "required": ["id", "status", "format"], "properties": {
                "id": {"type": "string"},
                "price": {"type": "integer"},
                "status": {"type": "string", "enum": ["open", "closed"]},
                "format": {"oneOf": [
                    {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": ["english"]}}},
                    {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": ["dutch"]}}},
                ]},
            }},
            "NewBid": {"type": "object", "additionalProperties": false, "required": ["amount"], "properties": {
                "amount": {"type": "integer", "minimum": 1},
                "kind": {"type": "string", "enum": ["plain", "proxy"]},
                "note": {"type": ["string", "null"], "maxLength": 100},
            }},
        }},
    })
}

/// What breaks when the value at `pointer` becomes `value`; `None` removes it.
fn after(pointer: &str, value: Option<Value>) -> Vec<String> {
    let mut changed = document();
    set(&mut changed, pointer, value);
    breaks(&document(), &changed, &[], today())
}

fn set(document: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} leads nowhere"));
    let member = member.replace("~1", "/");
    match (parent, value) {
        (Value::Object(members), Some(value)) => drop(members.insert(member, value)),
        (Value::Object(members), None) => drop(members.remove(&member).expect("it was there")),
        (Value::Array(items), Some(value)) => items.push(value),
        (Value::Array(items), None) => drop(items.remove(member.parse().expect("an index"))),
        _ => panic!("{pointer} has no members"),
    }
}

const GET: &str = "/paths/~1lots~1{id}/get";
const POST: &str = "/paths/~1lots~1{id}/post";
const LOT: &str = "/components/schemas/Lot";
const BID: &str = "/components/schemas/NewBid";

#[test]
fn the_same_document_breaks_nothing() {
    assert_eq!(breaks(&document(), &document(), &[], today()), [""; 0]);
}

#[test]
fn every_planted_break_is_found() {
    let needed = json!({"in": "header", "name": "Key", "required": true, "schema": {"type": "string"}});
    for (told, pointer, value) in [
        ("the operation was removed", "/paths/~1lots~1{id}".to_owned(), None),
        ("the operation was removed", GET.to_owned(), None),
        ("operationId", format!("{GET}/operationId"), Some(json!("readLot"))),
        ("needs a token", "/paths/~1health/get/security".to_owned(), None),
        ("query parameter limit was removed", format!("{GET}/parameters/1"), None),
        ("header parameter Key is needed", format!("{GET}/parameters/-"), Some(needed)),
        ("query parameter limit is needed", format!("{GET}/parameters/1/required"), Some(json!(true))),
        ("maximum", format!("{GET}/parameters/1/schema/maximum"), Some(json!(50))),
        ("a body is needed", format!("{POST}/requestBody/required"), Some(json!(true))),
        ("application/xml is no longer taken", format!("{POST}/requestBody/content/application~1xml"), None),
        ("/kind", format!("{BID}/properties/kind/enum/0"), None),
        ("/note", format!("{BID}/properties/note"), None),
        ("/note", format!("{BID}/properties/note/type"), Some(json!("string"))),
        ("/note", format!("{BID}/properties/note/maxLength"), Some(json!(10))),
        ("/note", format!("{BID}/required/-"), Some(json!("note"))),
        ("/amount", format!("{BID}/properties/amount/type"), Some(json!("string"))),
        ("/price", format!("{LOT}/properties/price"), None),
        ("/price", format!("{LOT}/properties/price/type"), Some(json!(["integer", "null"]))),
        ("/id", format!("{LOT}/required/0"), None),
        ("/status", format!("{LOT}/properties/status/enum/-"), Some(json!("paused"))),
        ("/format", format!("{LOT}/properties/format/oneOf/0/required/0"), None),
        ("never answered 200", format!("{GET}/responses/200"), None),
        ("answered 202", format!("{POST}/responses/202"), Some(json!({"description": ""}))),
        ("no header ETag", format!("{GET}/responses/200/headers/ETag"), None),
        ("no longer application/json", format!("{GET}/responses/200/content/application~1json"), None),
    ] {
        let found = after(&pointer, value);
        assert!(found.iter().any(|fault| fault.contains(told)), "{pointer}: {told} is not in {found:#?}");
    }
}

#[test]
fn additions_break_nothing() {
    let optional = json!({"in": "query", "name": "sort", "schema": {"type": "string"}});
    let operation = json!({"operationId": "dropLot", "responses": {"204": {"description": ""}}});
    let branch = json!({"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string", "enum": ["vickrey"]}}});
    for (pointer, value) in [
        ("/paths/~1lots~1{id}/delete".to_owned(), operation),
        (format!("{GET}/parameters/-"), optional),
        (format!("{GET}/parameters/1/schema/maximum"), json!(500)),
        (format!("{GET}/responses/409"), json!({"description": ""})),
        (format!("{BID}/properties/quantity"), json!({"type": "integer"})),
        (format!("{BID}/properties/kind/enum/-"), json!("sealed")),
        (format!("{LOT}/properties/seller"), json!({"type": "string"})),
        (format!("{LOT}/description"), json!("in other words")),
        (format!("{LOT}/properties/format/oneOf/-"), branch),
    ] {
        assert_eq!(after(&pointer, Some(value)), [""; 0], "{pointer}");
    }
    assert_eq!(after(&format!("{GET}/responses/404"), None), [""; 0], "an error that no longer comes");
}

#[test]
fn an_operation_may_go_when_the_day_that_a_release_announced_has_come() {
    let mut announced = document();
    set(&mut announced, &format!("{GET}/deprecated"), Some(json!(true)));
    set(&mut announced, &format!("{GET}/x-sunset"), Some(json!("2027-06-30")));
    let mut gone = announced.clone();
    set(&mut gone, GET, None);
    let on = |date: &str, announced: &Value| breaks(&document(), &gone, &[&document(), announced], day(date));
    assert_eq!(on("2027-06-29", &announced).len(), 1, "a day too early");
    assert_eq!(on("2027-06-30", &announced), [""; 0]);
    set(&mut announced, &format!("{GET}/deprecated"), None);
    assert_eq!(on("2027-06-30", &announced).len(), 1, "a date alone announces nothing");
}

#[test]
fn a_deprecation_without_dates_or_without_notice_is_careless() {
    for (members, careless) in [
        (json!({"deprecated": true, "x-deprecated-at": "2027-01-01", "x-sunset": "2027-04-01"}), 0),
        (json!({"deprecated": true, "x-deprecated-at": "2027-01-01", "x-sunset": "2027-03-31"}), 1),
        (json!({"deprecated": true}), 1),
        (json!({"deprecated": true, "x-sunset": "2027-04-01"}), 1),
        (json!({"deprecated": true, "x-deprecated-at": "soon", "x-sunset": "later"}), 1),
        (json!({"x-sunset": "2027-04-01"}), 1),
        (json!({}), 0),
    ] {
        let found = careless_deprecations(&json!({"paths": {"/lots": {"get": members}}}), NOTICE_DAYS);
        assert_eq!(found.len(), careless, "{members}: {found:?}");
    }
}
