//! `outcry verify`: holds the house to the result of an auction. The receipt's signature is checked, the log is played
//! again by the rules alone, and both must say the same.

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::api::{Api, Principal};
use crate::cli::VerifyArgs;
use crate::console::Console;
use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Service};
use crate::preflight;

/// Who asks: the statement is the same to everybody.
const AUDITOR: Principal<'static> = Principal { sub: "auditor", role: "admin" };
/// How long an absent service is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Verifies one auction; exit code 1 when something differs.
pub async fn run(args: &VerifyArgs, data_dir: &DataDir, console: &Console) -> Result<ExitCode> {
    let api = Api::open(data_dir, PATIENCE)?;
    let signed = signed_statement(&api, &args.auction).await?;
    console.say(format!("receipt   signed by the house: {}", summary(&signed)));

    let proved = match played_again(&args.auction, data_dir).await? {
        Ok(statement) => statement,
        Err(difference) => {
            console.say(format!("log       NOT PROVED: {difference}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    console.say(format!("log       played again by the rules: {}", summary(&proved)));
    let differing: Vec<_> = fields(&signed).filter(|name| signed[name] != proved[name]).collect();
    if let Some(name) = differing.first() {
        console.say(format!(
            "result    NOT PROVED: {name} is {} in the receipt and {} by the log",
            signed[name], proved[name]
        ));
        return Ok(ExitCode::FAILURE);
    }
    console.say(format!(
        "result    proved: {} decisions, {} events, chain {}",
        proved["decisions"],
        proved["sequence"],
        proved["chain"].as_str().unwrap_or_default()
    ));
    Ok(ExitCode::SUCCESS)
}

fn fields(statement: &Value) -> impl Iterator<Item = &str> {
    statement.as_object().into_iter().flat_map(|object| object.keys().map(String::as_str))
}

fn summary(statement: &Value) -> String {
    let outcome = statement["outcome"].as_str().unwrap_or("?");
    let price = statement["price"]
        .as_i64()
        .map(|price| format!(" at {price} {}", statement["currency"].as_str().unwrap_or("")));
    let winner = statement["winner"].as_str().map(|winner| format!(" to {winner}"));
    format!("{outcome}{}{}, {} bids", price.unwrap_or_default(), winner.unwrap_or_default(), statement["bid_count"])
}

/// The statement that the receipt's signature covers.
async fn signed_statement(api: &Api, auction: &str) -> Result<Value> {
    let receipt = api.get(Service::Bidding, &format!("/v1/auctions/{auction}/receipt"), AUDITOR).await?.success()?;
    let keys = api.get(Service::Bidding, "/v1/receipt-keys", AUDITOR).await?.success()?;
    let keys: JwkSet = serde_json::from_value(keys).context("the receipt keys are unreadable")?;
    let token = receipt["receipt"].as_str().context("the answer has no receipt")?;
    let kid = jsonwebtoken::decode_header(token)?.kid.context("the receipt names no key")?;
    let key = DecodingKey::from_jwk(keys.find(&kid).context("the receipt's key is not among the house's keys")?)?;
    let mut rules = Validation::new(Algorithm::EdDSA);
    // A statement is no token: it has no audience, and never expires.
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    let statement: Value =
        jsonwebtoken::decode(token, &key, &rules).context("the receipt's signature is wrong")?.claims;
    ensure!(statement["auction_id"] == auction, "the receipt is another auction's");
    Ok(statement)
}

/// What bidding's own `verify` command makes of the log: a statement, or the first difference.
async fn played_again(auction: &str, data_dir: &DataDir) -> Result<Result<Value, String>> {
    let endpoints = Endpoints::read(data_dir)?;
    let url = endpoints.postgres.get(Service::Bidding.context()).context("bidding's database is not known")?;
    let output = tokio::process::Command::new(preflight::service_binary(&Service::Bidding.name())?)
        .args(["verify", auction])
        .env("OUTCRY_ENV", "development")
        .env_remove("OUTCRY_DATABASE_URL_FILE")
        .env_remove("OUTCRY_ALIAS_SECRET")
        .env("OUTCRY_DATABASE_URL", url)
        .env("OUTCRY_ALIAS_SECRET_FILE", data_dir.secret("alias"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), output)
        .await
        .context("the log was not played within a minute")??;
    if output.status.success() {
        return Ok(Ok(
            serde_json::from_slice(&output.stdout).context("bidding's verify command said nothing readable")?
        ));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let Some(line) = said.lines().next() else { bail!("bidding's verify command ended with {}", output.status) };
    let told: Value = serde_json::from_str(line).unwrap_or_default();
    Ok(Err(told["fields"]["error"].as_str().or(told["error"].as_str()).unwrap_or(line).to_owned()))
}
