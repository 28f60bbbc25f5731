//! No published version is broken, and the checker would notice.

mod support;

use event_contracts::compatibility::{Break, Direction, breaks, release_breaks};
use event_contracts::generated::{current_schemas, incompatibilities, releases};
use serde_json::{Value, json};
use support::root;

use Direction::{NewReadsOld, OldReadsNew};

/// A small event of each kind of field.
fn published() -> Value {
    json!({
        "title": "Sold", "type": "object",
        "required": ["id", "price", "format", "outcome", "tags"],
        "properties": {
            "id": { "type": "string", "format": "uuid" },
            "price": { "$ref": "#/$defs/Amount", "description": "The hammer price." },
            "note": { "type": ["string", "null"], "maxLength": 100 },
            "contact": { "anyOf": [{ "$ref": "#/$defs/Contact" }, { "type": "null" }] },
            "format": { "oneOf": [{
                "type": "object", "$ref": "#/$defs/English", "required": ["kind"],
                "properties": { "kind": { "type": "string", "const": "english" } },
            }] },
            "outcome": { "type": "string", "enum": ["sold", "unsold"] },
            "role": { "anyOf": [{ "const": "seller" }, { "type": "string" }] },
            "tags": { "type": "array", "items": { "type": "string" } },
        },
        "$defs": {
            "Amount": { "type": "integer", "minimum": 0, "maximum": 1000 },
            "Contact": { "type": "object", "properties": { "mail": { "type": "string" } }, "required": ["mail"] },
            "English": { "type": "object", "properties": { "start": { "type": "integer" } }, "required": ["start"] },
        },
    })
}

/// What breaks when the value at `pointer` becomes `value`: who fails, and where.
fn after(pointer: &str, value: Value) -> Vec<(Direction, String)> {
    let mut current = published();
    *current.pointer_mut(pointer).expect(pointer) = value;
    places(&breaks(&published(), &current))
}

fn places(breaks: &[Break]) -> Vec<(Direction, String)> {
    breaks.iter().map(|broken| (broken.direction, broken.at.clone())).collect()
}

fn at(direction: Direction, pointer: &str) -> Vec<(Direction, String)> {
    vec![(direction, pointer.to_owned())]
}

fn without(fields: &[&str]) -> Value {
    let mut schema = published();
    for field in fields {
        schema["properties"].as_object_mut().unwrap().remove(*field).unwrap();
        schema["required"].as_array_mut().unwrap().retain(|name| name != field);
    }
    schema
}

#[test]
fn the_current_schemas_break_no_published_version() {
    assert!(!releases(root()).unwrap().is_empty());
    let found = incompatibilities(root()).unwrap();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_schema_of_the_catalogue_is_understood_by_the_checker() {
    let schemas = current_schemas().unwrap();
    assert_eq!(release_breaks(&schemas, &schemas), []);
}

#[test]
fn a_removed_field_is_caught_in_every_schema_of_the_catalogue() {
    for (file, schema) in current_schemas().unwrap() {
        for field in schema["properties"].as_object().unwrap().keys() {
            let mut current = schema.clone();
            current["properties"].as_object_mut().unwrap().remove(field);
            current["required"].as_array_mut().unwrap().retain(|name| name != field);
            let found = places(&breaks(&schema, &current));
            assert!(found.contains(&(OldReadsNew, format!("/{field}"))), "{file} without {field}: {found:?}");
        }
    }
}

#[test]
fn a_changed_type_is_caught_in_every_field_of_the_catalogue() {
    for (file, schema) in current_schemas().unwrap() {
        for field in schema["properties"].as_object().unwrap().keys() {
            let mut current = schema.clone();
            current["properties"][field] = json!({ "type": "boolean", "const": true });
            let found = places(&breaks(&schema, &current));
            assert!(found.contains(&(NewReadsOld, format!("/{field}"))), "{file}, {field} changed: {found:?}");
        }
    }
}

#[test]
fn an_unchanged_schema_breaks_nothing() {
    assert_eq!(breaks(&published(), &published()), []);
}

#[test]
fn other_words_break_nothing() {
    assert_eq!(after("/properties/price/description", json!("What the winner pays.")), []);
    assert_eq!(after("/title", json!("Hammered")), []);
}

#[test]
fn another_way_to_write_the_same_schema_breaks_nothing() {
    assert_eq!(after("/properties/price", json!({ "type": "integer", "minimum": 0, "maximum": 1000 })), []);
    assert_eq!(after("/properties/outcome", json!({ "oneOf": [{ "const": "unsold" }, { "const": "sold" }] })), []);
    let note = json!({ "oneOf": [{ "type": "null" }, { "type": "string", "maxLength": 100 }] });
    assert_eq!(after("/properties/note", note), []);
}

#[test]
fn a_new_optional_field_breaks_nothing() {
    assert_eq!(breaks(&without(&["note"]), &published()), []);
    assert_eq!(breaks(&without(&["contact", "role"]), &published()), []);
}

#[test]
fn a_new_required_field_breaks_the_reading_of_old_messages() {
    assert_eq!(places(&breaks(&without(&["tags"]), &published())), at(NewReadsOld, "/tags"));
}

#[test]
fn a_removed_field_breaks_those_who_rely_on_it_even_if_it_was_optional() {
    assert_eq!(places(&breaks(&published(), &without(&["price"]))), at(OldReadsNew, "/price"));
    assert_eq!(places(&breaks(&published(), &without(&["note"]))), at(OldReadsNew, "/note"));
}

#[test]
fn a_field_removed_inside_a_variant_is_found_there() {
    let found = after("/$defs/English", json!({ "type": "object" }));
    assert_eq!(found, at(OldReadsNew, "/format/start"));
}

#[test]
fn a_renamed_field_breaks_both() {
    let mut current = without(&["tags"]);
    current["properties"]["labels"] = published()["properties"]["tags"].clone();
    current["required"].as_array_mut().unwrap().push(json!("labels"));
    let found = places(&breaks(&published(), &current));
    assert_eq!(found, [at(NewReadsOld, "/labels"), at(OldReadsNew, "/tags")].concat());
}

#[test]
fn an_optional_field_made_required_breaks_the_reading_of_old_messages() {
    let required = json!(["id", "price", "format", "outcome", "tags", "role"]);
    assert_eq!(after("/required", required), at(NewReadsOld, "/role"));
}

#[test]
fn a_required_field_made_optional_breaks_old_readers() {
    assert_eq!(after("/required", json!(["id", "price", "format", "outcome"])), at(OldReadsNew, "/tags"));
}

#[test]
fn a_narrowed_type_breaks_the_reading_of_old_messages() {
    assert_eq!(after("/properties/note", json!({ "type": "string", "maxLength": 100 })), at(NewReadsOld, "/note"));
    assert_eq!(after("/properties/contact", json!({ "$ref": "#/$defs/Contact" })), at(NewReadsOld, "/contact"));
    assert_eq!(after("/$defs/Amount/maximum", json!(999)), at(NewReadsOld, "/price"));
    assert_eq!(after("/$defs/Amount/minimum", json!(1)), at(NewReadsOld, "/price"));
    assert_eq!(after("/properties/note/maxLength", json!(99)), at(NewReadsOld, "/note"));
    assert_eq!(
        after("/properties/tags/items", json!({ "type": "string", "pattern": "^a" })),
        at(NewReadsOld, "/tags/*")
    );
    assert_eq!(
        after("/properties/tags", json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })),
        at(NewReadsOld, "/tags")
    );
}

#[test]
fn a_widened_type_breaks_old_readers() {
    let nullable = json!({ "type": ["integer", "null"], "minimum": 0, "maximum": 1000 });
    assert_eq!(after("/$defs/Amount", nullable), at(OldReadsNew, "/price"));
    assert_eq!(after("/$defs/Amount/type", json!("number")), at(OldReadsNew, "/price"));
    assert_eq!(after("/$defs/Amount/maximum", json!(1001)), at(OldReadsNew, "/price"));
    assert_eq!(after("/properties/id", json!({ "type": "string" })), at(OldReadsNew, "/id"));
    assert_eq!(after("/properties/id", json!({})), at(OldReadsNew, "/id"));
}

#[test]
fn a_changed_type_breaks_both() {
    let both = [at(NewReadsOld, "/price"), at(OldReadsNew, "/price")].concat();
    assert_eq!(after("/$defs/Amount", json!({ "type": "string" })), both);
    let both = [at(NewReadsOld, "/tags/*"), at(OldReadsNew, "/tags/*")].concat();
    assert_eq!(after("/properties/tags/items/type", json!("integer")), both);
    let both = [at(NewReadsOld, "/id"), at(OldReadsNew, "/id")].concat();
    assert_eq!(after("/properties/id/format", json!("date-time")), both);
}

#[test]
fn a_changed_tag_breaks_the_reading_of_old_messages() {
    let found = after("/properties/format/oneOf/0/properties/kind/const", json!("ascending"));
    assert_eq!(found, at(NewReadsOld, "/format"), "one branch is gone, another is new");
}

#[test]
fn a_removed_value_breaks_the_reading_of_old_messages_and_an_added_one_breaks_old_readers() {
    assert_eq!(after("/properties/outcome/enum", json!(["sold"])), at(NewReadsOld, "/outcome"));
    assert_eq!(after("/properties/outcome/enum", json!(["sold", "unsold", "withdrawn"])), at(OldReadsNew, "/outcome"));
}

/// What breaks when the tagged union of formats gains `branch`.
fn after_adding(branch: Value) -> Vec<(Direction, String)> {
    let mut branches = published()["properties"]["format"]["oneOf"].clone();
    branches.as_array_mut().unwrap().push(branch);
    after("/properties/format/oneOf", branches)
}

#[test]
fn a_tagged_union_may_gain_a_branch_and_may_not_lose_it_again() {
    let dutch = json!({ "type": "object", "properties": { "kind": { "const": "dutch" } }, "required": ["kind"] });
    assert_eq!(after_adding(dutch.clone()), []);

    let mut later = published();
    later["properties"]["format"]["oneOf"].as_array_mut().unwrap().push(dutch);
    assert_eq!(places(&breaks(&later, &published())), at(NewReadsOld, "/format"));
}

#[test]
fn a_nullable_tagged_union_may_gain_a_branch() {
    let format = published()["properties"]["format"].clone();
    let mut old = published();
    old["properties"]["format"] = json!({ "anyOf": [format, { "type": "null" }] });
    let mut new = old.clone();
    let dutch = json!({ "type": "object", "properties": { "kind": { "const": "dutch" } }, "required": ["kind"] });
    new["properties"]["format"]["anyOf"][0]["oneOf"].as_array_mut().unwrap().push(dutch);
    assert_eq!(breaks(&old, &new), []);
}

#[test]
fn a_branch_that_an_old_reader_would_mistake_for_its_own_breaks_it() {
    let same_tag = json!({ "type": "object", "properties": { "kind": { "const": "english" } }, "required": ["kind"] });
    assert_eq!(after_adding(same_tag), at(OldReadsNew, "/format/start"), "a changed branch under an old tag");
    let optional_tag = json!({ "type": "object", "properties": { "kind": { "const": "dutch" } } });
    assert_eq!(after_adding(optional_tag), at(OldReadsNew, "/format"));
    let no_tag = json!({ "type": "object", "properties": { "floor": { "type": "integer" } }, "required": ["floor"] });
    assert!(after_adding(no_tag).iter().all(|(direction, _)| *direction == OldReadsNew));
    let other_tag = json!({ "type": "object", "properties": { "mode": { "const": "dutch" } }, "required": ["mode"] });
    assert!(!after_adding(other_tag).is_empty());
    assert_eq!(after_adding(json!({ "type": "string", "const": "dutch" })), at(OldReadsNew, "/format"));
    assert_eq!(after_adding(json!({ "type": "null" })), at(OldReadsNew, "/format"));
}

#[test]
fn an_untagged_union_may_not_gain_a_branch() {
    let phone = json!({ "type": "object", "properties": { "phone": { "type": "string" } }, "required": ["phone"] });
    let more = json!([{ "$ref": "#/$defs/Contact" }, phone, { "type": "null" }]);
    assert!(after("/properties/contact/anyOf", more).contains(&(OldReadsNew, "/contact/mail".to_owned())));
}

#[test]
fn a_removed_or_changed_branch_is_caught_in_every_tagged_union_of_a_listing() {
    let listing = current_schemas().unwrap().remove("outcry.listing.published.v1.json").unwrap();
    for (union, place) in [("AuctionFormat", "/format"), ("SoftClose", "/format/soft_close")] {
        let branches = listing["$defs"][union]["oneOf"].as_array().unwrap();
        assert!(branches.len() >= 3, "{union}");
        for index in 0..branches.len() {
            let mut without = listing.clone();
            without["$defs"][union]["oneOf"].as_array_mut().unwrap().remove(index);
            let found = places(&breaks(&listing, &without));
            assert!(
                !found.is_empty() && found.iter().all(|found| *found == (NewReadsOld, place.to_owned())),
                "{found:?}"
            );
            assert_eq!(breaks(&without, &listing), [], "adding it is no break");

            let mut changed = listing.clone();
            let branch = &mut changed["$defs"][union]["oneOf"][index];
            branch["properties"]["new"] = json!({ "type": "integer" });
            branch["required"].as_array_mut().unwrap().push(json!("new"));
            let found = places(&breaks(&listing, &changed));
            assert!(!found.is_empty() && found.iter().all(|(direction, _)| *direction == NewReadsOld), "{found:?}");
        }
    }
}

#[test]
fn a_field_removed_from_a_branch_that_1_0_0_has_is_caught_beside_the_new_branches() {
    let published = releases(root()).unwrap().remove("1.0.0").unwrap();
    let current = current_schemas().unwrap();
    assert_eq!(release_breaks(&published, &current), []);
    let mut narrowed = current.clone();
    let listing = narrowed.get_mut("outcry.listing.published.v1.json").unwrap();
    listing["$defs"]["EnglishFormat"]["properties"].as_object_mut().unwrap().remove("soft_close");
    assert!(!release_breaks(&published, &narrowed).is_empty());
}

#[test]
fn an_open_enum_may_gain_values_and_may_not_be_closed() {
    let more = json!([{ "const": "seller" }, { "const": "bidder" }, { "type": "string" }]);
    assert_eq!(after("/properties/role/anyOf", more), []);
    assert_eq!(after("/properties/role/anyOf", json!([{ "const": "seller" }])), at(NewReadsOld, "/role"));
}

#[test]
fn refusing_unknown_fields_breaks_the_reading_of_old_messages() {
    let mut current = published();
    current["additionalProperties"] = json!(false);
    assert_eq!(places(&breaks(&published(), &current)), at(NewReadsOld, "/(unknown fields)"));
}

#[test]
fn a_removed_schema_breaks_and_an_added_one_does_not() {
    let release = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), published())).collect();
    assert_eq!(release_breaks(&release(&["a.json"]), &release(&["a.json", "b.json"])), []);
    let found = release_breaks(&release(&["a.json", "b.json"]), &release(&["a.json"]));
    assert_eq!(places(&found), at(OldReadsNew, "b.json"));
}

#[test]
fn what_the_checker_does_not_understand_is_reported() {
    for doubtful in [
        json!({ "type": "string", "contentEncoding": "base64" }),
        json!({ "type": "object", "patternProperties": { "^x": {} } }),
        json!({ "not": { "type": "string" } }),
        json!({ "$ref": "#/$defs/Nowhere" }),
        json!({ "$ref": "other.json" }),
        json!({ "allOf": [{ "type": "string" }, { "type": "integer" }] }),
        json!(7),
    ] {
        let found = breaks(&doubtful, &doubtful);
        assert!(!found.is_empty(), "{doubtful} was passed over");
        assert!(found[0].reason.contains("cannot judge"), "{}", found[0]);
    }
}

#[test]
fn a_schema_that_refers_to_itself_is_reported_and_does_not_hang() {
    let itself = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "$ref": "#/$defs/A" } } });
    assert!(!breaks(&itself, &itself).is_empty());
    let tree = json!({
        "$ref": "#/$defs/Node",
        "$defs": { "Node": { "type": "object", "properties": { "child": { "$ref": "#/$defs/Node" } } } },
    });
    assert!(breaks(&tree, &tree)[0].reason.contains("refers to itself"));
}

#[test]
fn a_break_says_where_what_and_who_fails() {
    let broken = breaks(&published(), &without(&["price"])).remove(0);
    assert_eq!(broken.to_string(), "/price: the field was removed (an old consumer cannot read new messages)");
}
