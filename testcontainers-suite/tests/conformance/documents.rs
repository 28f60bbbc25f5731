//! The API's own description: OpenAPI 3.1, complete enough to generate clients of it, and pages for people.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::Value;
use testcontainers_suite::{
    client::anonymous,
    trials_of_each_service,
    world::{Service, World},
};

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::documents":
        the_document_is_openapi_3_1_and_open,
        every_operation_has_an_id_of_its_own,
        every_operation_says_who_may_and_what_may_go_wrong,
        every_reference_leads_somewhere,
        every_body_has_an_example,
        what_is_served_is_what_is_committed,
        every_documented_route_is_there,
        the_pages_for_people_answer,
    )
}

async fn document(world: &World, service: Service) -> Result<Value> {
    let address = world.person("any", &[]).address;
    let answer = world.ask(anonymous(world, Method::GET, service, "/openapi.json", address)).await?;
    ensure!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")), "no JSON");
    answer.success()
}

/// Method, path and the operation itself.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let operations = item.as_object().into_iter().flatten();
            let operations = operations.filter(|(method, _)| methods.contains(&method.as_str()));
            operations.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}

/// Follows `$ref`, if it is one.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> Result<&'d Value> {
    let Some(reference) = value["$ref"].as_str() else { return Ok(value) };
    let pointer = reference.strip_prefix('#').with_context(|| format!("{reference} leads out of the document"))?;
    document.pointer(pointer).with_context(|| format!("{reference} leads nowhere"))
}

async fn the_document_is_openapi_3_1_and_open(world: Arc<World>, service: Service) -> Result<()> {
    let document = document(&world, service).await?;
    ensure!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")), "{}", document["openapi"]);
    for member in ["/info/title", "/info/version", "/info/license/name"] {
        ensure!(document.pointer(member).is_some_and(Value::is_string), "no {member}");
    }
    ensure!(!operations(&document).is_empty(), "no operations");
    Ok(())
}

async fn every_operation_has_an_id_of_its_own(world: Arc<World>, service: Service) -> Result<()> {
    let document = document(&world, service).await?;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().with_context(|| format!("{method} {path} has no operationId"))?;
        let chosen = id.chars().all(|c| c.is_ascii_alphanumeric()) && id.starts_with(|c: char| c.is_ascii_lowercase());
        ensure!(chosen, "{method} {path}: {id:?} is no name for a method");
        ensure!(ids.insert(id), "{id} is there twice");
    }
    Ok(())
}

async fn every_operation_says_who_may_and_what_may_go_wrong(world: Arc<World>, service: Service) -> Result<()> {
    let document = document(&world, service).await?;
    let bearer = &document["components"]["securitySchemes"]["bearer"];
    ensure!(bearer["type"] == "http" && bearer["scheme"] == "bearer", "the bearer scheme is {bearer}");
    for (method, path, operation) in operations(&document) {
        let security = if operation["security"].is_null() { &document["security"] } else { &operation["security"] };
        // The gateway signs what it sends; it has no token.
        if !path.starts_with("/v1/") || path.ends_with("/webhook") {
            continue;
        }
        ensure!(security.to_string().contains("bearer"), "{method} {path} needs no token: {security}");
        let responses = operation["responses"].as_object().context("responses")?;
        let expected: &[&str] = if method == "POST" {
            &["400", "401", "404", "415", "422", "429", "500", "503"]
        } else {
            &["401", "429", "500", "503"]
        };
        for status in expected {
            ensure!(responses.contains_key(*status), "{method} {path} does not tell of {status}");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
            let content = &resolved(&document, response)?["content"];
            let schema = &content["application/problem+json"]["schema"];
            ensure!(schema.is_object(), "{method} {path}: {status} is no problem: {content}");
            let properties = &resolved(&document, schema)?["properties"];
            ensure!(properties["type"].is_object(), "{method} {path}: {status} has no type: {schema}");
        }
        let success = responses.keys().any(|status| status.starts_with('2'));
        ensure!(success, "{method} {path} has no answer but errors");
    }
    Ok(())
}

async fn every_reference_leads_somewhere(world: Arc<World>, service: Service) -> Result<()> {
    fn walk(document: &Value, value: &Value) -> Result<()> {
        resolved(document, value)?;
        match value {
            Value::Object(members) => members.values().try_for_each(|member| walk(document, member)),
            Value::Array(items) => items.iter().try_for_each(|item| walk(document, item)),
            _ => Ok(()),
        }
    }
    let document = document(&world, service).await?;
    walk(&document, &document)
}

async fn every_body_has_an_example(world: Arc<World>, service: Service) -> Result<()> {
    fn exemplified(document: &Value, schema: &Value) -> Result<bool> {
        let schema = resolved(document, schema)?;
        if schema.get("example").or_else(|| schema.get("examples")).is_some() {
            return Ok(true);
        }
        // An object that takes no members needs no example.
        let properties = schema["properties"].as_object();
        let inner =
            ["oneOf", "anyOf", "allOf"].iter().flat_map(|member| schema[*member].as_array().into_iter().flatten());
        let inner = inner.chain(properties.into_iter().flat_map(serde_json::Map::values)).collect::<Vec<_>>();
        if inner.is_empty() {
            return Ok(schema["type"] == "object");
        }
        inner.into_iter().map(|schema| exemplified(document, schema)).try_fold(false, |any, one| Ok(any || one?))
    }
    let document = document(&world, service).await?;
    for (method, path, operation) in operations(&document) {
        for (media_type, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            let there = content.get("example").or_else(|| content.get("examples")).is_some();
            let there = there || exemplified(&document, &content["schema"])?;
            ensure!(there || method == "PATCH", "{method} {path}: no example of {media_type}");
        }
    }
    Ok(())
}

async fn what_is_served_is_what_is_committed(world: Arc<World>, service: Service) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{}/openapi.json", service.name()));
    let committed = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let committed: Value = serde_json::from_slice(&committed)?;
    let served = document(&world, service).await?;
    ensure!(committed == served, "{} is not what the service serves; write it anew", file.display());
    Ok(())
}

async fn every_documented_route_is_there(world: Arc<World>, service: Service) -> Result<()> {
    let document = document(&world, service).await?;
    for (method, path, _) in operations(&document).into_iter().filter(|(_, path, _)| path.starts_with("/v1/")) {
        let real = path.replace("{id}", "x").replace("{bid}", "x");
        let address = world.person("any", &[]).address;
        let method = Method::from_bytes(method.as_bytes())?;
        let answer = world.ask(anonymous(&world, method.clone(), service, &real, address)).await?;
        ensure!(
            answer.status == 401 || path.ends_with("/webhook"),
            "{method} {path} without a token: {}",
            answer.status
        );
    }
    Ok(())
}

async fn the_pages_for_people_answer(world: Arc<World>, service: Service) -> Result<()> {
    for path in ["/docs", "/docs/"] {
        let address = world.person("any", &[]).address;
        let answer = world.ask(anonymous(&world, Method::GET, service, path, address)).await?;
        ensure!(answer.status == 200, "{path} was answered {}", answer.status);
        ensure!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{path} is no page");
        ensure!(answer.text.contains("swagger"), "{path} is not Swagger UI");
    }
    Ok(())
}
