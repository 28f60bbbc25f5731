//! What operators see: probes and logs.

use std::sync::Arc;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use testcontainers_suite::{
    client::anonymous,
    logs,
    secrets::Secrets,
    trials_of_each_service,
    world::{Service, World},
};

use super::samples::{body, read_route, write_route, writer};

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::operations":
        the_probes_answer_without_a_token_and_name_their_parts,
        logs_are_json_line_by_line,
        logs_hold_no_token_and_no_secret,
    )
}

async fn the_probes_answer_without_a_token_and_name_their_parts(world: Arc<World>, service: Service) -> Result<()> {
    let address = world.person("any", &[]).address;
    for (path, parts) in [("/healthz/live", &["consumer"][..]), ("/healthz/ready", &["postgres", "kafka"])] {
        let answer = world.ask(anonymous(&world, Method::GET, service, path, address)).await?;
        ensure!(answer.status == 200, "{path} was answered {}: {}", answer.status, answer.text);
        ensure!(answer.body["status"] == "ok", "{path}: {}", answer.text);
        let told: Vec<_> = answer.body["parts"].as_array().into_iter().flatten().map(|part| &part["name"]).collect();
        for part in parts {
            ensure!(told.iter().any(|name| *name == part), "{path} does not say how {part} is: {}", answer.text);
        }
    }
    Ok(())
}

async fn logs_are_json_line_by_line(world: Arc<World>, service: Service) -> Result<()> {
    let person = writer(&world, service);
    person.get(service, "/v1/unknown").await?.is_problem(404, "not-found")?;
    let lines = world.log(service)?;
    ensure!(!lines.is_empty(), "the log is empty");
    logs::are_json(&lines.join("\n"))
}

async fn logs_hold_no_token_and_no_secret(world: Arc<World>, service: Service) -> Result<()> {
    // Whoever logged requests would log these.
    let person = writer(&world, service);
    person.get(service, &read_route(service)).await?;
    person.post(service, &write_route(service), &body(service)).await?;
    person.post(service, &format!("/v1/unknown?token={}", person.token), &body(service)).await?;
    let mut secrets = Secrets::of(&world)?;
    secrets.add(&person.token);
    for line in world.log(service)? {
        secrets.are_not_in(&line)?;
    }
    Ok(())
}
