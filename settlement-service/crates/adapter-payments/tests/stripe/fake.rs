//! A small Stripe with a memory: intents, refunds, transfers, idempotency keys and what its manual says of them. With a
//! `stripe-mock` behind it, each request goes there first: what that refuses is refused, and what it answers is the
//! answer, with the fields that have state overwritten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::wire::{self, Request};

/// Something that goes wrong with the next request that changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answered with this status by something that is not Stripe, before the effect.
    Before(u16),
    /// Done, and answered with this status; Stripe keeps it as the key's answer.
    After(u16),
    /// Done, and the connection breaks.
    HangUpAfter,
    /// The connection breaks, and nothing was done.
    HangUpBefore,
    /// Done, and the answer is more than anybody reads.
    Flood,
    /// Told by Stripe's error of this status and type, without effect.
    Told(u16, &'static str),
}

/// When all objects were made, seconds since 1970.
pub const CREATED: i64 = 1_900_000_000;

/// The smallest charge, cents.
const LEAST: i64 = 50;

/// The server.
#[derive(Clone)]
pub struct Fake {
    pub url: String,
    state: Arc<Mutex<State>>,
    /// Requests wait for this while [`Fake::hold`] is on.
    released: Arc<Notify>,
}

#[derive(Default)]
struct State {
    behind: Option<String>,
    objects: Vec<Value>,
    keys: HashMap<String, (String, u16, Value)>,
    faults: Vec<Fault>,
    log: Vec<Request>,
    held: bool,
}

impl Fake {
    /// Serves until the runtime ends.
    pub async fn start(behind: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { behind, ..State::default() }));
        let fake = Self { url, state, released: Arc::default() };
        let server = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream));
            }
        });
        fake
    }

    pub fn fails_next(&self, fault: Fault) {
        self.state.lock().unwrap().faults.push(fault);
    }

    /// Keeps all requests waiting, or lets them go.
    pub fn hold(&self, held: bool) {
        self.state.lock().unwrap().held = held;
        self.released.notify_waiters();
    }

    /// 24 hours go by.
    pub fn forgets_keys(&self) {
        self.state.lock().unwrap().keys.clear();
    }

    /// Seven days go by: what is held is let go.
    pub fn lets_holds_expire(&self) {
        for object in &mut self.state.lock().unwrap().objects {
            if object["status"] == "requires_capture" {
                object["status"] = json!("canceled");
                object["cancellation_reason"] = json!("automatic");
            }
        }
    }

    /// Objects of a kind, as they are now.
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        self.state.lock().unwrap().objects.iter().filter(|object| object["object"] == kind).cloned().collect()
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: &str) -> usize {
        self.objects(kind).len()
    }

    /// Somebody does something in Stripe's dashboard.
    pub fn changes(&self, change: impl FnOnce(&mut Vec<Value>)) {
        change(&mut self.state.lock().unwrap().objects);
    }

    /// What came so far.
    pub fn log(&self) -> Vec<Request> {
        self.state.lock().unwrap().log.clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some(request) = wire::read(&mut stream).await else { return };
        let (behind, fault) = {
            let mut state = self.state.lock().unwrap();
            state.log.push(request.clone());
            let strikes = request.method == "POST" && !state.faults.is_empty();
            (state.behind.clone(), strikes.then(|| state.faults.remove(0)))
        };
        while self.state.lock().unwrap().held {
            let released = self.released.notified();
            if self.state.lock().unwrap().held {
                released.await;
            }
        }
        match fault {
            Some(Fault::Before(status)) => return wire::write(&mut stream, status, "<html>").await,
            Some(Fault::Told(status, kind)) => {
                let body = json!({"error": {"type": kind}}).to_string();
                return wire::write(&mut stream, status, &body).await;
            }
            Some(Fault::HangUpBefore) => return,
            _ => {}
        }
        let example = match behind {
            Some(behind) => match pass_on(&behind, &request).await {
                (status, example) if status < 300 => Some(example),
                // A parameter that Stripe does not know, or a body that is none.
                (status, refusal) if status == 400 => {
                    return wire::write(&mut stream, status, &refusal.to_string()).await;
                }
                other => panic!("stripe-mock answered {other:?} to {request:?}"),
            },
            None => None,
        };
        let (status, mut body) = self.state.lock().unwrap().answer(&request, fault);
        if let Some(example) = example.filter(|_| status == 200) {
            body = overlaid(example, body);
        }
        match fault {
            Some(Fault::HangUpAfter) => {}
            Some(Fault::Flood) => {
                let flood = format!("{{\"id\":\"{}\"}}", "x".repeat(3 * 1024 * 1024));
                wire::write(&mut stream, 200, &flood).await;
            }
            _ => wire::write(&mut stream, status, &body.to_string()).await,
        }
    }
}

/// What `stripe-mock` says to a request.
async fn pass_on(behind: &str, request: &Request) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let method = request.method.parse().unwrap();
    let url = if request.method == "GET" && !request.encoded.is_empty() {
        format!("{behind}{}?{}", request.path, request.encoded)
    } else {
        format!("{behind}{}", request.path)
    };
    let mut onward = http.request(method, url);
    for name in ["authorization", "idempotency-key", "stripe-version", "content-type"] {
        if let Some(value) = request.headers.get(name) {
            onward = onward.header(name, value);
        }
    }
    if request.method == "POST" {
        onward = onward.body(request.encoded.clone());
    }
    let answer = onward.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// An example of Stripe's with what is so; the members of a list each over the list's first example.
fn overlaid(example: Value, so: Value) -> Value {
    match (example, so) {
        (Value::Object(mut example), Value::Object(so)) => {
            if let Some(Value::Array(members)) = so.get("data") {
                let first = example.get("data").and_then(|data| data.get(0)).cloned().unwrap_or(Value::Null);
                let members = members.iter().map(|member| overlaid(first.clone(), member.clone())).collect();
                example.insert("data".to_owned(), Value::Array(members));
                example.insert("has_more".to_owned(), so["has_more"].clone());
                return Value::Object(example);
            }
            for (name, value) in so {
                let inner = if name == "payment_intent" { example.remove(&name) } else { None };
                example.insert(name, overlaid(inner.unwrap_or(Value::Null), value));
            }
            Value::Object(example)
        }
        (_, so) => so,
    }
}

fn refusal(status: u16, error: Value) -> (u16, Value) {
    (status, json!({ "error": error }))
}

fn invalid(status: u16, code: &str) -> (u16, Value) {
    refusal(status, json!({"type": "invalid_request_error", "code": code, "message": format!("invalid: {code}")}))
}

impl State {
    fn answer(&mut self, request: &Request, fault: Option<Fault>) -> (u16, Value) {
        assert_eq!(request.headers.get("authorization").map(String::as_str), Some("Bearer sk_test_123"));
        assert!(request.headers.contains_key("stripe-version"), "the version is not pinned");
        if request.method == "GET" {
            return self.look(request);
        }
        let key = request.headers.get("idempotency-key").expect("a change without a key").clone();
        let asked = format!("{} {}", request.path, request.encoded);
        if let Some((first, status, body)) = self.keys.get(&key) {
            return if *first == asked {
                (*status, body.clone())
            } else {
                refusal(400, json!({"type": "idempotency_error", "message": "Keys can only be used once."}))
            };
        }
        let mut answer = self.change(request);
        if let Some(Fault::After(status)) = fault {
            answer = refusal(status, json!({"type": "api_error", "message": "Something broke."}));
        }
        self.keys.insert(key, (asked, answer.0, answer.1.clone()));
        answer
    }

    fn object(&mut self, id: &str) -> Option<&mut Value> {
        self.objects.iter_mut().find(|object| object["id"] == id)
    }

    fn made(&mut self, kind: &str, prefix: &str, mut fields: Map<String, Value>) -> Value {
        fields.insert("id".to_owned(), json!(format!("{prefix}_{}", self.objects.len() + 1)));
        fields.insert("object".to_owned(), json!(kind));
        fields.insert("created".to_owned(), json!(CREATED));
        self.objects.push(Value::Object(fields.clone()));
        Value::Object(fields)
    }

    fn change(&mut self, request: &Request) -> (u16, Value) {
        let path: Vec<&str> = request.path.trim_start_matches("/v1/").split('/').collect();
        match path.as_slice() {
            ["payment_intents"] => self.authorize(request),
            ["payment_intents", id, "capture"] => self.capture(id, request),
            ["payment_intents", id, "cancel"] => self.cancel(id),
            ["refunds"] => self.refund(request),
            ["transfers"] => {
                let fields = json!({
                    "amount": request.number("amount"), "amount_reversed": 0, "currency": request.parameter("currency"),
                    "destination": request.parameter("destination"), "metadata": request.metadata(),
                    "transfer_group": request.parameter("transfer_group"),
                });
                let Value::Object(fields) = fields else { unreachable!() };
                (200, self.made("transfer", "tr", fields))
            }
            _ => invalid(404, "unknown_path"),
        }
    }

    fn authorize(&mut self, request: &Request) -> (u16, Value) {
        let declines = |code: &str| json!({"type": "card_error", "code": "card_declined", "decline_code": code, "message": "Your card was declined."});
        let error = match request.parameter("payment_method") {
            Some("pm_card_visa") => Value::Null,
            Some("pm_card_chargeDeclined") => declines("generic_decline"),
            _ => {
                return refusal(
                    400,
                    json!({"type": "invalid_request_error", "code": "resource_missing",
                    "param": "payment_method", "message": "No such PaymentMethod"}),
                );
            }
        };
        if request.number("amount") < Some(LEAST) {
            let error = json!({"type": "invalid_request_error", "code": "amount_too_small", "param": "amount",
                "message": "Amount must be at least $0.50 usd"});
            return refusal(400, error);
        }
        let fields = json!({
            "amount": request.number("amount"), "currency": request.parameter("currency"), "amount_received": 0,
            "amount_refunded": 0, "metadata": request.metadata(),
            "transfer_group": request.parameter("transfer_group"), "last_payment_error": error, "cancellation_reason": null,
            "status": if error.is_null() { "requires_capture" } else { "requires_payment_method" },
        });
        let Value::Object(fields) = fields else { unreachable!() };
        let intent = self.made("payment_intent", "pi", fields);
        let charge = json!({"payment_intent": intent["id"], "transfer_group": intent["transfer_group"],
            "currency": intent["currency"], "captured": false, "amount_captured": 0,
            "status": if error.is_null() { "succeeded" } else { "failed" }});
        let Value::Object(charge) = charge else { unreachable!() };
        self.made("charge", "ch", charge);
        if error.is_null() {
            return (200, intent);
        }
        let mut told = error;
        told["payment_intent"] = intent;
        refusal(402, told)
    }

    fn capture(&mut self, id: &str, request: &Request) -> (u16, Value) {
        let Some(intent) = self.object(id) else { return invalid(404, "resource_missing") };
        if intent["status"] != "requires_capture" {
            return unexpected_state(intent);
        }
        if request.number("amount_to_capture") > intent["amount"].as_i64() {
            return invalid(400, "amount_too_large");
        }
        intent["status"] = json!("succeeded");
        let received = request.number("amount_to_capture").map_or_else(|| intent["amount"].clone(), Value::from);
        intent["amount_received"] = received.clone();
        for (name, value) in request.metadata() {
            intent["metadata"][name] = value;
        }
        let intent = intent.clone();
        for charge in self.objects.iter_mut().filter(|one| one["object"] == "charge" && one["payment_intent"] == id) {
            charge["captured"] = json!(true);
            charge["amount_captured"] = received.clone();
        }
        (200, intent)
    }

    fn cancel(&mut self, id: &str) -> (u16, Value) {
        let Some(intent) = self.object(id) else { return invalid(404, "resource_missing") };
        if intent["status"] != "requires_capture" {
            return unexpected_state(intent);
        }
        intent["status"] = json!("canceled");
        (200, intent.clone())
    }

    fn refund(&mut self, request: &Request) -> (u16, Value) {
        let (id, amount) =
            (request.parameter("payment_intent").unwrap_or_default(), request.number("amount").unwrap_or(0));
        let Some(intent) = self.object(id) else { return invalid(404, "resource_missing") };
        let left = intent["amount"].as_i64().unwrap_or(0) - intent["amount_refunded"].as_i64().unwrap_or(0);
        if intent["status"] != "succeeded" || left == 0 {
            return invalid(400, "charge_already_refunded");
        }
        if amount > left {
            return invalid(400, "amount_too_large");
        }
        intent["amount_refunded"] = json!(intent["amount_refunded"].as_i64().unwrap_or(0) + amount);
        let fields = json!({"payment_intent": id, "amount": amount, "currency": intent["currency"],
            "status": "succeeded", "metadata": request.metadata()});
        let Value::Object(fields) = fields else { unreachable!() };
        (200, self.made("refund", "re", fields))
    }

    fn look(&mut self, request: &Request) -> (u16, Value) {
        let path: Vec<&str> = request.path.trim_start_matches("/v1/").split('/').collect();
        let (kind, by) = match path.as_slice() {
            [list @ ("payment_intents" | "refunds" | "transfers"), id] => {
                let kind = list.trim_end_matches('s');
                let found = self.object(id).filter(|found| found["object"] == kind);
                return found.map_or_else(|| invalid(404, "resource_missing"), |found| (200, found.clone()));
            }
            ["balance"] => return (200, json!({"object": "balance"})),
            ["charges"] => ("charge", "transfer_group"),
            ["refunds"] => ("refund", "payment_intent"),
            ["transfers"] => ("transfer", "transfer_group"),
            _ => return invalid(404, "unknown_path"),
        };
        // The newest first, as Stripe has it.
        let mut found: Vec<Value> = self.objects.iter().rev().filter(|one| one["object"] == kind).cloned().collect();
        match request.number("created[gte]") {
            Some(since) => found.retain(|one| one["created"].as_i64() >= Some(since)),
            None => found.retain(|one| one[by].as_str() == request.parameter(by)),
        }
        if let Some(after) = request.parameter("starting_after") {
            let place = found.iter().position(|one| one["id"] == after).expect("a member to start after");
            found.drain(..=place);
        }
        let more = found.len() > 2;
        found.truncate(2);
        if request.parameter("expand[]") == Some("data.payment_intent") {
            for charge in &mut found {
                let id = charge["payment_intent"].as_str().unwrap_or_default().to_owned();
                charge["payment_intent"] = self.object(&id).map_or(Value::Null, |intent| intent.clone());
            }
        }
        (200, json!({"object": "list", "data": found, "has_more": more}))
    }
}

fn unexpected_state(intent: &Value) -> (u16, Value) {
    refusal(
        400,
        json!({"type": "invalid_request_error", "code": "payment_intent_unexpected_state",
        "message": "not in this state", "payment_intent": intent}),
    )
}
