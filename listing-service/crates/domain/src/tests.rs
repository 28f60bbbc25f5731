//! What holds for listings, in the trade's words.

mod formats;
mod lifecycle;
mod payable;
mod relisting;
mod terms;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    fault::Fault,
    ids::{ListingId, UserId},
    listing::{Description, Listing, Refusal},
    terms::{DurationLimits, Dutch, English, Format, Increments, Preset, Sealed, SoftClose, Terms, UniformMultiUnit},
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

fn sealed() -> Sealed {
    Sealed { start_price: 100, reserve_price: None }
}

fn dutch() -> Dutch {
    Dutch { start_price: 5_000, floor_price: 1_000, step: 250, step_every_s: 30 }
}

fn units() -> UniformMultiUnit {
    let increments = Increments::Preset(Preset::EbayUk);
    let soft_close = SoftClose::Add { window_s: 60, extension_s: 90, hard_stop_s: 1_800 };
    UniformMultiUnit { start_price: 2_000, quantity: 5, increments, soft_close, decline_within_s: 86_400 }
}

fn terms() -> Terms {
    Terms {
        currency: "USD".parse().expect("a currency"),
        format: Format::English(english()),
        starts_at: None,
        ends_at: now() + TimeDelta::days(7),
        second_chance: false,
        second_chance_days: None,
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
