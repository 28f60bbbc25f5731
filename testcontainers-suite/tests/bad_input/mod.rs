//! Bad input gets a clear error and loses nothing.
//!
//! Tried against every write: wrong types, huge, negative and zero numbers, other currencies, past and far-future dates,
//! unknown enum values and members, 10,000-character strings, control characters, lone surrogates, bytes that are no
//! UTF-8, duplicate keys, deep nesting, somebody else's ids. Bad cursors, forged and expired tokens, wrong `alg` and
//! missing claims are tried on each service by the conformance tests.

mod bids;
mod listings;
mod settlements;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use reqwest::Method;
use serde_json::Value;
use testcontainers_suite::{
    client::{Answer, Person, fresh_key},
    world::Service,
};

pub fn trials() -> Vec<Trial> {
    [listings::trials(), bids::trials(), settlements::trials()].into_iter().flatten().collect()
}

/// Sends `content` as it is.
async fn post(person: &Person<'_>, service: Service, path: &str, content: Vec<u8>) -> Result<Answer> {
    let request = person.request(Method::POST, service, path).header("idempotency-key", fresh_key());
    person.send(request.header("content-type", "application/json").body(content)).await
}

/// It is refused, by a problem that says what is wrong.
async fn refused(person: &Person<'_>, service: Service, path: &str, what: &str, content: Vec<u8>) -> Result<()> {
    let answer = post(person, service, path, content).await?;
    answer.is_refusal().with_context(|| what.to_owned())?;
    ensure!([400, 422].contains(&answer.status), "{what} was answered {}: {}", answer.status, answer.text);
    if answer.status == 422 {
        // A fault of the body is told by its place, or by a type of its own.
        let pointed = answer.body["errors"][0]["pointer"].is_string();
        ensure!(pointed || answer.slug() != "validation", "{what}: it does not say where: {}", answer.text);
    }
    Ok(())
}

/// `body` with the member at `pointer` replaced or added.
fn with(body: &Value, pointer: &str, value: Value) -> Result<Vec<u8>> {
    let mut body = body.clone();
    let (parent, member) = pointer.rsplit_once('/').context("a pointer")?;
    body.pointer_mut(parent).with_context(|| format!("no {parent}"))?[member] = value;
    Ok(body.to_string().into_bytes())
}

/// `body` with the text of a member replaced as it is written, for what a JSON value cannot hold.
fn with_raw(body: &Value, member: &str, raw: &str) -> Result<Vec<u8>> {
    const MARK: &str = "\"@@@\"";
    let text = String::from_utf8(with(body, member, "@@@".into())?)?;
    ensure!(text.contains(MARK), "no mark in {text}");
    Ok(text.replace(MARK, raw).into_bytes())
}

/// What spoils any JSON body.
fn spoilt(body: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let text = body.to_string();
    let inner = text.trim_start_matches('{').trim_end_matches('}');
    let first = body.as_object().and_then(|members| members.keys().next()).cloned().unwrap_or_default();
    vec![
        ("nothing", Vec::new()),
        ("spaces", b"   ".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"7".to_vec()),
        ("a text", b"\"text\"".to_vec()),
        ("an array", format!("[{text}]").into_bytes()),
        ("half of it", text.as_bytes()[..text.len() / 2].to_vec()),
        ("twice", format!("{text}{text}").into_bytes()),
        ("something behind", format!("{text};").into_bytes()),
        ("a byte order mark", format!("\u{feff}{text}").into_bytes()),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a duplicate key", format!("{{{inner},{inner}}}").into_bytes()),
        ("an unknown member", format!("{{{inner},\"surprise\":1}}").into_bytes()),
        ("a member called __proto__", format!("{{{inner},\"__proto__\":{{\"admin\":true}}}}").into_bytes()),
        ("a trailing comma", format!("{{{inner},}}").into_bytes()),
        ("a comment", format!("{{{inner}/* */}}").into_bytes()),
        ("NaN", format!("{{\"{first}\":NaN}}").into_bytes()),
        ("1,000 levels", format!("{}{}", "{\"a\":".repeat(1_000), "}".repeat(1_000)).into_bytes()),
        ("10,000 levels", "[".repeat(10_000).into_bytes()),
        ("10,000 levels in a member", format!("{{{inner},\"x\":{}", "[".repeat(10_000)).into_bytes()),
    ]
}

/// Numbers that are no amount.
fn no_amounts() -> Vec<&'static str> {
    vec![
        "0",
        "-1",
        "-9007199254740993",
        "9007199254740992",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999999",
        "1e400",
        "-1e400",
        "1.5",
        "100.0",
        "1e3",
        "0.1",
        "\"100\"",
        "\"\"",
        "true",
        "null",
        "[]",
        "{}",
        "[100]",
        "{\"amount\":100}",
        "0x10",
        "01",
        "+1",
        ".5",
        "Infinity",
        "\"\\u0031\"",
    ]
}
