//! What forgers try with a token's `alg`, `kid` and keys (RFC 8725).

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::{
    encoding::AsDer,
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testcontainers_suite::{
    token::{base64url, claims, unsigned, with_signature},
    trials_of_each_service,
    world::{Service, World},
};

use super::tokens::refused;

pub fn trials() -> Vec<Trial> {
    trials_of_each_service!("conformance::forged_tokens":
        alg_none_opens_nothing,
        a_mac_with_the_public_key_opens_nothing,
        another_algorithm_opens_nothing,
        a_strangers_key_opens_nothing,
        a_key_that_the_token_brings_opens_nothing,
        an_unknown_or_hostile_kid_opens_nothing,
    )
}

fn wanted() -> Value {
    claims("forger", &["seller", "bidder", "admin"])
}

async fn alg_none_opens_nothing(world: Arc<World>, service: Service) -> Result<()> {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let signed = unsigned(&json!({"alg": alg, "typ": "JWT", "kid": world.signer.kid()}), &wanted());
        for token in [format!("{signed}."), with_signature(&signed, b"x"), signed.clone()] {
            refused(&world, service, &token).await.with_context(|| format!("alg {alg:?}"))?;
        }
    }
    Ok(())
}

async fn a_mac_with_the_public_key_opens_nothing(world: Arc<World>, service: Service) -> Result<()> {
    let public = world.signer.public_key();
    let x = base64url(public);
    // The DER prefix of an Ed25519 public key (RFC 8410).
    let spki = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], public].concat();
    let secrets: [(&str, &[u8]); 4] = [("raw", public), ("base64url", x.as_bytes()), ("DER", &spki), ("nothing", b"")];
    for (alg, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        for (form, secret) in secrets {
            let signed = unsigned(&json!({"alg": alg, "typ": "JWT", "kid": world.signer.kid()}), &wanted());
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
            let token = with_signature(&signed, tag.as_ref());
            refused(&world, service, &token).await.with_context(|| format!("{alg} with the public key, {form}"))?;
        }
    }
    Ok(())
}

async fn another_algorithm_opens_nothing(world: Arc<World>, service: Service) -> Result<()> {
    for alg in ["RS256", "ES256", "PS256", "ES384", "EdDSA "] {
        let signed = unsigned(&json!({"alg": alg, "typ": "JWT", "kid": world.signer.kid()}), &wanted());
        let signature = match alg {
            "RS256" => by_rsa(&signed)?,
            "ES256" => by_ecdsa(&signed)?,
            _ => stranger()?.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        let token = with_signature(&signed, &signature);
        refused(&world, service, &token).await.with_context(|| format!("alg {alg:?}, the real kid"))?;
        // The real signature, and a header that names another algorithm.
        let token = world.signer.sign(&json!({"alg": alg, "typ": "JWT", "kid": world.signer.kid()}), &wanted());
        refused(&world, service, &token).await.with_context(|| format!("alg {alg:?}, the real signature"))?;
    }
    Ok(())
}

async fn a_strangers_key_opens_nothing(world: Arc<World>, service: Service) -> Result<()> {
    let signed = unsigned(&world.signer.header(), &wanted());
    let token = with_signature(&signed, stranger()?.sign(signed.as_bytes()).as_ref());
    refused(&world, service, &token).await
}

async fn a_key_that_the_token_brings_opens_nothing(world: Arc<World>, service: Service) -> Result<()> {
    let stranger = stranger()?;
    let x = base64url(stranger.public_key().as_ref());
    let own = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "alg": "EdDSA", "kid": "forged"});
    for kid in [world.signer.kid(), "forged"] {
        for (member, value) in [
            ("jwk", own.clone()),
            ("jku", json!("https://127.0.0.1:1/jwks.json")),
            ("x5u", json!("https://127.0.0.1:1/cert.pem")),
            ("x5c", json!([base64url(stranger.public_key().as_ref())])),
        ] {
            let mut header = json!({"alg": "EdDSA", "typ": "JWT", "kid": kid});
            header[member] = value;
            let signed = unsigned(&header, &wanted());
            let token = with_signature(&signed, stranger.sign(signed.as_bytes()).as_ref());
            refused(&world, service, &token).await.with_context(|| format!("{member} with kid {kid}"))?;
        }
    }
    Ok(())
}

async fn an_unknown_or_hostile_kid_opens_nothing(world: Arc<World>, service: Service) -> Result<()> {
    let long = "k".repeat(4000);
    for kid in [
        json!("unknown"),
        json!(""),
        json!("../../../../dev/null"),
        json!("' OR 1=1 --"),
        json!("\u{0}"),
        json!(long),
        json!(7),
        Value::Null,
    ] {
        let told = format!("kid {kid:.40}");
        let token = world.signer.sign(&json!({"alg": "EdDSA", "typ": "JWT", "kid": kid}), &wanted());
        refused(&world, service, &token).await.context(told)?;
    }
    let token = world.signer.sign(&json!({"alg": "EdDSA", "typ": "JWT"}), &wanted());
    refused(&world, service, &token).await.context("no kid")
}

fn stranger() -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::generate().map_err(|error| anyhow!("no key: {error}"))
}

fn by_ecdsa(signed: &str) -> Result<Vec<u8>> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|error| anyhow!("no key: {error}"))?;
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|error| anyhow!("{error}"))?;
    Ok(signature.as_ref().to_vec())
}

fn by_rsa(signed: &str) -> Result<Vec<u8>> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|error| anyhow!("no key: {error}"))?;
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&key).map_err(|error| anyhow!("{error}"))?;
    let key = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(der.as_ref()).map_err(|error| anyhow!("{error}"))?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|error| anyhow!("{error}"))?;
    Ok(signature)
}
