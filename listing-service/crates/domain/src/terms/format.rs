//! The ways of selling, and what each demands of its terms. Amounts are minor units.

use serde::{Deserialize, Serialize};

use super::{increments::Increments, require_payable, soft_close::SoftClose};
use crate::{
    fault::Faults,
    money::{Amount, Currency, MAX_AMOUNT},
};

/// Most units of a multi-unit auction.
pub const MAX_QUANTITY: u32 = 100;
/// Longest time in which a partial award may be declined: a week.
pub const MAX_DECLINE_WITHIN_S: u32 = 604_800;
/// Buying at once costs at least so many percent of the start price.
const BUY_NOW_PERCENT: i128 = 130;

/// How a lot is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Format {
    /// Ascending, with proxy bidding.
    English(English),
    /// Sealed: the highest bid wins and is paid.
    SealedFirstPrice(Sealed),
    /// Sealed: the highest bid wins, the second highest is paid.
    Vickrey(Sealed),
    /// Descending: the first to accept the price wins.
    Dutch(Dutch),
    /// Ascending, for several equal units at one price.
    UniformMultiUnit(UniformMultiUnit),
}

/// Terms of an ascending auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct English {
    /// The first bid must reach it.
    pub start_price: Amount,
    /// Hidden; below it the lot is not sold.
    pub reserve_price: Option<Amount>,
    /// Price at which a buyer may end the auction at once.
    pub buy_now_price: Option<Amount>,
    /// By how much a bid must exceed the price.
    pub increments: Increments,
    /// How late bids extend the auction.
    pub soft_close: SoftClose,
}

/// Terms of a sealed auction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// A bid must reach it.
    pub start_price: Amount,
    /// Hidden; below it the lot is not sold.
    pub reserve_price: Option<Amount>,
}

/// Terms of a descending auction: after `t` seconds the price is
/// `max(floor_price, start_price − step × ⌊t / step_every_s⌋)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dutch {
    /// The price at the opening.
    pub start_price: Amount,
    /// The price falls no further.
    pub floor_price: Amount,
    /// By how much it falls at a time.
    pub step: Amount,
    /// Seconds from one fall to the next.
    pub step_every_s: u32,
}

/// Terms of an ascending auction of several equal units; amounts mean one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniformMultiUnit {
    /// A bid must reach it.
    pub start_price: Amount,
    /// How many units there are.
    pub quantity: u32,
    /// By how much a bid must exceed the price.
    pub increments: Increments,
    /// How late bids extend the auction.
    pub soft_close: SoftClose,
    /// Seconds after the close in which a partial award may be declined; 0: never.
    pub decline_within_s: u32,
}

impl Format {
    /// The price that a lot starts at.
    #[must_use]
    pub fn start_price(&self) -> Amount {
        match self {
            Self::English(english) => english.start_price,
            Self::SealedFirstPrice(sealed) | Self::Vickrey(sealed) => sealed.start_price,
            Self::Dutch(dutch) => dutch.start_price,
            Self::UniformMultiUnit(units) => units.start_price,
        }
    }

    /// The hidden reserve, where the format has one and the seller set it.
    #[must_use]
    pub fn reserve_price(&self) -> Option<Amount> {
        match self {
            Self::English(english) => english.reserve_price,
            Self::SealedFirstPrice(sealed) | Self::Vickrey(sealed) => sealed.reserve_price,
            Self::Dutch(_) | Self::UniformMultiUnit(_) => None,
        }
    }

    /// The format as strangers may see it.
    #[must_use]
    pub fn without_reserve(mut self) -> Self {
        match &mut self {
            Self::English(english) => english.reserve_price = None,
            Self::SealedFirstPrice(sealed) | Self::Vickrey(sealed) => sealed.reserve_price = None,
            Self::Dutch(_) | Self::UniformMultiUnit(_) => {}
        }
        self
    }

    /// Whether bids are a secret until the close.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        matches!(self, Self::SealedFirstPrice(_) | Self::Vickrey(_))
    }

    pub(super) fn check(&self, currency: Currency, faults: &mut Faults) {
        require_amount(self.start_price(), "start_price", currency, faults);
        check_reserve(self.reserve_price(), self.start_price(), currency, faults);
        match self {
            Self::English(english) => english.check(currency, faults),
            Self::SealedFirstPrice(_) | Self::Vickrey(_) => {}
            Self::Dutch(dutch) => dutch.check(currency, faults),
            Self::UniformMultiUnit(units) => units.check(currency, faults),
        }
    }
}

fn is_amount(amount: Amount) -> bool {
    (1..=MAX_AMOUNT).contains(&amount)
}

fn require_amount(amount: Amount, member: &str, currency: Currency, faults: &mut Faults) {
    let pointer = format!("/format/{member}");
    let detail = format!("must lie between 1 and {MAX_AMOUNT} minor units");
    faults.require(is_amount(amount), &pointer, detail);
    require_payable(amount, currency, &pointer, faults);
}

fn check_reserve(reserve: Option<Amount>, start_price: Amount, currency: Currency, faults: &mut Faults) {
    let Some(reserve) = reserve else { return };
    require_amount(reserve, "reserve_price", currency, faults);
    faults.require(
        reserve >= start_price,
        "/format/reserve_price",
        "must not lie below the start price; send null for no reserve",
    );
}

impl English {
    fn check(&self, currency: Currency, faults: &mut Faults) {
        if let Some(buy_now) = self.buy_now_price {
            self.check_buy_now(buy_now, currency, faults);
        }
        self.increments.check(currency, self.start_price, faults);
        self.soft_close.check(faults);
    }

    /// Buying at once must be worth more than the start: at least 30 % over it, and not below the reserve.
    fn check_buy_now(&self, buy_now: Amount, currency: Currency, faults: &mut Faults) {
        let pointer = "/format/buy_now_price";
        require_amount(buy_now, "buy_now_price", currency, faults);
        if is_amount(self.start_price) {
            let unit = currency.payable_unit().map_or(1, |unit| i128::from(unit.get()));
            let least = (i128::from(self.start_price) * BUY_NOW_PERCENT + 100 * unit - 1) / (100 * unit) * unit;
            faults.require(
                i128::from(buy_now) >= least,
                pointer,
                format!("must be at least {least}, {BUY_NOW_PERCENT} % of the start price; send null for no buy-now"),
            );
        }
        faults.require(
            self.reserve_price.is_none_or(|reserve| buy_now >= reserve),
            pointer,
            "must not lie below the reserve price",
        );
    }
}

impl Dutch {
    fn check(&self, currency: Currency, faults: &mut Faults) {
        require_amount(self.floor_price, "floor_price", currency, faults);
        faults.require(
            self.floor_price < self.start_price,
            "/format/floor_price",
            "must lie below the start price, from which the price falls",
        );
        require_amount(self.step, "step", currency, faults);
        faults.require(self.step_every_s >= 1, "/format/step_every_s", "must be at least 1 second");
    }
}

impl UniformMultiUnit {
    fn check(&self, currency: Currency, faults: &mut Faults) {
        faults.require(
            (2..=MAX_QUANTITY).contains(&self.quantity),
            "/format/quantity",
            format!("must lie between 2 and {MAX_QUANTITY} units; sell a single one in another format"),
        );
        self.increments.check(currency, self.start_price, faults);
        self.soft_close.check(faults);
        faults.require(
            self.decline_within_s <= MAX_DECLINE_WITHIN_S,
            "/format/decline_within_s",
            format!("must lie between 0 (nothing can be declined) and {MAX_DECLINE_WITHIN_S} seconds"),
        );
    }
}
