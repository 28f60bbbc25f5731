//! Rate limits: told by headers, refused by 429, each principal and each address for itself.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use libtest_mimic::Trial;
use reqwest::{Method, RequestBuilder};
use testcontainers_suite::{
    client::{Answer, anonymous},
    trials_of_each_service,
    wait::within,
    world::{Service, World},
};

use super::samples::{read_route, writer};

const REACHED_WITHIN: Duration = Duration::from_secs(30);

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::limits":
        every_answer_tells_the_limit,
        a_principal_that_asks_too_often_is_told_when_to_come_again,
        an_address_that_asks_too_often_is_stopped_before_its_token_is_looked_at,
        probes_are_not_limited,
    )
}

async fn every_answer_tells_the_limit(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    let requests = [
        person.request(Method::GET, service, &read_route(service)),
        person.request(Method::GET, service, "/v1/unknown"),
        anonymous(&world, Method::GET, service, &read_route(service), person.address),
    ];
    for request in requests {
        let answer = world.ask(request).await?;
        let (policy, left) = (answer.list("ratelimit-policy"), answer.list("ratelimit"));
        ensure!(
            policy.iter().any(|member| member.contains(";q=")),
            "{}: RateLimit-Policy is {policy:?}",
            answer.status
        );
        ensure!(left.iter().any(|member| member.contains(";r=")), "{}: RateLimit is {left:?}", answer.status);
    }
    Ok(())
}

/// Asks many at once until one is refused.
async fn until_refused(world: &World, request: impl Fn() -> RequestBuilder) -> Result<Answer> {
    within(REACHED_WITHIN, "the limit is reached", || async {
        let answers = join_all((0..64).map(|_| async { world.ask(request()).await })).await;
        let answers = answers.into_iter().collect::<Result<Vec<_>>>()?;
        let refused = answers.into_iter().find(|answer| answer.status == 429);
        refused.context("64 requests at once, and none is refused")
    })
    .await
}

fn is_rate_limited(answer: &Answer) -> Result<Duration> {
    answer.is_problem(429, "rate-limited")?;
    let after = answer.header("retry-after").context("no Retry-After")?;
    let after: u64 = after.parse().with_context(|| format!("Retry-After is {after}"))?;
    ensure!((1..=60).contains(&after), "Retry-After is {after}");
    let left = answer.list("ratelimit");
    ensure!(left.iter().any(|member| member.contains(";r=0;")), "RateLimit is {left:?}");
    Ok(Duration::from_secs(after))
}

async fn a_principal_that_asks_too_often_is_told_when_to_come_again(world: Arc<World>, service: Service) -> Result<()> {
    let (greedy, path) = (writer(&world, service), read_route(service));
    // From many addresses, so that it is the principal who is limited.
    let request = || {
        let address = world.person("any", &[]).address;
        anonymous(&world, Method::GET, service, &path, address).bearer_auth(&greedy.token)
    };
    let refused = until_refused(&world, request).await?;
    let after = is_rate_limited(&refused)?;
    ensure!(refused.list("ratelimit").iter().any(|member| member.starts_with("\"principal\";r=0")), "{refused:?}");

    let other = world.ask(writer(&world, service).request(Method::GET, service, &path)).await?;
    ensure!(other.status != 429, "another principal is refused, too");
    within(after + Duration::from_secs(5), "it may ask again", || async {
        let answer = world.ask(request()).await?;
        ensure!(answer.status != 429, "it is still refused");
        Ok(())
    })
    .await
}

async fn an_address_that_asks_too_often_is_stopped_before_its_token_is_looked_at(
    world: Arc<World>,
    service: Service,
) -> Result<()> {
    let (address, path) = (world.person("any", &[]).address, read_route(service));
    let request = || anonymous(&world, Method::GET, service, &path, address);
    let refused = until_refused(&world, || request().bearer_auth("no.token.atall")).await?;
    is_rate_limited(&refused)?;
    ensure!(refused.list("ratelimit").iter().any(|member| member.starts_with("\"address\";r=0")), "{refused:?}");

    let neighbour = anonymous(&world, Method::GET, service, &path, world.person("any", &[]).address);
    let neighbour = world.ask(neighbour).await?;
    ensure!(neighbour.status == 401, "another address is answered {}", neighbour.status);
    Ok(())
}

async fn probes_are_not_limited(world: Arc<World>, service: Service) -> Result<()> {
    let address = world.person("any", &[]).address;
    let probe = |_| async {
        let request = anonymous(&world, Method::GET, service, "/healthz/live", address);
        world.ask(request).await
    };
    for answer in join_all((0..300).map(probe)).await {
        let answer = answer?;
        ensure!(answer.status != 429, "a probe was refused");
        ensure!(answer.list("ratelimit").is_empty(), "a probe counts: {:?}", answer.list("ratelimit"));
    }
    Ok(())
}
