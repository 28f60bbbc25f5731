//! One person: what they saw last, what they have to do, and what they do next. No connection, no clock.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use chrono::Utc;
use hyper::header::HeaderValue;
use serde_json::{Value, json};

use super::goods;
use super::mix::{self, Operation};
use crate::bench::client::{Post, Request};

/// A lot that somebody lists while the load runs ends between so many seconds later. It is published a thought after it
/// was drafted, in 70 s at most (unless told otherwise), and has to last some seconds more, or it is refused.
const LASTS_S: (u64, u64) = (90, 300);
/// Nobody bids on what costs more; amounts end at 2^53.
const TOO_DEAR: i64 = 1 << 48;
/// Somebody has at most so many things to do before anything else.
const TASKS_MAX: usize = 16;
const TRACKING: &str = r#"{"carrier":"UPS","tracking_number":"1Z999AA10123456784"}"#;

/// Something that is known of a lot from a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    id: String,
    seller: String,
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Task {
    Publish(String),
    Bid(String, i64),
    BuyNow(String),
    Pay(String),
    Ship(String),
    Receive(String),
}

/// A person.
pub struct User {
    sub: String,
    bearer: HeaderValue,
    /// The lots of the last list.
    seen: Vec<Seen>,
    /// The auction that was opened last; whose it is is known by the list it was found in.
    open: Option<Seen>,
    tasks: VecDeque<Task>,
    requests: u64,
}

impl User {
    /// A person by the name in their token.
    pub fn new(sub: String, bearer: HeaderValue) -> Self {
        Self { sub, bearer, seen: Vec::new(), open: None, tasks: VecDeque::new(), requests: 0 }
    }

    /// What they do next.
    pub fn next(&mut self) -> Result<(Operation, Request)> {
        if let Some(task) = self.tasks.pop_front() {
            return self.does(task);
        }
        let step = match mix::draw() {
            Operation::List => {
                let lasts = Duration::from_secs(fastrand::u64(LASTS_S.0..=LASTS_S.1));
                let draft = goods::listing(Utc::now(), lasts).to_string();
                return self.posts(Operation::List, "/v1/listings".to_owned(), draft);
            }
            // Whoever has seen no lot yet looks for one.
            Operation::Listing | Operation::Auction | Operation::History if self.seen.is_empty() => Operation::Category,
            step => step,
        };
        let lot = if self.seen.is_empty() { None } else { Some(self.seen[fastrand::usize(..self.seen.len())].clone()) };
        let id = lot.as_ref().map_or("", |lot| lot.id.as_str());
        let path = match step {
            Operation::Search => format!("/v1/listings?q={}&status=live", goods::word()),
            Operation::EndingSoon => "/v1/listings?status=live&sort=ends_at".to_owned(),
            Operation::Listing => format!("/v1/listings/{id}"),
            Operation::Auction => format!("/v1/auctions/{id}"),
            Operation::History => format!("/v1/auctions/{id}/bids"),
            Operation::Settlements => "/v1/settlements?limit=50".to_owned(),
            _ => format!("/v1/listings?category={}&status=live", goods::category()),
        };
        self.open = lot;
        Ok((step, Request::Get { path: path.into(), bearer: self.bearer.clone() }))
    }

    fn does(&mut self, task: Task) -> Result<(Operation, Request)> {
        let nothing = || "{}".to_owned();
        match task {
            Task::Publish(id) => self.posts(Operation::Publish, format!("/v1/listings/{id}/publish"), nothing()),
            Task::Bid(id, max) => {
                let body = json!({"max_amount": max}).to_string();
                self.posts(Operation::Bid, format!("/v1/auctions/{id}/bids"), body)
            }
            Task::BuyNow(id) => self.posts(Operation::BuyNow, format!("/v1/auctions/{id}/buy-now"), nothing()),
            Task::Pay(id) => {
                let body = json!({"payment_method": mix::card()}).to_string();
                self.posts(Operation::Pay, format!("/v1/settlements/{id}/pay"), body)
            }
            Task::Ship(id) => self.posts(Operation::Ship, format!("/v1/settlements/{id}/ship"), TRACKING.to_owned()),
            Task::Receive(id) => self.posts(Operation::Receive, format!("/v1/settlements/{id}/receive"), nothing()),
        }
    }

    fn posts(&mut self, operation: Operation, path: String, body: String) -> Result<(Operation, Request)> {
        self.requests += 1;
        let key = HeaderValue::from_maybe_shared(Bytes::from(format!("{}-{}", self.sub, self.requests)))?;
        let post = Post { path: path.into(), bearer: self.bearer.clone(), key, body: body.into() };
        Ok((operation, Request::Post(post)))
    }

    /// Takes in what a success shows; false when it shows nothing that could be understood.
    pub fn learns(&mut self, operation: Operation, body: &[u8]) -> bool {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return false };
        match operation {
            Operation::Category | Operation::Search | Operation::EndingSoon => {
                let Some(items) = body["items"].as_array() else { return false };
                let seen =
                    items.iter().filter_map(|item| Some(Seen { id: text(item, "id")?, seller: text(item, "seller")? }));
                let seen: Vec<Seen> = seen.collect();
                let whole = seen.len() == items.len();
                // Who finds nothing still has the list before.
                if !seen.is_empty() {
                    self.seen = seen;
                }
                whole
            }
            Operation::Listing => {
                let (Some(id), Some(seller)) = (text(&body, "id"), text(&body, "seller")) else { return false };
                let offered =
                    body["status"] == "live" && body["format"]["buy_now_price"].is_i64() && body["bid_count"] == 0;
                if offered && seller != self.sub && mix::buys() {
                    self.has_to(Task::BuyNow(id));
                }
                true
            }
            Operation::Auction => {
                let (Some(id), Some(next_minimum)) = (text(&body, "id"), body["next_minimum"].as_i64()) else {
                    return false;
                };
                let own = self.open.as_ref().is_none_or(|lot| lot.id != id || lot.seller == self.sub);
                let bids = body["status"] == "open" && body["you_lead"] == false && !own;
                if bids && next_minimum < TOO_DEAR && mix::bids() {
                    self.has_to(Task::Bid(id, goods::maximum(next_minimum)));
                }
                true
            }
            Operation::Settlements => {
                let Some(items) = body["items"].as_array() else { return false };
                let due: Vec<Task> = items.iter().filter_map(|item| self.due(item)).collect();
                for task in due {
                    self.has_to(task);
                }
                true
            }
            Operation::List => {
                let Some(id) = text(&body, "id") else { return false };
                self.has_to(Task::Publish(id));
                true
            }
            Operation::History
            | Operation::Bid
            | Operation::BuyNow
            | Operation::Publish
            | Operation::Pay
            | Operation::Ship
            | Operation::Receive => body.is_object(),
        }
    }

    /// What this person has to do for a settlement.
    fn due(&self, settlement: &Value) -> Option<Task> {
        let id = text(settlement, "id")?;
        let buys = settlement["buyer"] == self.sub.as_str();
        match settlement["status"].as_str()? {
            "awaiting_payment" if buys => Some(Task::Pay(id)),
            "escrowed" if !buys => Some(Task::Ship(id)),
            "shipped" if buys => Some(Task::Receive(id)),
            _ => None,
        }
    }

    fn has_to(&mut self, task: Task) {
        if self.tasks.len() < TASKS_MAX && !self.tasks.contains(&task) {
            self.tasks.push_back(task);
        }
    }
}

fn text(of: &Value, name: &str) -> Option<String> {
    Some(of[name].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User::new("ann".to_owned(), HeaderValue::from_static("Bearer a"))
    }

    fn shows(user: &mut User, operation: Operation, body: &Value) -> bool {
        user.learns(operation, body.to_string().as_bytes())
    }

    fn path(request: &Request) -> String {
        let (Request::Get { path, .. } | Request::Post(Post { path, .. })) = request;
        String::from_utf8(path.to_vec()).unwrap()
    }

    #[test]
    fn a_draft_is_published_before_anything_else() {
        let mut user = user();
        assert!(shows(&mut user, Operation::List, &json!({"id": "x"})));
        let (operation, request) = user.next().unwrap();
        assert_eq!((operation, path(&request).as_str()), (Operation::Publish, "/v1/listings/x/publish"));
    }

    #[test]
    fn a_buyer_pays_and_receives_and_a_seller_ships() {
        let mut user = user();
        let settlements = json!({"items": [
            {"id": "1", "status": "awaiting_payment", "buyer": "ann"}, {"id": "2", "status": "awaiting_payment", "buyer": "bob"},
            {"id": "3", "status": "escrowed", "buyer": "bob"}, {"id": "4", "status": "escrowed", "buyer": "ann"},
            {"id": "5", "status": "shipped", "buyer": "ann"}, {"id": "6", "status": "completed", "buyer": "ann"}]});
        for _ in 0..2 {
            assert!(shows(&mut user, Operation::Settlements, &settlements), "seen twice, done once");
        }
        let done: Vec<String> = (0..3).map(|_| path(&user.next().unwrap().1)).collect();
        assert_eq!(done, ["/v1/settlements/1/pay", "/v1/settlements/3/ship", "/v1/settlements/5/receive"]);
        assert!(user.tasks.is_empty());
    }

    #[test]
    fn people_bid_on_open_auctions_of_others_unless_they_lead() {
        let lot = |seller: &str| json!({"items": [{"id": "x", "seller": seller}]});
        let auction =
            |status: &str, leads: bool| json!({"id": "x", "status": status, "you_lead": leads, "next_minimum": 100});
        let bids = |seller: &str, auction: &Value| {
            (0..200)
                .filter(|_| {
                    let mut user = user();
                    assert!(shows(&mut user, Operation::Category, &lot(seller)));
                    user.open = Some(user.seen[0].clone());
                    assert!(shows(&mut user, Operation::Auction, auction));
                    user.tasks.pop_front().is_some_and(|task| matches!(task, Task::Bid(_, 100..=120)))
                })
                .count()
        };
        assert!((60..170).contains(&bids("bob", &auction("open", false))));
        assert_eq!(bids("ann", &auction("open", false)), 0, "her own lot");
        assert_eq!(bids("bob", &auction("open", true)), 0, "she leads");
        assert_eq!(bids("bob", &auction("closed", false)), 0);
    }

    #[test]
    fn no_two_writes_share_an_idempotency_key_and_nobody_looks_at_a_lot_before_a_list() {
        let mut user = user();
        let mut keys = std::collections::BTreeSet::new();
        for _ in 0..2_000 {
            match user.next().unwrap() {
                (_, Request::Post(post)) => assert!(keys.insert(post.key.to_str().unwrap().to_owned())),
                (operation, _) => {
                    assert!(!matches!(operation, Operation::Listing | Operation::Auction | Operation::History));
                }
            }
        }
        assert!(!keys.is_empty());
    }

    #[test]
    fn an_answer_that_shows_nothing_is_not_understood() {
        let mut user = user();
        for operation in Operation::ALL {
            assert!(!user.learns(operation, b"<html>") && !shows(&mut user, operation, &json!([])), "{operation:?}");
        }
    }
}
