//! Anything that can happen to an auction of any format, in any order.

use bidding_domain::{
    auction::{Auction, PausedBy},
    bid::{Ask, Refusal},
    dutch::DutchTerms,
    english::EnglishTerms,
    format::FormatTerms,
    halt::Halt,
    increments::{IncrementTable, Preset, Tier},
    soft_close::SoftClose,
    uniform::UniformTerms,
};
use proptest::{collection::vec, option, prelude::*};

use super::{IntoFormat, Room, amount, at, downtime, first_price, halt, lot, preset, scheduled_until, user, vickrey};

/// The auctions last two days, so that both rules of retraction apply.
pub const PLAY_S: i64 = 172_800;
const BIDDERS: [&str; 5] = ["ann", "bob", "cay", "dan", super::SELLER];

/// Something that is tried.
#[derive(Debug, Clone)]
pub enum Move {
    Bid {
        bidder: usize,
        max: i64,
        quantity: u32,
    },
    BuyNow {
        bidder: usize,
    },
    /// Of one of the bids that stand, by its bidder.
    Retract {
        bid: usize,
    },
    Pause,
    /// The operator lets all auctions go on, or this one if they are not paused.
    Resume,
    /// The operator pauses all auctions, or lets them go on.
    Halt,
    /// The service was down until now.
    Downtime {
        since_s: i64,
    },
    Cancel,
    Nothing,
}

/// What is tried, each so many seconds after the one before.
pub type Moves = Vec<(i64, Move)>;

pub fn tables() -> impl Strategy<Value = IncrementTable> {
    let own = vec((1..200_i64, 1..500_i64), 1..6).prop_map(|steps| {
        let mut from = 0;
        let tiers = steps.iter().map(|&(width, increment)| {
            let tier = Tier { from: amount(from), increment: amount(increment) };
            from += width;
            tier
        });
        IncrementTable::own(tiers.collect()).unwrap()
    });
    prop_oneof![Just(preset(Preset::EbayUs)), Just(preset(Preset::EbayUk)), Just(preset(Preset::TradeMe)), own]
}

pub fn soft_closes() -> impl Strategy<Value = SoftClose> {
    prop_oneof![
        Just(SoftClose::Off),
        (1..9_000_u32, 0..9_000_u32).prop_map(|(window_s, hard_stop_s)| SoftClose::Reset { window_s, hard_stop_s }),
        (1..9_000_u32, 1..900_u32, 0..9_000_u32).prop_map(|(window_s, extension_s, hard_stop_s)| SoftClose::Add {
            window_s,
            extension_s,
            hard_stop_s
        })
    ]
}

pub fn sealed_lots() -> impl Strategy<Value = FormatTerms> {
    (1..500_i64, option::of(1..2_000_i64), any::<bool>()).prop_map(|(start_price, reserve, first)| {
        if first { first_price(start_price, reserve) } else { vickrey(start_price, reserve) }
    })
}

/// Sound terms of every format.
pub fn lots() -> impl Strategy<Value = FormatTerms> {
    let english = (1..500_i64, option::of(1..2_000_i64), option::of(0..2_000_i64), tables(), soft_closes()).prop_map(
        |(start_price, reserve, above, increments, soft_close)| {
            let least = (start_price * 13 + 9) / 10;
            let buy_now_price = above.map(|above| amount(least.max(reserve.unwrap_or(0)) + above));
            let reserve_price = reserve.map(amount);
            EnglishTerms { reserve_price, buy_now_price, soft_close, ..lot(start_price, increments) }.into_format()
        },
    );
    let dutch = (1..900_i64, 1..2_000_i64, 1..400_i64, 1..9_000_u32).prop_map(|(floor, above, step, step_every_s)| {
        let (floor_price, start_price) = (amount(floor), amount(floor + above));
        DutchTerms { start_price, floor_price, step: amount(step), step_every_s }.into_format()
    });
    let units = (1..500_i64, 2..8_u32, tables(), soft_closes(), 0..2_u32).prop_map(
        |(start_price, quantity, increments, soft_close, declines)| {
            let decline_within_s = declines * 3_600;
            let start_price = amount(start_price);
            UniformTerms { start_price, quantity, increments, soft_close, decline_within_s }.into_format()
        },
    );
    prop_oneof![2 => english, 2 => sealed_lots(), 1 => dutch, 2 => units]
}

/// Moves with bids of any amount, or of round ones, which are often equal.
pub fn moves() -> impl Strategy<Value = Moves> {
    prop_oneof![moves_with(1..3_000_i64), moves_with((1..6_i64).prop_map(|max| max * 500))]
}

fn moves_with(max: impl Strategy<Value = i64>) -> impl Strategy<Value = Moves> {
    let bidder = || 0..BIDDERS.len();
    let bid = (bidder(), max, prop_oneof![3 => Just(1_u32), 1 => 0..9_u32])
        .prop_map(|(bidder, max, quantity)| Move::Bid { bidder, max, quantity });
    let one = prop_oneof![
        24 => bid,
        1 => bidder().prop_map(|bidder| Move::BuyNow { bidder }),
        4 => (0..20_usize).prop_map(|bid| Move::Retract { bid }),
        1 => Just(Move::Pause),
        6 => Just(Move::Resume),
        1 => Just(Move::Halt),
        1 => (0..9_000_i64).prop_map(|since_s| Move::Downtime { since_s }),
        1 => Just(Move::Cancel),
    ];
    let wait = prop_oneof![Just(0_i64), 0..100_i64, 0..9_000_i64];
    vec((wait, one), 0..50)
}

/// An auction in play, and what concerns all auctions.
pub struct Play {
    pub room: Room,
    halts: Vec<Halt>,
    second: i64,
}

impl Play {
    pub fn of(format: FormatTerms) -> Self {
        let mut room = Room::from(scheduled_until(PLAY_S, format));
        room.catch_up_at(0, &[]);
        Self { room, halts: Vec::new(), second: 0 }
    }

    /// Plays all moves; gives each to `check` with the auction before it and the refusal of a bid.
    pub fn all(
        format: FormatTerms,
        moves: &Moves,
        mut check: impl FnMut(&Auction, &Room, &Move, Option<Refusal>),
    ) -> Self {
        let mut play = Self::of(format);
        for (wait_s, one) in moves {
            play.wait(*wait_s);
            let before = play.room.auction.clone();
            let refusal = play.one(one);
            check(&before, &play.room, one, refusal);
        }
        play
    }

    /// Time passes, and what is due happens.
    pub fn wait(&mut self, wait_s: i64) {
        self.second += wait_s;
        self.room.catch_up_at(self.second, &self.halts);
        let _ = self.room.close_at(self.second);
    }

    pub fn one(&mut self, one: &Move) -> Option<Refusal> {
        let (room, second) = (&mut self.room, self.second);
        match *one {
            Move::Bid { bidder, max, quantity } => {
                return room.bid_units_at(second, BIDDERS[bidder], max, quantity).err();
            }
            Move::BuyNow { bidder } => return room.ask_at(second, BIDDERS[bidder], Ask::BuyNow).err(),
            Move::Retract { bid } => {
                let bids = room.bids();
                if let Some(bid) = bids.iter().cycle().nth(bid) {
                    let _ = room.retract_at(second, &bid.bidder.0, bid.id);
                }
            }
            Move::Nothing => {}
            Move::Pause => drop(room.pause_at(second)),
            Move::Resume => {
                if self.halts.iter().any(|halt| halt.until.is_none()) {
                    self.halt();
                } else {
                    let _ = room.resume_at(second);
                }
            }
            Move::Halt => self.halt(),
            Move::Downtime { since_s } => {
                let number = self.halts.len() as u64 + 1;
                // An outage begins after everything that is known to have begun.
                let known = self.halts.iter().map(|halt| halt.since).max().unwrap_or(at(0));
                let since = at(second - since_s).max(known);
                self.halts.push(Halt { since, ..downtime(number, second, second) });
                room.catch_up_at(second, &self.halts);
            }
            Move::Cancel => {
                // The seller may only before the first bid; the operator seldom does.
                let seller = user(super::SELLER);
                let _ = room.apply(second, |auction, now| {
                    if second % 7 == 0 {
                        auction.cancel_by_operator("a mistake", now)
                    } else {
                        auction.cancel(&seller, now)
                    }
                });
            }
        }
        None
    }

    fn halt(&mut self) {
        let lasting = self.halts.iter_mut().find(|halt| halt.by == PausedBy::Operator && halt.until.is_none());
        if let Some(lasting) = lasting {
            lasting.until = Some(at(self.second));
        } else {
            self.halts.push(halt(self.halts.len() as u64 + 1, self.second, None));
        }
        self.room.catch_up_at(self.second, &self.halts);
    }

    /// Everything goes on, time runs out, and what may be declined is.
    pub fn end(mut self) -> Room {
        if self.halts.iter().any(|halt| halt.until.is_none()) {
            self.halt();
        }
        let _ = self.room.resume_at(self.second);
        self.room.catch_up_at(self.second, &self.halts);
        self.second = self.second.max(self.room.ends_s());
        self.wait(0);
        for bidder in BIDDERS {
            let _ = self.room.decline_at(self.second, bidder);
        }
        assert!(self.room.auction.is_over(), "{:?}", self.room.auction.state());
        self.room
    }
}

/// A play to its end.
pub fn played(format: FormatTerms, moves: &Moves) -> Room {
    Play::all(format, moves, |_, _, _, _| {}).end()
}
