//! A webhook all the way: over HTTP, by the real signature, through the use case, into the store.

use std::{net::SocketAddr, path::Path, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use prometheus::TextEncoder;
use secrecy::SecretString;
use serde_json::{Value, json};
use settlement_adapter_http::{
    app::{self, Api, App},
    auth::{Guard, Verifier},
    health::Checks,
    jwks::{KeySet, Source},
    limits::Addresses,
};
use settlement_adapter_payments::{Secret, Webhooks, sign};
use settlement_application::Notices;
use settlement_domain::{CallKey, Operation, Status};
use settlement_harness::{Scene, When};
use tower::ServiceExt;

const SECRETS: [&str; 2] = ["whsec_the_new_one", "whsec_the_old_one"];

fn secret(text: &str) -> Secret {
    SecretString::from(text).into()
}

/// The service's public face over a scene's store, with two secrets that count.
async fn face(scene: &Scene, folder: &Path) -> Router {
    let jwks = folder.join("jwks.json");
    let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "any",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    std::fs::write(&jwks, json!({"keys": [key]}).to_string()).unwrap();
    let keys = Arc::new(KeySet::load(Source::File(jwks)).await.unwrap());
    let verifier = Verifier::new(keys, "issuer".to_owned(), "audience".to_owned());
    app::router(App {
        api: Api { settlements: scene.settlements.clone(), books: scene.books.clone() },
        notices: Notices::new(
            Arc::new(scene.store.clone()),
            Arc::new(Webhooks::new(SECRETS.map(secret).to_vec())),
            scene.gateway.clone(),
        ),
        guard: Arc::new(Guard { verifier, principals: None }),
        addresses: Arc::new(Addresses { limiter: None, trusted_proxies: Vec::new() }),
        checks: Arc::new(Checks::default()),
    })
}

async fn post(face: &Router, signature: &str, body: Vec<u8>) -> (StatusCode, String) {
    let request = Request::post("/v1/payments/webhook")
        .header("stripe-signature", signature)
        .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))))
        .body(Body::from(body))
        .unwrap();
    let answer = face.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, problem["type"].as_str().unwrap_or_default().to_owned())
}

/// The buyer has paid, the gateway has done it, and its answer was lost.
async fn unheard() -> (Scene, Vec<u8>) {
    let scene = tokio::task::spawn_blocking(|| {
        let mut scene = Scene::sold();
        scene.buyer_pays("pm_card_visa");
        scene.faults.at("gateway.execute", 0, When::After);
        scene
    });
    let scene = scene.await.unwrap();
    scene.worker.run_once(10).await.unwrap();
    let key = CallKey::new(scene.id(), Operation::Authorize, 1);
    let object = json!({"id": format!("mem_{key}"), "status": "requires_capture", "metadata": {"outcry_call": key}});
    let event = json!({"id": "evt_1", "object": "event", "type": "payment_intent.amount_capturable_updated",
        "data": {"object": object}});
    (scene, event.to_string().into_bytes())
}

fn now_s(scene: &Scene) -> i64 {
    scene.clock.now().timestamp()
}

#[tokio::test]
async fn a_signed_notice_moves_the_settlement_and_again_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    for name in SECRETS {
        let (scene, body) = unheard().await;
        let face = face(&scene, folder.path()).await;
        let signature = sign(&secret(name), now_s(&scene), &body);
        assert_eq!(post(&face, &signature, body.clone()).await.0, StatusCode::NO_CONTENT);
        assert_eq!(scene.status(), Status::Authorized);
        let settlement = scene.settlement();
        assert_eq!(post(&face, &signature, body).await.0, StatusCode::NO_CONTENT, "replayed");
        assert_eq!(scene.settlement(), settlement);
    }
}

#[tokio::test]
async fn a_signed_dispute_holds_the_settlement_whose_charge_it_names_and_its_second_event_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (scene, _) = unheard().await;
    while scene.status() != Status::Escrowed {
        scene.clock.advance_to(scene.store.next_call_due().unwrap());
        scene.worker.run_once(10).await.unwrap();
    }
    let face = face(&scene, folder.path()).await;
    let dispute = json!({"id": "du_1", "object": "dispute", "payment_intent": scene.charge(), "amount": 12_050,
        "currency": "usd", "reason": "fraudulent", "status": "needs_response", "metadata": {}});
    let mut held = None;
    for kind in ["charge.dispute.created", "charge.dispute.funds_withdrawn"] {
        let event = json!({"id": format!("evt_{kind}"), "object": "event", "type": kind, "data": {"object": dispute}});
        let body = event.to_string().into_bytes();
        let signature = sign(&secret(SECRETS[0]), now_s(&scene), &body);
        assert_eq!(post(&face, &signature, body).await.0, StatusCode::NO_CONTENT);
        assert_eq!((scene.status(), scene.settlement().chargebacks().len()), (Status::NeedsOperator, 1));
        assert_eq!(*held.get_or_insert(scene.settlement()), scene.settlement());
    }
}

#[tokio::test]
async fn an_inquiry_stops_nothing_and_is_counted_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let (scene, _) = unheard().await;
    let face = face(&scene, folder.path()).await;
    let counted = || {
        let page = TextEncoder::new().encode_to_string(&prometheus::gather()).unwrap();
        ["inquiry", "chargeback"].map(|incident| {
            let line = format!("outcry_gateway_incidents_total{{incident=\"{incident}\"}} ");
            page.lines().find_map(|told| told.strip_prefix(&line)).map(str::to_owned)
        })
    };
    let [before, chargebacks] = counted();
    assert_eq!(before.as_deref(), Some("0"), "it is told from the start");
    let dispute = json!({"id": "du_2", "object": "dispute", "payment_intent": "pi_of_somebody",
        "status": "warning_needs_response", "metadata": {}});
    let event = json!({"id": "evt_2", "type": "charge.dispute.created", "data": {"object": dispute}});
    let body = event.to_string().into_bytes();
    let signature = sign(&secret(SECRETS[0]), now_s(&scene), &body);
    assert_eq!(post(&face, &signature, body).await.0, StatusCode::NO_CONTENT);
    assert_eq!(counted()[0].as_deref(), Some("1"));
    assert!(chargebacks.is_some(), "which is another one");
    assert_eq!(scene.status(), Status::Authorizing);
}

#[tokio::test]
async fn what_is_not_signed_signed_long_ago_or_changed_is_refused_and_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (scene, body) = unheard().await;
    let face = face(&scene, folder.path()).await;
    let good = secret(SECRETS[0]);
    let stranger = sign(&secret("whsec_of_a_stranger"), now_s(&scene), &body);
    let old = sign(&good, now_s(&scene) - 301, &body);
    let ahead = sign(&good, now_s(&scene) + 301, &body);
    let of_another = sign(&good, now_s(&scene), b"{}");
    let of_none = sign(&good, now_s(&scene), b"no event");
    for (signature, body, problem) in [
        ("", &body[..], "webhook-signature"),
        ("t=1,v1=zz", &body, "webhook-signature"),
        (&stranger, &body, "webhook-signature"),
        (&of_another, &body, "webhook-signature"),
        (&old, &body, "webhook-stale"),
        (&ahead, &body, "webhook-stale"),
        (&of_none, b"no event", "malformed-body"),
    ] {
        let (status, told) = post(&face, signature, body.to_vec()).await;
        assert_eq!((status, told), (StatusCode::BAD_REQUEST, format!("urn:outcry:problem:{problem}")), "{signature}");
    }
    assert_eq!(scene.status(), Status::Authorizing);
}

#[tokio::test]
async fn a_body_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (scene, _) = unheard().await;
    let face = face(&scene, folder.path()).await;
    let (status, _) = post(&face, "t=1,v1=00", vec![b' '; 200 * 1024]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_event_that_means_nothing_here_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (scene, _) = unheard().await;
    let face = face(&scene, folder.path()).await;
    let body = json!({"id": "evt_9", "type": "customer.created", "data": {"object": {"id": "cus_1"}}}).to_string();
    let signature = sign(&secret(SECRETS[0]), now_s(&scene), body.as_bytes());
    assert_eq!(post(&face, &signature, body.into_bytes()).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn while_the_store_is_away_the_gateway_is_asked_to_send_again() {
    let folder = tempfile::tempdir().unwrap();
    let (scene, body) = unheard().await;
    let face = face(&scene, folder.path()).await;
    let begun = scene.faults.log().iter().filter(|called| **called == "store.begin").count();
    scene.faults.at("store.begin", begun, When::Before);
    let signature = sign(&secret(SECRETS[0]), now_s(&scene), &body);
    assert_eq!(post(&face, &signature, body.clone()).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(post(&face, &signature, body).await.0, StatusCode::NO_CONTENT);
    assert_eq!(scene.status(), Status::Authorized);
}
