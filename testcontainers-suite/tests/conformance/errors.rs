//! Every error is a problem (RFC 9457), whatever caused it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use testcontainers_suite::{
    client::{Answer, fresh_key},
    trials_of_each_service,
    world::{Service, World},
};
use uuid::Uuid;

use super::samples::{body, read_route, resource, write_route, writer};

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::errors":
        an_unknown_route_is_a_404_problem,
        a_wrong_method_is_a_405_problem_with_allow,
        bad_json_is_a_400_problem,
        another_media_type_is_a_415_problem,
        an_oversized_body_is_a_413_problem,
        a_bad_id_in_the_path_is_a_404_problem,
        an_unknown_id_is_a_404_problem,
        a_very_long_path_or_header_breaks_nothing,
        bad_query_parameters_are_named,
        every_answer_has_the_security_headers,
        a_token_of_another_role_is_a_403_problem,
    )
}

async fn post(world: &World, service: Service, media_type: &str, content: impl Into<reqwest::Body>) -> Result<Answer> {
    let person = writer(world, service);
    let request = person.request(Method::POST, service, &write_route(service));
    let request = request.header("idempotency-key", fresh_key()).header("content-type", media_type).body(content);
    world.ask(request).await
}

async fn an_unknown_route_is_a_404_problem(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    for path in ["/", "/v1", "/v2/listings", "/v1/unknown", "/metrics", "/.env", "/v1/listings/../../etc/passwd"] {
        person.get(service, path).await?.is_problem(404, "not-found").with_context(|| path.to_owned())?;
        let without_token = person.send(world.http.get(format!("{}{path}", world.endpoints.api(service)))).await?;
        without_token.is_refusal().with_context(|| format!("{path} without a token"))?;
    }
    Ok(())
}

async fn a_wrong_method_is_a_405_problem_with_allow(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    let probe = "/healthz/live".to_owned();
    for path in [resource(service, &Uuid::now_v7().to_string()), write_route(service), probe] {
        for method in [Method::DELETE, Method::PUT, Method::TRACE] {
            let answer = person.send(person.request(method.clone(), service, &path)).await?;
            answer.is_problem(405, "method-not-allowed").with_context(|| format!("{method} {path}"))?;
            ensure!(answer.header("allow").is_some_and(|allow| !allow.is_empty()), "{method} {path}: no Allow");
        }
    }
    let admin = world.endpoints.admin.get(service.context()).context("no operator's port")?;
    for path in ["/metrics", "/healthz/live", "/healthz/ready"] {
        for method in [Method::DELETE, Method::POST] {
            let answer = world.ask(world.http.request(method.clone(), format!("{admin}{path}"))).await?;
            let what = format!("{method} {path} on the operator's port");
            answer.is_problem(405, "method-not-allowed").with_context(|| what.clone())?;
            ensure!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{what}: no Allow");
        }
    }
    Ok(())
}

async fn bad_json_is_a_400_problem(world: Arc<World>, service: Service) -> Result<()> {
    let deep = "[".repeat(10_000);
    let deeper = format!("{{\"a\":{}", "{\"a\":".repeat(2_000));
    for content in ["", "{", "nonsense", "{\"a\":1}}", "{\"a\":\"\\ud800\"}", "\u{feff}{}", "{'a':1}", &deep, &deeper] {
        let answer = post(&world, service, "application/json", content.to_owned()).await?;
        answer.is_refusal().with_context(|| format!("{content:.30}"))?;
        ensure!([400, 422].contains(&answer.status), "{content:.30}: {}", answer.status);
    }
    let answer = post(&world, service, "application/json", "{").await?;
    answer.is_problem(400, "malformed-json")?;
    let answer = post(&world, service, "application/json", vec![b'"', 0xff, 0xfe, b'"']).await?;
    answer.is_refusal()
}

async fn another_media_type_is_a_415_problem(world: Arc<World>, service: Service) -> Result<()> {
    let content = body(service).to_string();
    for media_type in
        ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonx", "json"]
    {
        let answer = post(&world, service, media_type, content.clone()).await?;
        answer.is_problem(415, "unsupported-media-type").with_context(|| media_type.to_owned())?;
    }
    let person = writer(&world, service);
    let request = person.request(Method::POST, service, &write_route(service)).header("idempotency-key", fresh_key());
    world.ask(request.body(content)).await?.is_problem(415, "unsupported-media-type")
}

async fn an_oversized_body_is_a_413_problem(world: Arc<World>, service: Service) -> Result<()> {
    let content = format!("{{\"title\":\"{}\"}}", "x".repeat(1 << 20));
    post(&world, service, "application/json", content).await?.is_problem(413, "body-too-large")
}

async fn a_bad_id_in_the_path_is_a_404_problem(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    let long = "1".repeat(2000);
    for id in ["1", "not-a-uuid", "%00", "%ff%fe", "..%2f..", "'%20or%201=1--", "%F0%9F%92%A9", long.as_str()] {
        let answer = person.get(service, &resource(service, id)).await?;
        answer.is_problem(404, "not-found").with_context(|| format!("{id:.30}"))?;
    }
    Ok(())
}

async fn an_unknown_id_is_a_404_problem(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    for id in [Uuid::nil(), Uuid::max(), Uuid::now_v7()] {
        person.get(service, &resource(service, &id.to_string())).await?.is_problem(404, "not-found")?;
    }
    Ok(())
}

async fn a_very_long_path_or_header_breaks_nothing(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    let path = format!("/v1/{}", "x".repeat(30_000));
    let header = person.request(Method::GET, service, &read_route(service)).header("x-long", "x".repeat(60_000));
    for request in [person.request(Method::GET, service, &path), header] {
        // A connection may be ended instead of an answer.
        if let Ok(answer) = world.ask(request).await {
            ensure!((400..500).contains(&answer.status), "it was answered {}", answer.status);
        }
    }
    let answer = person.get(service, "/healthz/live").await?;
    ensure!(answer.status == 200, "afterwards the service is {}: {}", answer.status, answer.text);
    Ok(())
}

async fn bad_query_parameters_are_named(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    let list = match service {
        Service::Listing => "/v1/listings".to_owned(),
        Service::Settlement => "/v1/settlements".to_owned(),
        Service::Bidding => format!("/v1/auctions/{}/bids", Uuid::now_v7()),
    };
    let long = format!("cursor={}", "A".repeat(5000));
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=ten",
        "limit=1.5",
        "limit=99999999999999999999",
        "cursor=!!!!",
        "cursor=x",
        "cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "cursor=%00",
        "limit=",
        &long,
    ] {
        let answer = person.get(service, &format!("{list}?{query}")).await?;
        answer.is_problem(422, "validation").with_context(|| format!("{query:.40}"))?;
        let pointer = answer.body["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        let name = query.split('=').next().unwrap_or_default();
        ensure!(pointer == format!("?{name}"), "{query:.40}: it names {pointer:?}");
    }
    Ok(())
}

async fn every_answer_has_the_security_headers(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    let url = |path: &str| format!("{}{path}", world.endpoints.api(service));
    let requests = [
        person.request(Method::GET, service, &read_route(service)),
        person.request(Method::GET, service, "/v1/unknown"),
        person.request(Method::DELETE, service, &write_route(service)),
        world.http.get(url(&read_route(service))),
        world.http.get(url("/healthz/live")),
        world.http.get(url("/openapi.json")),
        world.http.get(url("/docs/")),
    ];
    for request in requests {
        // Every answer of every test is looked at; these are of kinds that others may not get.
        world.ask(request).await?;
    }
    Ok(())
}

async fn a_token_of_another_role_is_a_403_problem(world: Arc<World>, service: Service) -> Result<()> {
    let (person, path) = match service {
        Service::Listing => (world.bidder("bidder"), write_route(service)),
        Service::Bidding => (world.seller("seller"), write_route(service)),
        Service::Settlement => (world.bidder("bidder"), "/v1/ledger/trial-balance".to_owned()),
    };
    let answer = if service == Service::Settlement {
        person.get(service, &path).await?
    } else {
        person.post(service, &path, &body(service)).await?
    };
    answer.is_problem(403, "forbidden")
}
