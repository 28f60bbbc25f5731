//! On which terms a lot is sold: every format, with what a seller may choose. Amounts are minor units.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// On which terms a lot is sold.
#[derive(Debug, Clone)]
pub struct Terms {
    currency: &'static str,
    format: Value,
    starts_in: Option<Duration>,
    lasts: Duration,
    second_chance: bool,
}

impl Terms {
    /// Ascending from `start_price`, for ten seconds, in US dollars by eBay's increments.
    #[must_use]
    pub fn from(start_price: i64) -> Self {
        Self::of(json!({
            "kind": "english", "start_price": start_price, "reserve_price": null, "buy_now_price": null,
            "increments": "ebay-us", "soft_close": {"mode": "off"},
        }))
    }

    /// Sealed, not below `start_price`; the highest bid wins and pays itself.
    #[must_use]
    pub fn sealed_first_price(start_price: i64) -> Self {
        Self::of(json!({"kind": "sealed_first_price", "start_price": start_price, "reserve_price": null}))
    }

    /// Sealed, not below `start_price`; the highest bid wins and pays the second highest.
    #[must_use]
    pub fn vickrey(start_price: i64) -> Self {
        Self::of(json!({"kind": "vickrey", "start_price": start_price, "reserve_price": null}))
    }

    /// Descending from `start_price` to `floor_price`, by `step` every `step_every_s` seconds.
    #[must_use]
    pub fn dutch(start_price: i64, floor_price: i64, step: i64, step_every_s: u32) -> Self {
        Self::of(json!({
            "kind": "dutch", "start_price": start_price, "floor_price": floor_price, "step": step,
            "step_every_s": step_every_s,
        }))
    }

    /// So many units at one price, each not below `start_price`; nothing can be declined.
    #[must_use]
    pub fn units(start_price: i64, quantity: u32) -> Self {
        Self::of(json!({
            "kind": "uniform_multi_unit", "start_price": start_price, "quantity": quantity,
            "increments": "ebay-us", "soft_close": {"mode": "off"}, "decline_within_s": 0,
        }))
    }

    fn of(format: Value) -> Self {
        Self { currency: "USD", format, starts_in: None, lasts: Duration::from_secs(10), second_chance: false }
    }

    /// In another currency.
    #[must_use]
    pub fn in_currency(mut self, currency: &'static str) -> Self {
        self.currency = currency;
        self
    }

    /// Not sold below `price`.
    #[must_use]
    pub fn with_reserve(self, price: i64) -> Self {
        self.with("reserve_price", json!(price))
    }

    /// Sold at once to who pays `price`.
    #[must_use]
    pub fn with_buy_now(self, price: i64) -> Self {
        self.with("buy_now_price", json!(price))
    }

    /// By another preset or an own table.
    #[must_use]
    pub fn with_increments(self, increments: Value) -> Self {
        self.with("increments", increments)
    }

    /// By the same increment at every price.
    #[must_use]
    pub fn by_steps_of(self, increment: i64) -> Self {
        self.with_increments(json!([{"from": 0, "increment": increment}]))
    }

    /// A bid in the last `window_s` leaves so much time after it, at most `hard_stop_s` more than there was.
    #[must_use]
    pub fn with_soft_close(self, window_s: u32, hard_stop_s: u32) -> Self {
        self.with("soft_close", json!({"mode": "reset", "window_s": window_s, "hard_stop_s": hard_stop_s}))
    }

    /// A bid in the last `window_s` adds `extension_s`, all of them at most `hard_stop_s`.
    #[must_use]
    pub fn with_added_time(self, window_s: u32, extension_s: u32, hard_stop_s: u32) -> Self {
        let rule = json!({"mode": "add", "window_s": window_s, "extension_s": extension_s, "hard_stop_s": hard_stop_s});
        self.with("soft_close", rule)
    }

    /// Who gets fewer units than wanted may decline them for so long.
    #[must_use]
    pub fn declinable_within(self, seconds: u32) -> Self {
        self.with("decline_within_s", json!(seconds))
    }

    /// A lot that is not paid goes to the next bidder.
    #[must_use]
    pub fn with_second_chance(mut self) -> Self {
        self.second_chance = true;
        self
    }

    fn with(mut self, member: &str, value: Value) -> Self {
        self.format[member] = value;
        self
    }

    /// Bidding opens later, and then lasts as long.
    #[must_use]
    pub fn starting_in(mut self, time: Duration) -> Self {
        self.starts_in = Some(time);
        self
    }

    /// Bidding lasts so long.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasts = time;
        self
    }

    /// The body of `POST /v1/listings`.
    #[must_use]
    pub fn body(&self) -> Value {
        let now = Utc::now();
        let starts_at = self.starts_in.map(|time| rfc3339(now + time));
        json!({
            "title": "A lot of the test suite",
            "description": "Sold by a test.",
            "category": "tests",
            "currency": self.currency,
            "format": self.format,
            "starts_at": starts_at,
            "ends_at": rfc3339(now + self.starts_in.unwrap_or_default() + self.lasts),
            "second_chance": self.second_chance,
        })
    }
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
