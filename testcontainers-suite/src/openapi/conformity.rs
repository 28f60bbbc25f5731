//! Whether an answer is one that the document tells of: its status, its media type, its headers, its body member by member.

use serde_json::Value;

use super::{Document, Found, Operation, shape};

/// What of an answer is compared with the document.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// HTTP status.
    pub status: u16,
    /// The media type, without parameters.
    pub media_type: Option<&'a str>,
    /// The body as it came.
    pub text: &'a str,
    /// The names of its headers, in small letters.
    pub headers: &'a [String],
}

/// Routes that are open and not part of the API.
const PAGES: [&str; 2] = ["/openapi.json", "/docs"];
/// Told before any route is known, by whoever reads the head of the request (RFC 6585 §5): no operation documents it.
const HEAD_TOO_LARGE: u16 = 431;
/// In every answer of an operation that is to go: since when it is, and until when it is there (RFC 9745, RFC 8594).
const FAREWELLS: [&str; 2] = ["Deprecation", "Sunset"];
/// Problems may have members of their own (RFC 9457 §3.2); any other object has what the document says.
const PROBLEM: &str = "application/problem+json";

impl Document {
    /// Everything that the answer to a request has against this document.
    #[must_use]
    pub fn faults(&self, method: &str, path: &str, told: Told<'_>) -> Vec<String> {
        match self.find(method, path) {
            _ if told.status == HEAD_TOO_LARGE => Vec::new(),
            Found::Operation(operation) => self.faults_of(operation, method, told),
            Found::Nothing if PAGES.iter().any(|page| path.starts_with(page)) => Vec::new(),
            // Whatever is not documented must not work.
            Found::OtherMethods | Found::Nothing if told.status < 400 => {
                vec![format!("no operation is documented here, and it was answered {}", told.status)]
            }
            Found::OtherMethods | Found::Nothing if told.media_type == Some(PROBLEM) || method == "HEAD" => Vec::new(),
            Found::OtherMethods | Found::Nothing => vec![format!("the refusal is {:?}, no problem", told.media_type)],
        }
    }

    fn faults_of(&self, operation: &Operation, method: &str, told: Told<'_>) -> Vec<String> {
        let responses = &operation.value["responses"];
        let response = [told.status.to_string(), "default".to_owned()].into_iter().find_map(|key| responses.get(key));
        let Some(response) = response else {
            return vec![format!("{} does not document the status {}", operation.id, told.status)];
        };
        let response = match self.resolved(response) {
            Ok(response) => response,
            Err(fault) => return vec![format!("{fault:#}")],
        };
        let mut faults = missing_headers(response, told.headers);
        faults.extend(missing_farewells(operation, told.headers));
        let content = response["content"].as_object().filter(|content| !content.is_empty());
        match (content, told.media_type) {
            _ if method == "HEAD" => {}
            (None, _) if told.text.is_empty() => {}
            (None, _) => faults.push(format!("{} documents no body for {}", operation.id, told.status)),
            (Some(content), Some(media_type)) if content.contains_key(media_type) => {
                faults.extend(self.body_faults(&content[media_type]["schema"], media_type, told.text));
            }
            (Some(content), other) => {
                let known: Vec<&String> = content.keys().collect();
                faults.push(format!("the media type is {other:?}, documented is {known:?}"));
            }
        }
        faults
    }

    fn body_faults(&self, schema: &Value, media_type: &str, text: &str) -> Vec<String> {
        if media_type == "text/event-stream" {
            return Vec::new(); // It is checked event by event as it comes.
        }
        match serde_json::from_str(text) {
            Ok(body) => self.value_faults(schema, &body, media_type != PROBLEM),
            Err(fault) => vec![format!("the body is no JSON: {fault}")],
        }
    }

    /// Everything that the data of one event of a stream has against this document.
    #[must_use]
    pub fn event_faults(&self, path: &str, data: &Value) -> Vec<String> {
        let Found::Operation(operation) = self.find("GET", path) else {
            return vec![format!("{path} is no operation")];
        };
        let schema = operation.value.pointer("/responses/200/content/text~1event-stream/schema");
        schema.map_or_else(
            || vec![format!("{} streams nothing", operation.id)],
            |schema| self.value_faults(schema, data, true),
        )
    }

    fn value_faults(&self, schema: &Value, value: &Value, closed: bool) -> Vec<String> {
        if schema.is_null() {
            return vec!["the document has no schema for it".to_owned()];
        }
        match self.validator(schema, closed) {
            Ok(validator) => shape::faults(&validator, value),
            Err(fault) => vec![format!("{fault:#}")],
        }
    }
}

/// A documented header must be there, unless its schema allows null: that is how the documents mark optional ones.
fn missing_headers(response: &Value, headers: &[String]) -> Vec<String> {
    let documented = response["headers"].as_object().into_iter().flatten();
    let missing = documented.filter(|(name, header)| {
        let optional = header["schema"]["type"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"));
        !optional && !headers.contains(&name.to_lowercase())
    });
    missing.map(|(name, _)| format!("the documented header {name} is missing")).collect()
}

fn missing_farewells(operation: &Operation, headers: &[String]) -> Vec<String> {
    let is_to_go = operation.value["deprecated"] == true;
    let missing = FAREWELLS.into_iter().filter(|name| is_to_go && !headers.contains(&name.to_lowercase()));
    missing.map(|name| format!("{} is to go, and the header {name} is missing", operation.id)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Document {
        let problem = json!({"content": {"application/problem+json": {"schema": {
            "type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}}}}});
        let lot =
            json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}}});
        let root = json!({
            "paths": {"/lots/{id}": {
                "get": {"operationId": "getLot", "responses": {
                    "200": {"headers": {"ETag": {"schema": {"type": "string"}}, "Replayed": {"schema": {"type": ["string", "null"]}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Lot"}}}},
                    "304": {"description": "Unchanged"},
                    "404": problem}}}},
            "components": {"schemas": {"Lot": lot}},
        });
        Document::new(root).expect("a document")
    }

    fn faults(method: &str, path: &str, status: u16, media_type: &str, text: &str) -> Vec<String> {
        let headers = ["etag".to_owned()];
        let told = Told { status, media_type: Some(media_type), text, headers: &headers };
        document().faults(method, path, told)
    }

    const LOT: &str = r#"{"id": "0190a6e0-0000-7000-8000-000000000001"}"#;

    #[test]
    fn an_answer_of_the_document_has_no_fault() {
        assert_eq!(faults("GET", "/lots/7", 200, "application/json", LOT), [""; 0]);
        assert_eq!(faults("HEAD", "/lots/7", 200, "application/json", ""), [""; 0]);
        assert_eq!(faults("GET", "/lots/7", 304, "", ""), [""; 0]);
        let problem = r#"{"title": "no", "more": "a problem may say more"}"#;
        assert_eq!(faults("GET", "/lots/7", 404, PROBLEM, problem), [""; 0]);
        assert_eq!(faults("PUT", "/lots/7", 405, PROBLEM, problem), [""; 0]);
        assert_eq!(faults("GET", "/docs/", 200, "text/html", "<html>"), [""; 0]);
    }

    #[test]
    fn whatever_the_document_does_not_tell_of_is_a_fault() {
        let more = LOT.replace('}', ", \"reserve\": 7}");
        for (told, method, path, status, media_type, text) in [
            ("status", "GET", "/lots/7", 418, PROBLEM, "{}"),
            ("media type", "GET", "/lots/7", 200, "text/plain", LOT),
            ("no JSON", "GET", "/lots/7", 200, "application/json", "<html>"),
            ("/id", "GET", "/lots/7", 200, "application/json", r#"{"id": "7"}"#),
            ("required", "GET", "/lots/7", 200, "application/json", "{}"),
            ("reserve", "GET", "/lots/7", 200, "application/json", more.as_str()),
            ("no body", "GET", "/lots/7", 304, "application/json", "{}"),
            ("no operation", "GET", "/secret", 200, "application/json", "{}"),
            ("no operation", "DELETE", "/lots/7", 204, "", ""),
            ("no problem", "GET", "/secret", 404, "text/plain", "no"),
        ] {
            let found = faults(method, path, status, media_type, text);
            assert!(found.iter().any(|fault| fault.contains(told)), "{method} {path} {status} {text}: {found:?}");
        }
    }

    #[test]
    fn a_documented_header_must_be_there_unless_it_is_marked_optional() {
        let told = Told { status: 200, media_type: Some("application/json"), text: LOT, headers: &[] };
        assert_eq!(document().faults("GET", "/lots/7", told), ["the documented header ETag is missing"]);
    }

    #[test]
    fn every_answer_of_an_operation_that_is_to_go_must_say_so() {
        let mut root = document().root;
        root["paths"]["/lots/{id}"]["get"]["deprecated"] = json!(true);
        let document = Document::new(root).expect("a document");
        let faults = |status: u16, media_type: &str, text: &str, headers: &[&str]| {
            let headers: Vec<String> = headers.iter().map(|name| (*name).to_owned()).collect();
            document.faults("GET", "/lots/7", Told { status, media_type: Some(media_type), text, headers: &headers })
        };
        let json = "application/json";
        assert_eq!(faults(200, json, LOT, &["etag", "deprecation", "sunset"]), [""; 0]);
        for (headers, missing) in [(["etag", "deprecation"], "Sunset"), (["etag", "sunset"], "Deprecation")] {
            let told = format!("getLot is to go, and the header {missing} is missing");
            assert_eq!(faults(200, json, LOT, &headers), [told]);
        }
        let refusal = faults(404, PROBLEM, r#"{"title": "no"}"#, &[]);
        assert_eq!(refusal.len(), 2, "refusals say so, too: {refusal:?}");
    }
}
