//! What is sold: titles of a few words, so that searching and browsing find something, and amounts that people pay.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// Categories, each with the things in it.
const GOODS: [(&str, [&str; 4]); 12] = [
    ("watches", ["wristwatch", "pocket watch", "chronograph", "dial"]),
    ("cameras", ["rangefinder", "lens", "folding camera", "tripod"]),
    ("books", ["atlas", "first edition", "cookbook", "novel"]),
    ("music", ["violin", "gramophone", "accordion", "songbook"]),
    ("coins", ["thaler", "denarius", "medal", "florin"]),
    ("maps", ["sea chart", "globe", "town map", "star chart"]),
    ("furniture", ["armchair", "bureau", "lamp", "chest"]),
    ("porcelain", ["vase", "teapot", "plate", "figurine"]),
    ("tools", ["plane", "lathe", "vice", "anvil"]),
    ("toys", ["railway", "doll", "puppet", "kite"]),
    ("radios", ["receiver", "valve", "transmitter", "headphones"]),
    ("prints", ["etching", "woodcut", "poster", "lithograph"]),
];
const QUALITIES: [&str; 10] =
    ["old", "rare", "small", "fine", "worn", "restored", "signed", "unused", "brass", "painted"];
/// One lot of so many can be bought at once.
const BUY_NOW_ONE_OF: u32 = 4;

/// Any category.
pub fn category() -> &'static str {
    GOODS[fastrand::usize(..GOODS.len())].0
}

/// Any word that somebody searches for, as it stands in a URL.
pub fn word() -> String {
    let (_, things) = &GOODS[fastrand::usize(..GOODS.len())];
    things[fastrand::usize(..things.len())].replace(' ', "%20")
}

/// The draft of a lot that ends after `lasts`.
pub fn listing(now: DateTime<Utc>, lasts: Duration) -> Value {
    let (category, things) = &GOODS[fastrand::usize(..GOODS.len())];
    let (thing, quality) = (things[fastrand::usize(..things.len())], QUALITIES[fastrand::usize(..QUALITIES.len())]);
    let start_price = fastrand::i64(1..=50) * 100;
    let buy_now_price = (fastrand::u32(..BUY_NOW_ONE_OF) == 0).then_some(start_price * 4);
    let ends_at = (now + lasts).to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({
        "title": format!("{quality} {thing}, no. {}", fastrand::u32(1..10_000)),
        "description": format!("A {quality} {thing} from an estate. It has been looked at by nobody who knows about it."),
        "category": category, "currency": "USD",
        "format": {"kind": "english", "start_price": start_price, "reserve_price": null,
                   "buy_now_price": buy_now_price, "increments": "ebay-us",
                   "soft_close": {"mode": "reset", "window_s": 5, "hard_stop_s": 30}},
        "starts_at": null, "ends_at": ends_at, "second_chance": false,
    })
}

/// A maximum of somebody who wants a lot for which `next_minimum` is asked: up to a fifth more.
pub fn maximum(next_minimum: i64) -> i64 {
    next_minimum + fastrand::i64(0..=next_minimum / 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_that_can_be_bought_at_once_asks_for_more_than_the_least_that_is_allowed() {
        let mut offered = 0;
        for _ in 0..200 {
            let draft = listing(DateTime::UNIX_EPOCH, Duration::from_secs(60));
            let (start, price) = (draft["format"]["start_price"].as_i64(), draft["format"]["buy_now_price"].as_i64());
            offered += u32::from(price.is_some());
            assert!(price.is_none_or(|price| price * 100 >= start.unwrap_or_default() * 130), "{draft}");
            assert_eq!(draft["ends_at"], "1970-01-01T00:01:00.000Z");
        }
        assert!((10..=120).contains(&offered), "{offered}");
    }

    #[test]
    fn a_word_can_stand_in_a_url_and_a_maximum_is_enough() {
        assert!((0..100).all(|_| !word().contains(' ')));
        assert!((0..100).all(|_| (100..=120).contains(&maximum(100))));
        assert_eq!(maximum(1), 1);
    }
}
