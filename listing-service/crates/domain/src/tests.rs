//! What holds for listings, in the trade's words.

mod lifecycle;
mod terms;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    fault::Fault,
    ids::{ListingId, UserId},
    listing::{Description, Listing, Refusal},
    terms::{DurationLimits, English, Format, Increments, Preset, SoftClose, Terms},
};

const LIMITS: DurationLimits = DurationLimits { min: TimeDelta::seconds(5), max: TimeDelta::days(30) };

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time")
}

fn english() -> English {
    English {
        start_price: 100,
        reserve_price: None,
        buy_now_price: None,
        increments: Increments::Preset(Preset::EbayUs),
        soft_close: SoftClose::Reset { window_s: 120, hard_stop_s: 3600 },
    }
}

fn terms() -> Terms {
    Terms {
        currency: "USD".parse().expect("a currency"),
        format: Format::English(english()),
        starts_at: None,
        ends_at: now() + TimeDelta::days(7),
        second_chance: false,
    }
}

fn description() -> Description {
    Description { title: "A wristwatch".into(), text: "Runs.\nWell kept.".into(), category: "watches".into() }
}

fn draft_with(description: Description, terms: Terms) -> Result<Listing, Refusal> {
    Listing::draft(ListingId(Uuid::from_u128(1)), UserId("seller".into()), description, terms, now(), LIMITS)
}

fn draft() -> Listing {
    draft_with(description(), terms()).expect("a sound draft")
}

fn faults(result: Result<impl std::fmt::Debug, Refusal>) -> Vec<Fault> {
    match result {
        Err(Refusal::Invalid(faults)) => faults,
        other => panic!("expected faults, got {other:?}"),
    }
}

fn pointers(result: Result<impl std::fmt::Debug, Refusal>) -> Vec<String> {
    faults(result).into_iter().map(|fault| fault.pointer).collect()
}
