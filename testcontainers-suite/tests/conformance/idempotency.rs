//! A write with an idempotency key has its effect once, however often it is sent. (What many at once do: `once`.)

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use testcontainers_suite::{
    client::{Answer, fresh_key},
    trials_of_each_service,
    wait::eventually,
    world::{Service, World},
};

use super::samples::{Write, body, write_route, writer};

/// An auction that is bid on by these tests stays open so long.
pub const LASTS: Duration = Duration::from_secs(120);

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::idempotency":
        a_write_without_a_key_is_a_400_problem,
        a_repeated_write_gets_the_first_answer_again,
        a_key_belongs_to_its_principal,
    )
}

async fn a_write_without_a_key_is_a_400_problem(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    let request = || person.request(Method::POST, service, &write_route(service)).json(&body(service));
    person.send(request()).await?.is_problem(400, "idempotency-key").context("no key")?;
    for key in ["", " ", &"k".repeat(256)] {
        let answer = person.send(request().header("idempotency-key", key)).await?;
        answer.is_problem(400, "idempotency-key").with_context(|| format!("a key of {} characters", key.len()))?;
    }
    let two = request().header("idempotency-key", "one").header("idempotency-key", "two");
    person.send(two).await?.is_problem(400, "idempotency-key").context("two keys")
}

async fn a_repeated_write_gets_the_first_answer_again(world: Arc<World>, service: Service) -> Result<()> {
    let write = Write::prepare(&world, service).await?;
    // The longest key that there may be.
    let key = format!("{:x<255}", fresh_key());
    let first = write.person.post_with_key(service, &write.path, &key, &write.body).await?;
    ensure!((200..300).contains(&first.status), "the first was answered {}: {}", first.status, first.text);
    ensure!(first.header("idempotency-replayed").is_none(), "the first is no replay");

    let second = write.person.post_with_key(service, &write.path, &key, &write.body).await?;
    ensure!(second.header("idempotency-replayed") == Some("true"), "the second is a replay: {:?}", second.headers);
    same(&first, &second)?;

    let other = write.person.post_with_key(service, &write.path, &key, &write.other_body).await?;
    other.is_problem(422, "idempotency-key-reused")?;
    happened_once(&write).await
}

async fn a_key_belongs_to_its_principal(world: Arc<World>, service: Service) -> Result<()> {
    let (one, two) = (writer(&world, service), writer(&world, service));
    let (key, path) = (fresh_key(), write_route(service));
    let first = one.post_with_key(service, &path, &key, &body(service)).await?;
    let second = two.post_with_key(service, &path, &key, &body(service)).await?;
    ensure!(first.status == second.status, "answered {} and {}", first.status, second.status);
    ensure!(second.header("idempotency-replayed").is_none(), "somebody was given another one's answer");
    ensure!(second.slug() != "idempotency-key-reused", "somebody's key stands in the way of another one");
    Ok(())
}

fn same(first: &Answer, other: &Answer) -> Result<()> {
    ensure!(other.status == first.status, "answered {} and {}: {}", first.status, other.status, other.text);
    ensure!(first.body == other.body, "answered {} and {}", first.text, other.text);
    Ok(())
}

async fn happened_once(write: &Write<'_>) -> Result<()> {
    eventually("the effect is seen", || async {
        let effects = write.effects().await?;
        ensure!(effects == 1, "it had its effect {effects} times");
        Ok(())
    })
    .await
}
