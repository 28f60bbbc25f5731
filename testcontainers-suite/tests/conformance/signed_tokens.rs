//! What is signed by the real key and still no access token, or one that must not lead the service astray (RFC 8725).

use std::{net::TcpListener, sync::Arc};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    token::{base64url, claims},
    trials_of_each_service,
    world::{Service, World},
};

use super::tokens::{answers, refused};

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::signed_tokens":
        a_token_of_another_kind_is_no_access_token,
        an_extension_that_has_to_be_understood_is_refused,
        a_member_that_is_there_twice_is_refused,
        a_mark_before_the_text_is_refused,
        keys_and_addresses_in_the_header_are_left_alone,
        a_token_that_is_too_long_is_refused,
        a_token_that_never_expires_breaks_nothing,
    )
}

fn wanted() -> Value {
    claims("somebody", &["seller", "bidder"])
}

fn header_with(world: &World, member: &str, value: Value) -> Value {
    let mut header = world.signer.header();
    header[member] = value;
    header
}

/// The token opens the door, whatever is behind it.
async fn let_in(world: &World, service: Service, token: &str) -> Result<()> {
    for answer in answers(world, service, Some(format!("Bearer {token}").as_bytes())).await? {
        ensure!(answer.status != 401 && answer.status < 500, "it was answered {}: {}", answer.status, answer.text);
    }
    Ok(())
}

/// The issuer signs other things, too: none of them is to be mistaken for an access token (§3.11).
async fn a_token_of_another_kind_is_no_access_token(world: Arc<World>, service: Service) -> Result<()> {
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "kb+jwt", "application/logout+jwt", "JWT+at", "JOSE", ""] {
        let token = world.signer.sign(&header_with(&world, "typ", json!(typ)), &wanted());
        refused(&world, service, &token).await.with_context(|| format!("typ {typ:?}"))?;
    }
    for typ in [json!(7), json!(["JWT"]), json!({"JWT": true})] {
        let token = world.signer.sign(&header_with(&world, "typ", typ.clone()), &wanted());
        refused(&world, service, &token).await.with_context(|| format!("typ {typ}"))?;
    }
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"] {
        let token = world.signer.sign(&header_with(&world, "typ", json!(typ)), &wanted());
        let_in(&world, service, &token).await.with_context(|| format!("typ {typ:?}"))?;
    }
    let token = world.signer.sign(&json!({"alg": "EdDSA", "kid": world.signer.kid()}), &wanted());
    let_in(&world, service, &token).await.context("no typ")
}

/// RFC 7515 §4.1.11: who does not understand a critical extension must refuse.
async fn an_extension_that_has_to_be_understood_is_refused(world: Arc<World>, service: Service) -> Result<()> {
    for crit in [json!(["exp"]), json!(["b64"]), json!(["urn:example:unknown"]), json!([]), json!("exp"), json!({})] {
        let mut header = header_with(&world, "crit", crit.clone());
        header["exp"] = json!(1);
        header["b64"] = json!(true);
        let token = world.signer.sign(&header, &wanted());
        refused(&world, service, &token).await.with_context(|| format!("crit {crit}"))?;
    }
    Ok(())
}

/// Two readers might take one each: no such token is good (RFC 8259 §4, RFC 7519 §4).
async fn a_member_that_is_there_twice_is_refused(world: Arc<World>, service: Service) -> Result<()> {
    let (header, claims) = (world.signer.header().to_string(), wanted().to_string());
    let with = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
    let_in(&world, service, &world.signer.sign_text(&header, &claims)).await.context("each once")?;
    for member in [r#""alg":"none""#, r#""alg":"EdDSA""#, r#""kid":"another""#, r#""typ":"logout+jwt""#] {
        let token = world.signer.sign_text(&with(&header, member), &claims);
        refused(&world, service, &token).await.with_context(|| format!("{member} twice"))?;
    }
    for member in [
        r#""sub":"somebody-else""#,
        r#""roles":["admin"]"#,
        r#""exp":4102444800"#,
        r#""iss":"https://elsewhere.example""#,
        r#""aud":"another""#,
    ] {
        let token = world.signer.sign_text(&header, &with(&claims, member));
        refused(&world, service, &token).await.with_context(|| format!("{member} twice"))?;
    }
    Ok(())
}

/// Claims are UTF-8 and begin with a brace (§3.7): readers differ in what they make of anything before it.
async fn a_mark_before_the_text_is_refused(world: Arc<World>, service: Service) -> Result<()> {
    let (header, claims) = (world.signer.header().to_string(), wanted().to_string());
    for mark in ["\u{feff}", "\u{0}", "x"] {
        for (header, claims) in
            [(format!("{mark}{header}"), claims.clone()), (header.clone(), format!("{mark}{claims}"))]
        {
            let token = world.signer.sign_text(&header, &claims);
            refused(&world, service, &token)
                .await
                .with_context(|| format!("{mark:?} before {header:.20} {claims:.20}"))?;
        }
    }
    Ok(())
}

/// What the header says about keys is not followed: nobody is called, and the known key counts (§2.7, §3.10).
async fn keys_and_addresses_in_the_header_are_left_alone(world: Arc<World>, service: Service) -> Result<()> {
    let trap = TcpListener::bind("127.0.0.1:0")?;
    trap.set_nonblocking(true)?;
    let address = format!("https://{}/keys", trap.local_addr()?);
    let stranger = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&[7; 32]), "kid": world.signer.kid()});
    for (member, value) in [
        ("jku", json!(address)),
        ("x5u", json!(address)),
        ("jwk", stranger),
        ("x5c", json!([base64url(&[7; 32])])),
        ("x5t", json!(base64url(&[7; 20]))),
    ] {
        let token = world.signer.sign(&header_with(&world, member, value.clone()), &wanted());
        let_in(&world, service, &token).await.with_context(|| format!("{member} with the real key"))?;
        // An unknown key makes the service look for it: where it always does, and not where the token says.
        let mut header = header_with(&world, member, value);
        header["kid"] = json!("unknown");
        refused(&world, service, &world.signer.sign(&header, &wanted())).await.with_context(|| member.to_owned())?;
    }
    ensure!(trap.accept().is_err(), "the service followed an address of the token's");
    Ok(())
}

async fn a_token_that_is_too_long_is_refused(world: Arc<World>, service: Service) -> Result<()> {
    let with_padding = |length: usize| {
        let mut claims = wanted();
        claims["padding"] = json!("x".repeat(length));
        world.signer.sign(&world.signer.header(), &claims)
    };
    let_in(&world, service, &with_padding(4_000)).await.context("5 KB")?;
    for length in [9_000, 20_000] {
        refused(&world, service, &with_padding(length)).await.with_context(|| format!("{length} bytes more"))?;
    }
    Ok(())
}

/// A time at the end of what a number can hold is reckoned with like any other, now and when the token is known already.
async fn a_token_that_never_expires_breaks_nothing(world: Arc<World>, service: Service) -> Result<()> {
    for exp in [u64::MAX, u64::MAX - 30, 1 << 62] {
        let mut claims = wanted();
        claims["exp"] = json!(exp);
        let token = world.signer.sign(&world.signer.header(), &claims);
        for _ in 0..2 {
            let_in(&world, service, &token).await.with_context(|| format!("exp {exp}"))?;
        }
    }
    Ok(())
}
