//! The routes over the core in memory: bodies in, statuses and problems out.

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use serde_json::{Value, json};
use settlement_domain::saga::MAX_PAYMENTS;
use settlement_harness::Scene;
use settlement_ports::Viewer;
use tower::ServiceExt;

use crate::app::Api;

/// A scene, and its routes as somebody who was let in sees them; `root` is an admin.
struct Desk {
    scene: Scene,
    requests: u32,
}

impl Desk {
    fn new(scene: Scene) -> Self {
        Self { scene, requests: 0 }
    }

    async fn ask(&self, who: &str, request: axum::http::request::Builder, body: Body) -> (StatusCode, Value) {
        let caller = Viewer { user: who.parse().expect("a sub"), admin: who == "root" };
        let api = Api { settlements: self.scene.settlements.clone(), books: self.scene.books.clone() };
        let (routes, _) = crate::app::routes().split_for_parts();
        let routes: Router = routes.with_state(api).layer(Extension(caller));
        let response = routes.oneshot(request.body(body).expect("a request")).await.expect("an answer");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    async fn post(&mut self, who: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.requests += 1;
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("idempotency-key", format!("key-{}", self.requests));
        self.ask(who, request, Body::from(body.to_string())).await
    }

    async fn act(&mut self, who: &str, act: &str, body: Value) -> (StatusCode, Value) {
        let path = format!("/v1/settlements/{}/{act}", self.scene.id());
        self.post(who, &path, body).await
    }

    async fn get(&self, who: &str, path: &str) -> (StatusCode, Value) {
        self.ask(who, Request::get(path), Body::empty()).await
    }
}

fn problem(answer: &(StatusCode, Value)) -> (u16, &str) {
    let slug = answer.1["type"].as_str().and_then(|kind| kind.strip_prefix("urn:outcry:problem:"));
    (answer.0.as_u16(), slug.unwrap_or("none"))
}

fn shipped() -> Desk {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.seller_ships();
    Desk::new(scene)
}

#[tokio::test]
async fn a_dispute_goes_from_complaint_to_decision() {
    let mut desk = shipped();
    let (status, disputed) = desk.act("buyer", "dispute", json!({"reason": "It is broken."})).await;
    assert_eq!((status, &disputed["status"]), (StatusCode::OK, &json!("disputed")));
    assert_eq!(disputed["dispute"]["opened_by"], "buyer");
    let (_, testified) = desk.act("seller", "evidence", json!({"text": "It was whole."})).await;
    assert_eq!(testified["dispute"]["evidence"][0]["by"], "seller");
    assert_eq!(testified["operator_actions"], json!([]), "not the seller's business");

    let path = format!("/v1/settlements/{}", desk.scene.id());
    let (_, read) = desk.get("root", &path).await;
    assert_eq!(read["operator_actions"], json!(["refund", "part_refund", "release"]));
    let body = json!({"decision": "part_refund", "amount": 2_000, "note": "Half each."});
    let (status, decided) = desk.act("root", "resolve", body).await;
    assert_eq!((status, &decided["status"]), (StatusCode::OK, &json!("refunding")));
    desk.scene.worker_works();
    let (_, read) = desk.get("root", &path).await;
    assert_eq!(
        (&read["status"], &read["refunded"], &read["payout"]),
        (&json!("completed"), &json!(2_000), &json!(8_845))
    );
    let decision = &read["decisions"][0];
    assert_eq!((&decision["by"], &decision["decision"]), (&json!("root"), &json!("part_refund")));
    assert_eq!((&decision["amount"], &decision["note"]), (&json!(2_000), &json!("Half each.")));
}

#[tokio::test]
async fn each_detour_is_refused_with_a_problem_that_says_why() {
    let mut desk = shipped();
    let refusals = [
        ("seller", "dispute", json!({"reason": "x"}), (403, "forbidden")),
        ("stranger", "dispute", json!({"reason": "x"}), (404, "not-found")),
        ("buyer", "dispute", json!({"reason": " "}), (422, "validation")),
        ("buyer", "dispute", json!({}), (422, "validation")),
        ("buyer", "evidence", json!({"text": "x"}), (409, "settlement-state")),
        ("buyer", "decline", json!({}), (409, "settlement-state")),
        ("buyer", "cancel", json!({}), (409, "settlement-state")),
        ("buyer", "cancel", json!({"why": "x"}), (422, "validation")),
        ("buyer", "resolve", json!({"decision": "refund"}), (403, "forbidden")),
        ("root", "resolve", json!({"decision": "refund"}), (409, "settlement-state")),
        ("root", "resolve", json!({"decision": "forgive"}), (422, "validation")),
        ("root", "resolve", json!({"decision": "part_refund"}), (422, "validation")),
    ];
    for (who, act, body, expected) in refusals {
        let answer = desk.act(who, act, body.clone()).await;
        assert_eq!(problem(&answer), expected, "{who} {act} {body}: {}", answer.1);
    }
    desk.act("buyer", "dispute", json!({"reason": "It is broken."})).await;
    let answer = desk.act("root", "resolve", json!({"decision": "close", "note": "x"})).await;
    assert_eq!(problem(&answer), (409, "decision-not-allowed"));
    assert_eq!(answer.1["operator_actions"], json!(["refund", "part_refund", "release"]));
    let answer = desk.act("root", "resolve", json!({"decision": "part_refund", "amount": 10_846})).await;
    assert_eq!(problem(&answer), (422, "validation"));
    assert_eq!(answer.1["errors"][0]["pointer"], "/amount");
}

#[tokio::test]
async fn an_operators_dispute_is_told_from_the_buyers_and_names_nobody() {
    let mut desk = shipped();
    let body = json!({"reason": "The buyer's bank took the payment back (chargeback)."});
    let (status, disputed) = desk.act("root", "dispute", body.clone()).await;
    assert_eq!((status, &disputed["status"]), (StatusCode::OK, &json!("disputed")));
    assert_eq!(problem(&desk.act("root", "dispute", body).await), (409, "settlement-state"));
    let path = format!("/v1/settlements/{}", desk.scene.id());
    for who in ["buyer", "seller"] {
        let (_, read) = desk.get(who, &path).await;
        assert_eq!(read["dispute"]["opened_by"], "operator", "{who}");
        assert!(!read.to_string().contains("root"), "{read}");
    }
}

#[tokio::test]
async fn a_chargeback_is_shown_to_the_operator_who_decides_about_it() {
    let mut scene = Scene::sold();
    scene.buyer_pays("pm_card_visa");
    scene.worker_works();
    scene.bank_takes_it_back("evt_1", "dp_1").expect("it is heard");
    let mut desk = Desk::new(scene);
    let path = format!("/v1/settlements/{}", desk.scene.id());
    let (_, read) = desk.get("root", &path).await;
    assert_eq!(
        (&read["status"], &read["operator_actions"]),
        (&json!("needs_operator"), &json!(["retry", "refund", "close"]))
    );
    let told_at = desk.scene.clock.now();
    let chargeback =
        json!({"id": "dp_1", "amount": 12_050, "currency": "USD", "reason": "fraudulent", "told_at": told_at});
    assert_eq!(read["chargebacks"], json!([chargeback]));
    for who in ["buyer", "seller"] {
        let (_, read) = desk.get(who, &path).await;
        assert_eq!(read["chargebacks"], json!([]), "{who}");
    }
    let body = json!({"decision": "retry", "note": "The bank has given it back."});
    let (status, decided) = desk.act("root", "resolve", body).await;
    assert_eq!((status, &decided["status"]), (StatusCode::OK, &json!("escrowed")));
}

#[tokio::test]
async fn a_dispute_of_the_buyers_bank_is_told_from_the_buyers() {
    let desk = shipped();
    desk.scene.bank_takes_it_back("evt_1", "dp_1").expect("it is heard");
    for who in ["buyer", "seller", "root"] {
        let (_, read) = desk.get(who, &format!("/v1/settlements/{}", desk.scene.id())).await;
        assert_eq!((&read["status"], &read["dispute"]["opened_by"]), (&json!("disputed"), &json!("bank")), "{who}");
    }
}

#[tokio::test]
async fn who_decides_without_having_seen_a_chargeback_is_told_to_look_again() {
    let mut desk = shipped();
    desk.act("buyer", "dispute", json!({"reason": "It is broken."})).await;
    desk.scene.bank_takes_it_back("evt_1", "dp_1").expect("it is heard");
    let answer = desk.act("root", "resolve", json!({"decision": "release", "chargebacks": 0})).await;
    assert_eq!((problem(&answer), &answer.1["chargebacks"]), ((409, "chargeback-unseen"), &json!(1)));
    let (_, read) = desk.get("root", &format!("/v1/settlements/{}", desk.scene.id())).await;
    assert_eq!((&read["status"], &read["decisions"]), (&json!("disputed"), &json!([])));
    let answer = desk.act("root", "resolve", json!({"decision": "release", "chargebacks": 21})).await;
    assert_eq!((problem(&answer), &answer.1["errors"][0]["pointer"]), ((422, "validation"), &json!("/chargebacks")));
    let seen = read["chargebacks"].as_array().map(Vec::len);
    let (status, _) = desk.act("root", "resolve", json!({"decision": "release", "chargebacks": seen})).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn what_needs_an_operator_is_listed_and_is_resolved_with_a_note() {
    let mut desk = shipped();
    desk.scene.award_is_declined();
    let (_, listed) = desk.get("root", "/v1/settlements?status=needs_operator").await;
    assert_eq!(listed["items"][0]["operator_actions"], json!(["refund", "release"]));
    assert!(listed["items"][0]["operator_reason"].as_str().is_some_and(|reason| reason.contains("award_declined")));
    let answer = desk.act("root", "resolve", json!({"decision": "release"})).await;
    assert_eq!((problem(&answer), &answer.1["errors"][0]["pointer"]), ((422, "validation"), &json!("/note")));
    let (status, _) = desk.act("root", "resolve", json!({"decision": "release", "note": "They kept it."})).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_payment_is_tried_so_often_and_is_refused_from_then_on() {
    let mut desk = Desk::new(Scene::sold());
    for _ in 0..MAX_PAYMENTS {
        let (status, _) = desk.act("buyer", "pay", json!({"payment_method": "pm_card_chargeDeclined"})).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        desk.scene.worker_works();
    }
    let answer = desk.act("buyer", "pay", json!({"payment_method": "pm_card_visa"})).await;
    assert_eq!(problem(&answer), (409, "payment-attempts-exhausted"));
    desk.scene.days_go_by(4);
    let (_, read) = desk.get("buyer", &format!("/v1/settlements/{}", desk.scene.id())).await;
    assert_eq!((&read["status"], &read["failure_reason"]), (&json!("failed"), &json!("unpaid")));
}

#[tokio::test]
async fn two_parties_cancel_and_a_contender_declines() {
    let mut desk = Desk::new(Scene::sold());
    let (_, wished) = desk.act("buyer", "cancel", json!({})).await;
    assert_eq!((&wished["status"], &wished["cancel_requested_by"]), (&json!("awaiting_payment"), &json!("buyer")));
    let (_, off) = desk.act("seller", "cancel", json!({})).await;
    assert_eq!((&off["status"], &off["failure_reason"]), (&json!("failed"), &json!("agreed")));

    let mut scene = Scene::with_contenders(&[("carol", 11_000)]);
    scene.hammer_falls();
    scene.days_change_the_world(4);
    let mut desk = Desk::new(scene);
    let (status, declined) = desk.act("carol", "decline", json!({})).await;
    assert_eq!((status, &declined["kind"]), (StatusCode::OK, &json!("second_chance")));
    assert_eq!((&declined["status"], &declined["failure_reason"]), (&json!("failed"), &json!("offer_lapsed")));
}

#[tokio::test]
async fn a_bidders_standing_is_read_and_mended_by_who_may() {
    let scene = Scene::sold();
    scene.days_go_by(4);
    let mut desk = Desk::new(scene);
    let (status, buyer) = desk.get("buyer", "/v1/bidders/buyer").await;
    assert_eq!((status, &buyer["suspended"]), (StatusCode::OK, &json!(false)));
    assert_eq!((&buyer["strikes"][0]["role"], &buyer["sub"]), (&json!("buyer"), &json!("buyer")));
    assert_eq!(problem(&desk.get("seller", "/v1/bidders/buyer").await), (404, "not-found"));
    assert_eq!(problem(&desk.get("root", "/v1/bidders/%00").await), (404, "not-found"));
    assert_eq!(problem(&desk.get("root", "/v1/bidders/%ff").await), (404, "not-found"));
    let path = "/v1/bidders/buyer/reinstate";
    assert_eq!(problem(&desk.post("buyer", path, json!({})).await), (403, "forbidden"));
    assert_eq!(problem(&desk.post("root", path, json!({})).await), (409, "bidder-not-suspended"));
    assert_eq!(problem(&desk.post("root", path, json!({"note": ""})).await), (422, "validation"));
}
