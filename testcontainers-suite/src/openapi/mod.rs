//! The services' OpenAPI documents, as a client reads them: which operation a request is ([`Document::find`]), whether an
//! answer keeps what the document says ([`conformity`]), and whether a document keeps what a released one said
//! ([`breaking`]). [`shape`] is what both do with schemas.

pub mod breaking;
pub mod conformity;
pub mod shape;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use jsonschema::Validator;
use serde_json::Value;

use crate::world::Service;

/// The methods that a path of a document may have.
pub const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The document that a service's repository has; a conformance test compares it with the one that is served.
#[must_use]
pub fn file(service: Service) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../{}/openapi.json", service.name()))
}

/// One document, ready to be asked.
pub struct Document {
    root: Value,
    /// The same with every object closed: no member but the documented ones.
    closed: Value,
    operations: Vec<Operation>,
    validators: Mutex<HashMap<(String, bool), Arc<Validator>>>,
}

/// A method on a path.
#[derive(Debug, Clone)]
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// Its chosen name.
    pub id: String,
    /// The operation as the document has it.
    pub value: Value,
}

/// What a request is.
pub enum Found<'d> {
    /// This operation.
    Operation(&'d Operation),
    /// The path is documented, with other methods.
    OtherMethods,
    /// No documented path.
    Nothing,
}

impl Document {
    /// The committed document of a service.
    pub fn of(service: Service) -> Result<Self> {
        let file = file(service);
        let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::new(serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))?)
    }

    /// A document from its JSON.
    pub fn new(root: Value) -> Result<Self> {
        let paths = root["paths"].as_object().context("a document has paths")?;
        let mut operations = Vec::new();
        for (path, item) in paths {
            let methods = item.as_object().into_iter().flatten();
            for (method, value) in methods.filter(|(method, _)| METHODS.contains(&method.as_str())) {
                let id = value["operationId"].as_str().unwrap_or_default().to_owned();
                let (path, value) = (path.clone(), value.clone());
                operations.push(Operation { method: method.to_uppercase(), path, id, value });
            }
        }
        let closed = shape::closed(&root);
        Ok(Self { root, closed, operations, validators: Mutex::default() })
    }

    /// All operations, in the document's order.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Which operation a request is. A path without parameters is preferred to one that has them, and HEAD is a GET
    /// without a body (RFC 9110 §9.3.2).
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Found<'_> {
        let method = if method == "HEAD" { "GET" } else { method };
        let fitting = self.operations.iter().filter(|operation| fits(&operation.path, path));
        let mut fitting: Vec<&Operation> = fitting.collect();
        fitting.sort_by_key(|operation| operation.path.matches('{').count());
        let Some(most) = fitting.first().map(|operation| operation.path.clone()) else { return Found::Nothing };
        let mut same_path = fitting.into_iter().filter(|operation| operation.path == most);
        same_path.find(|operation| operation.method == method).map_or(Found::OtherMethods, Found::Operation)
    }

    /// Follows `$ref` in a part of this document.
    pub fn resolved<'d>(&'d self, part: &'d Value) -> Result<&'d Value> {
        shape::resolved(&self.root, part)
    }

    /// What checks values against a schema of this document.
    fn validator(&self, schema: &Value, closed: bool) -> Result<Arc<Validator>> {
        let key = (schema.to_string(), closed);
        let mut known = self.validators.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(validator) = known.get(&key) {
            return Ok(Arc::clone(validator));
        }
        let root = if closed { &self.closed } else { &self.root };
        let validator = Arc::new(shape::validator(&shape::with_components(root, schema))?);
        known.insert(key, Arc::clone(&validator));
        Ok(validator)
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(known, given)| {
            let parameter = known.starts_with('{') && known.ends_with('}');
            if parameter { !given.is_empty() } else { known == given }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(document: &Document, method: &str, path: &str) -> String {
        match document.find(method, path) {
            Found::Operation(operation) => operation.id.clone(),
            Found::OtherMethods => "405".to_owned(),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn a_request_is_the_operation_that_fits_it_most_closely() {
        let named = |id: &str| json!({"operationId": id, "responses": {}});
        let document = Document::new(json!({"paths": {
            "/lots/{id}": {"get": named("one"), "delete": named("drop")},
            "/lots/all": {"get": named("all")},
            "/lots/{id}/bids": {"post": named("bid")},
        }}));
        let document = document.expect("a document");
        for (method, path, expected) in [
            ("GET", "/lots/7", "one"),
            ("HEAD", "/lots/7", "one"),
            ("GET", "/lots/all", "all"),
            ("DELETE", "/lots/all", "405"),
            ("POST", "/lots/7/bids", "bid"),
            ("PUT", "/lots/7/bids", "405"),
            ("GET", "/lots/", "404"),
            ("GET", "/lots/7/bids/8", "404"),
        ] {
            assert_eq!(id(&document, method, path), expected, "{method} {path}");
        }
    }
}
