//! The header `Stripe-Signature`: `t=<seconds>,v1=<hex of HMAC-SHA256 over "<t>.<body>">`, with more than one `v1` while
//! a secret is being replaced (Stripe, "Verify webhook signatures manually").

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use settlement_ports::Unsigned;
use sha2::Sha256;

/// Longer headers are not read, bytes; Stripe's have about 150.
const MAX_HEADER: usize = 4096;

/// More signatures are not looked at; while a secret is being replaced there are two.
const MAX_SIGNATURES: usize = 8;
/// Of HMAC-SHA256, bytes.
const SIGNATURE: usize = 32;

/// What signs webhooks, e.g. `whsec_…`; all of it is the key.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl From<SecretString> for Secret {
    fn from(secret: SecretString) -> Self {
        Self(secret)
    }
}

impl Secret {
    /// The MAC over the time and the body. A key of any length is one for HMAC, so there is no error to tell.
    fn mac(&self, time: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()).ok()?;
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        Some(mac)
    }
}

/// The header for a body, signed at a time (Unix seconds).
#[must_use]
pub fn sign(secret: &Secret, time_s: i64, body: &[u8]) -> String {
    let time = time_s.to_string();
    let mac = secret.mac(&time, body).map(|mac| mac.finalize().into_bytes());
    format!("t={time},v1={}", mac.map(hex::encode).unwrap_or_default())
}

/// When a body was signed, if any of the signatures is by any of the secrets. Compares in constant time.
pub(super) fn check(secrets: &[Secret], header: &str, body: &[u8]) -> Result<DateTime<Utc>, Unsigned> {
    let refused = Err(Unsigned::Signature);
    if header.len() > MAX_HEADER {
        return refused;
    }
    let members: Vec<_> = header.split(',').filter_map(|member| member.trim().split_once('=')).collect();
    let values = |name| members.iter().filter(move |(named, _)| *named == name).map(|(_, value)| *value);
    let mut times = values("t");
    let (Some(time), None) = (times.next(), times.next()) else { return refused };
    let signed_at = time.bytes().all(|byte| byte.is_ascii_digit()).then(|| time.parse().ok()).flatten();
    let Some(signed_at) = signed_at.and_then(|time_s| DateTime::from_timestamp(time_s, 0)) else { return refused };
    let signatures = values("v1").take(MAX_SIGNATURES).filter_map(|signature| hex::decode(signature).ok());
    let signatures: Vec<_> = signatures.filter(|signature| signature.len() == SIGNATURE).collect();
    if signatures.is_empty() {
        return refused;
    }
    // The body is read once for each secret, however many signatures a stranger sends.
    let signed = secrets
        .iter()
        .filter_map(|secret| secret.mac(time, body))
        .any(|mac| signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok()));
    if signed { Ok(signed_at) } else { refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn secret(text: &str) -> Secret {
        SecretString::from(text).into()
    }

    fn accepted(header: &str, body: &[u8]) -> bool {
        check(&[secret("new"), secret("old")], header, body).is_ok()
    }

    #[test]
    fn the_signature_is_what_another_program_makes_of_it() {
        // HMAC-SHA256 with the key "whsec_test" over `1492774577.{"id":"evt_1"}`, computed by openssl.
        let header = sign(&secret("whsec_test"), 1_492_774_577, BODY);
        assert_eq!(header, "t=1492774577,v1=7656fc2882a7ca0a651666b36bf2f2f22ee204f54f608f227498a2419f2890b2");
    }

    #[test]
    fn a_signature_by_either_secret_is_good_and_tells_its_time() {
        for name in ["new", "old"] {
            let header = sign(&secret(name), 1_700_000_000, BODY);
            let signed_at = check(&[secret("new"), secret("old")], &header, BODY).unwrap();
            assert_eq!(signed_at.timestamp(), 1_700_000_000);
        }
        assert!(!accepted(&sign(&secret("stolen"), 1_700_000_000, BODY), BODY));
    }

    #[test]
    fn one_good_signature_among_several_is_enough() {
        let good = sign(&secret("old"), 1_700_000_000, BODY);
        let (time, good) = good.split_once(',').unwrap();
        assert!(accepted(&format!("{time},v1={},{good},v0=00", "0".repeat(64)), BODY));
        assert!(!accepted(&format!("{time},v1={},v0={}", "0".repeat(64), &good[3..]), BODY), "v0 is none");
        let after = |others: usize| format!("{time}{},{good}", format!(",v1={}", "0".repeat(64)).repeat(others));
        assert!(accepted(&after(MAX_SIGNATURES - 1), BODY));
        assert!(!accepted(&after(MAX_SIGNATURES), BODY), "behind so many others it is not looked at");
    }

    #[test]
    fn what_was_changed_after_it_was_signed_is_refused() {
        let header = sign(&secret("new"), 1_700_000_000, BODY);
        assert!(accepted(&header, BODY));
        assert!(!accepted(&header, br#"{"id":"evt_2"}"#));
        assert!(!accepted(&header.replace("t=1700000000", "t=1700000001"), BODY), "the time is signed, too");
        assert!(!accepted(&header[..header.len() - 2], BODY), "cut short");
        assert!(!accepted(&format!("{header}00"), BODY), "made longer");
    }

    #[test]
    fn a_header_that_is_none_is_refused() {
        let good = sign(&secret("new"), 1_700_000_000, BODY);
        let signature = good.split_once(',').unwrap().1;
        let long = format!("{good},{}", "v1=00,".repeat(1000));
        for bad in
            ["", "t=", "v1=", signature, &format!("t=+1700000000,{signature}"), &format!("t=9e9,{signature}"), &long]
        {
            assert!(!accepted(bad, BODY), "{bad}");
        }
        assert!(!accepted(&format!("t=1700000000,{good}"), BODY), "two times");
        assert!(check(&[], &good, BODY).is_err(), "no secret, no signature");
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", secret("whsec_hidden")).contains("hidden"));
    }
}
