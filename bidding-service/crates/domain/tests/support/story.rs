//! An auction of each format in which everything happens that can.

use bidding_domain::{english::EnglishTerms, format::FormatTerms, soft_close::SoftClose, uniform::UniformTerms};

use super::{
    IntoFormat, Room, amount, downtime, dutch, first_price, five_units, flat, halt, lot, scheduled_until, vickrey,
};

/// The stories' auctions last two days.
pub const STORY_S: i64 = 172_800;

/// The lots of the stories, one of each format.
pub fn story_lots() -> [FormatTerms; 5] {
    let soft_close = SoftClose::Add { window_s: 60, extension_s: 90, hard_stop_s: 3_600 };
    let english = EnglishTerms { reserve_price: Some(amount(1_500)), soft_close, ..lot(500, flat(100)) };
    let units = UniformTerms { soft_close, ..five_units() };
    [
        english.into_format(),
        first_price(500, Some(1_500)),
        vickrey(500, Some(1_500)),
        dutch().into_format(),
        units.into_format(),
    ]
}

/// Opens, is bid on, loses a bid, rests three times, is bid on in the last minute, and closes.
pub fn story(format: FormatTerms) -> Room {
    let is_dutch = matches!(format, FormatTerms::Dutch(_));
    let mut room = Room::from(scheduled_until(STORY_S, format));
    room.catch_up_at(0, &[]);
    if !is_dutch {
        room.bid_units_at(5, "ann", 2_000, 1).unwrap();
        let bid = room.bid_units_at(6, "bob", 2_500, 1).unwrap();
        room.bid_units_at(7, "cay", 3_210, 1).unwrap();
        room.retract_at(9, "bob", bid.id).unwrap();
    }
    room.pause_at(20).unwrap();
    room.resume_at(40).unwrap();
    room.catch_up_at(110, &[halt(1, 100, None)]);
    room.catch_up_at(210, &[halt(1, 100, Some(200))]);
    room.catch_up_at(320, &[halt(1, 100, Some(200)), halt(2, 300, Some(310))]);
    let end = room.ends_s();
    room.catch_up_at(end + 70, &[downtime(3, end - 10, end + 60)]);
    let end = room.ends_s();
    room.bid_at(end - 5, "dan", 9_900).unwrap();
    if !is_dutch {
        room.close();
    }
    room
}
