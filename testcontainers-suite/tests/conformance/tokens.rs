//! No route under `/v1` answers without a good token: none, a spoilt one, one for somebody else or another time.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use reqwest::{Method, header::AUTHORIZATION};
use serde_json::{Value, json};
use testcontainers_suite::{
    client::Answer,
    token::{claims, now_s, with_signature},
    trials_of_each_service,
    world::{Service, World},
};

use super::samples::{body, read_route, write_route};

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::tokens":
        a_good_token_is_let_in,
        no_token_is_a_401_problem,
        an_unreadable_authorization_is_a_401_problem,
        a_token_must_be_of_its_time,
        a_token_must_name_issuer_and_audience,
        a_token_must_have_every_claim_in_its_shape,
        a_spoilt_token_is_refused,
        unknown_claims_and_roles_are_ignored,
    )
}

/// How the service answers a read and a write with this `Authorization`.
pub async fn answers(world: &World, service: Service, authorization: Option<&[u8]>) -> Result<[Answer; 2]> {
    let url = |path: String| format!("{}{path}", world.endpoints.api(service));
    let read = world.http.get(url(read_route(service)));
    let write = world.http.request(Method::POST, url(write_route(service))).header("idempotency-key", "forged");
    let mut answers = Vec::new();
    for request in [read, write.json(&body(service))] {
        let address = world.person("any", &[]).address;
        let mut request = request.header("x-forwarded-for", address.to_string());
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        answers.push(world.ask(request).await?);
    }
    answers.try_into().ok().context("two answers")
}

/// The token opens nothing, and the answer says how to do better without saying why exactly it failed to a forger.
pub async fn refused(world: &World, service: Service, token: &str) -> Result<()> {
    for answer in answers(world, service, Some(format!("Bearer {token}").as_bytes())).await? {
        is_unauthenticated(world, &answer)?;
    }
    Ok(())
}

fn is_unauthenticated(world: &World, answer: &Answer) -> Result<()> {
    answer.is_problem(401, "unauthenticated")?;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    ensure!(challenge.starts_with("Bearer"), "WWW-Authenticate is {challenge:?}");
    ensure!(!answer.text.contains(world.signer.kid()), "the answer names a key: {}", answer.text);
    Ok(())
}

async fn a_good_token_is_let_in(world: Arc<World>, service: Service) -> Result<()> {
    let token = world.signer.token("somebody", &["seller", "bidder"]);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let [read, write] = answers(&world, service, Some(format!("{scheme} {token}").as_bytes())).await?;
        ensure!([200, 404].contains(&read.status), "{scheme}: a read was answered {}", read.status);
        ensure!(write.status != 401, "{scheme}: a write was answered {}", write.status);
    }
    Ok(())
}

async fn no_token_is_a_401_problem(world: Arc<World>, service: Service) -> Result<()> {
    for answer in answers(&world, service, None).await? {
        is_unauthenticated(&world, &answer)?;
    }
    Ok(())
}

async fn an_unreadable_authorization_is_a_401_problem(world: Arc<World>, service: Service) -> Result<()> {
    let token = world.signer.token("somebody", &["seller", "bidder"]);
    let long = format!("Bearer {}", "x".repeat(20_000));
    let with_token = [format!("Basic {token}"), format!("Bearer{token}"), token.clone(), format!("Token {token}")];
    let mut values: Vec<&[u8]> = with_token.iter().map(String::as_bytes).collect();
    values.extend([&b""[..], b"Bearer", b"Bearer ", b"Bearer .", b"Bearer ..", b"Bearer a.b.c", b"Bearer \xff\xfe"]);
    values.push(long.as_bytes());
    for value in values {
        for answer in answers(&world, service, Some(value)).await? {
            is_unauthenticated(&world, &answer).with_context(|| format!("{:.40}", String::from_utf8_lossy(value)))?;
        }
    }
    let person = world.seller("twice");
    let twice =
        person.request(Method::GET, service, &read_route(service)).header(AUTHORIZATION, format!("Bearer {token}"));
    is_unauthenticated(&world, &world.ask(twice).await?).context("two Authorization headers")
}

fn changed(member: &str, value: Value) -> Value {
    let mut claims = claims("somebody", &["seller", "bidder"]);
    claims[member] = value;
    claims
}

async fn a_token_must_be_of_its_time(world: Arc<World>, service: Service) -> Result<()> {
    let sign = |claims: &Value| world.signer.sign(&world.signer.header(), claims);
    for (member, value) in
        [("exp", json!(now_s() - 120)), ("exp", json!(0)), ("exp", json!(-1)), ("nbf", json!(now_s() + 600))]
    {
        let told = format!("{member} {value}");
        refused(&world, service, &sign(&changed(member, value))).await.context(told)?;
    }
    // Clocks may differ by a minute.
    let leeway = sign(&changed("exp", json!(now_s() - 20)));
    let [read, _] = answers(&world, service, Some(format!("Bearer {leeway}").as_bytes())).await?;
    ensure!(read.status != 401, "a token that expired within the leeway was refused: {}", read.text);
    Ok(())
}

async fn a_token_must_name_issuer_and_audience(world: Arc<World>, service: Service) -> Result<()> {
    for (member, value) in [
        ("iss", json!("https://elsewhere.example")),
        ("iss", json!("")),
        ("iss", json!("https://outcry.local/development/")),
        ("aud", json!("another")),
        ("aud", json!("")),
        ("aud", json!([])),
        ("aud", json!(["another", "outcry.example"])),
        ("aud", json!("OUTCRY")),
    ] {
        let told = format!("{member} {value}");
        let token = world.signer.sign(&world.signer.header(), &changed(member, value));
        refused(&world, service, &token).await.context(told)?;
    }
    Ok(())
}

async fn a_token_must_have_every_claim_in_its_shape(world: Arc<World>, service: Service) -> Result<()> {
    let sign = |claims: &Value| world.signer.sign(&world.signer.header(), claims);
    for claim in ["iss", "aud", "exp", "sub", "roles"] {
        let mut without = claims("somebody", &["seller", "bidder"]);
        without.as_object_mut().context("claims")?.remove(claim);
        refused(&world, service, &sign(&without)).await.with_context(|| format!("without {claim}"))?;
        for value in [Value::Null, json!({}), json!(true)] {
            let told = format!("{claim} {value}");
            refused(&world, service, &sign(&changed(claim, value))).await.context(told)?;
        }
    }
    for sub in [String::new(), "x".repeat(129), "a\nb".to_owned(), "a\0b".to_owned()] {
        let told = format!("a sub of {} characters", sub.len());
        refused(&world, service, &sign(&changed("sub", json!(sub)))).await.context(told)?;
    }
    for claims in [json!([]), json!("claims"), json!(7), Value::Null] {
        refused(&world, service, &sign(&claims)).await.with_context(|| claims.to_string())?;
    }
    Ok(())
}

async fn a_spoilt_token_is_refused(world: Arc<World>, service: Service) -> Result<()> {
    let token = world.signer.token("somebody", &["seller", "bidder"]);
    let (signed, signature) = token.rsplit_once('.').context("a token has three parts")?;
    let (header, _) = signed.split_once('.').context("a token has three parts")?;
    let other = world.signer.token("somebody-else", &["admin"]);
    let others_claims = other.split('.').nth(1).context("a token has three parts")?;
    for (told, spoilt) in [
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{token}.{signature}")),
        ("five parts, like an encrypted one", format!("{token}.{signature}.{signature}")),
        ("zeros for a signature", with_signature(signed, &[0; 64])),
        ("half a signature", format!("{signed}.{}", &signature[..40])),
        ("the claims of another token", format!("{header}.{others_claims}.{signature}")),
        ("padding", format!("{token}==")),
    ] {
        refused(&world, service, &spoilt).await.context(told)?;
    }
    Ok(())
}

async fn unknown_claims_and_roles_are_ignored(world: Arc<World>, service: Service) -> Result<()> {
    let mut claims = claims("somebody", &["seller", "bidder", "auctioneer"]);
    claims["department"] = json!({"name": "watches"});
    claims["aud"] = json!(["another", "outcry"]);
    let token = world.signer.sign(&world.signer.header(), &claims);
    let [read, write] = answers(&world, service, Some(format!("Bearer {token}").as_bytes())).await?;
    ensure!(read.status != 401 && write.status != 401, "answered {} and {}", read.status, write.status);
    Ok(())
}
