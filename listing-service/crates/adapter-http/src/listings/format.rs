//! How a lot is sold, as the API takes and shows it: objects told apart by `kind`, and soft closes by `mode`.

use listing_domain::terms::{self, Format, Increments, Preset, SoftClose, Tier};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::tagged;

/// The tag of one variant: a string that has one value.
macro_rules! tags {
    ($($name:ident = $value:literal),+ $(,)?) => {$(
        #[doc = concat!("Always `", $value, "`.")]
        #[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            #[default]
            #[doc = concat!("`", $value, "`")]
            #[serde(rename = $value)]
            #[schema(rename = $value)]
            Only,
        }
    )+};
}

tags! {
    EnglishKind = "english",
    SealedFirstPriceKind = "sealed_first_price",
    VickreyKind = "vickrey",
    DutchKind = "dutch",
    UniformMultiUnitKind = "uniform_multi_unit",
    OffMode = "off",
    ResetMode = "reset",
    AddMode = "add",
}

/// How a lot is sold, by `kind`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(discriminator(property_name = "kind", mapping(
    ("english" = "#/components/schemas/EnglishFormat"),
    ("sealed_first_price" = "#/components/schemas/SealedFirstPriceFormat"),
    ("vickrey" = "#/components/schemas/VickreyFormat"),
    ("dutch" = "#/components/schemas/DutchFormat"),
    ("uniform_multi_unit" = "#/components/schemas/UniformMultiUnitFormat"),
)))]
pub enum AuctionFormat {
    /// Ascending, with proxy bidding.
    English(EnglishFormat),
    /// Sealed; the highest bid wins and is paid.
    SealedFirstPrice(SealedFirstPriceFormat),
    /// Sealed; the highest bid wins and the second highest is paid.
    Vickrey(VickreyFormat),
    /// The price falls until somebody takes it.
    Dutch(DutchFormat),
    /// Several equal units at one price.
    UniformMultiUnit(UniformMultiUnitFormat),
}

impl<'de> Deserialize<'de> for AuctionFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const KINDS: [&str; 5] = ["english", "sealed_first_price", "vickrey", "dutch", "uniform_multi_unit"];
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let read = |kind: &str, text: &str| match kind {
            "english" => tagged::read(text).map(Self::English),
            "sealed_first_price" => tagged::read(text).map(Self::SealedFirstPrice),
            "vickrey" => tagged::read(text).map(Self::Vickrey),
            "dutch" => tagged::read(text).map(Self::Dutch),
            _ => tagged::read(text).map(Self::UniformMultiUnit),
        };
        tagged::tag(raw.get(), "kind", &KINDS).and_then(|kind| read(kind, raw.get())).map_err(D::Error::custom)
    }
}

/// An ascending auction with proxy bidding.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnglishFormat {
    #[schema(inline)]
    kind: EnglishKind,
    /// The first bid must reach it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 100)]
    start_price: i64,
    /// Hidden from everybody but the seller; below it the lot is not sold.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = json!(null))]
    reserve_price: Option<i64>,
    /// Whoever pays it first ends the auction at once: at least 130 % of the start price and not below the reserve.
    /// It is gone with the first bid, or, where there is a reserve, once the price has reached that.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = json!(null))]
    buy_now_price: Option<i64>,
    /// By how much a bid must exceed the price.
    increments: IncrementTable,
    /// How late bids extend the auction.
    soft_close: SoftCloseRule,
}

/// A sealed auction: the highest bid wins and is paid, the earliest of equal ones. Nothing is shown before the close.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedFirstPriceFormat {
    #[schema(inline)]
    kind: SealedFirstPriceKind,
    /// A bid must reach it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 100)]
    start_price: i64,
    /// Hidden from everybody but the seller; below it the lot is not sold.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = json!(null))]
    reserve_price: Option<i64>,
}

/// A sealed auction: the highest bid wins and pays the highest of start price, reserve and second bid. Nothing is shown
/// before the close.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VickreyFormat {
    #[schema(inline)]
    kind: VickreyKind,
    /// A bid must reach it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 100)]
    start_price: i64,
    /// Hidden from everybody but the seller; below it the lot is not sold.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = json!(null))]
    reserve_price: Option<i64>,
}

/// A descending auction: `t` seconds after its opening the price is
/// `max(floor_price, start_price − step × ⌊t / step_every_s⌋)`, and the first to accept it wins.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DutchFormat {
    #[schema(inline)]
    kind: DutchKind,
    /// The price at the opening.
    #[schema(minimum = 2, maximum = 9_007_199_254_740_991_i64, example = 5000)]
    start_price: i64,
    /// The price falls no further; below the start price.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_990_i64, example = 1000)]
    floor_price: i64,
    /// By how much the price falls at a time.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 250)]
    step: i64,
    /// Seconds from one fall to the next.
    #[schema(minimum = 1, example = 30)]
    step_every_s: u32,
}

/// An ascending auction of several equal units, which all winners get at one price. Amounts mean one unit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UniformMultiUnitFormat {
    #[schema(inline)]
    kind: UniformMultiUnitKind,
    /// A bid must reach it.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 100)]
    start_price: i64,
    /// How many units there are.
    #[schema(minimum = 2, maximum = 100, example = 5)]
    quantity: u32,
    /// By how much a bid must exceed the price.
    increments: IncrementTable,
    /// How late bids extend the auction.
    soft_close: SoftCloseRule,
    /// Seconds after the close in which a bidder who gets fewer units than wanted may decline them; 0: never.
    #[schema(minimum = 0, maximum = 604_800, example = 86400)]
    decline_within_s: u32,
}

/// A preset's name (`ebay-us`, `ebay-uk`, `trade-me`) or an own table.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(example = "ebay-us")]
pub enum IncrementTable {
    /// A published table; needs a currency of which hundredths can be paid.
    Preset(IncrementPreset),
    /// Ascending tiers, the first from 0, at most 50. Start price and largest increment together stay an amount.
    Tiers(Vec<IncrementTier>),
}

impl<'de> Deserialize<'de> for IncrementTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().trim_start().chars().next() {
            Some('"') => tagged::read(raw.get()).map(Self::Preset),
            Some('[') => tagged::read(raw.get()).map(Self::Tiers),
            _ => Err("expected a preset's name or an array of tiers".to_owned()),
        }
        .map_err(D::Error::custom)
    }
}

/// Published increment tables.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IncrementPreset {
    /// eBay, United States.
    EbayUs,
    /// eBay, United Kingdom.
    EbayUk,
    /// Trade Me, New Zealand.
    TradeMe,
}

/// From this price on, a bid must exceed the price by this much.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IncrementTier {
    /// Inclusive lower bound of the price.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 0)]
    from: i64,
    /// Positive.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 50)]
    increment: i64,
}

/// How late bids extend the auction, by `mode`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(discriminator(property_name = "mode", mapping(
    ("off" = "#/components/schemas/SoftCloseOff"),
    ("reset" = "#/components/schemas/SoftCloseReset"),
    ("add" = "#/components/schemas/SoftCloseAdd"),
)))]
pub enum SoftCloseRule {
    /// The end stands.
    Off(SoftCloseOff),
    /// Late bids leave so much time after them.
    Reset(SoftCloseReset),
    /// Late bids add so much time.
    Add(SoftCloseAdd),
}

impl<'de> Deserialize<'de> for SoftCloseRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let read = |mode: &str, text: &str| match mode {
            "off" => tagged::read(text).map(Self::Off),
            "reset" => tagged::read(text).map(Self::Reset),
            _ => tagged::read(text).map(Self::Add),
        };
        let modes = ["off", "reset", "add"];
        tagged::tag(raw.get(), "mode", &modes).and_then(|mode| read(mode, raw.get())).map_err(D::Error::custom)
    }
}

/// The end stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftCloseOff {
    #[schema(inline)]
    mode: OffMode,
}

/// A bid in the last `window_s` seconds sets the end to the bid's time plus `window_s`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftCloseReset {
    #[schema(inline)]
    mode: ResetMode,
    /// Seconds.
    #[schema(minimum = 1, maximum = 86400, example = 120)]
    window_s: u32,
    /// The end is never later than the original end plus so many seconds.
    #[schema(minimum = 1, maximum = 86400, example = 3600)]
    hard_stop_s: u32,
}

/// Each bid in the last `window_s` seconds adds `extension_s` seconds to the end as it stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SoftCloseAdd {
    #[schema(inline)]
    mode: AddMode,
    /// Seconds.
    #[schema(minimum = 1, maximum = 86400, example = 60)]
    window_s: u32,
    /// Seconds.
    #[schema(minimum = 1, maximum = 86400, example = 90)]
    extension_s: u32,
    /// The end is never later than the original end plus so many seconds.
    #[schema(minimum = 1, maximum = 86400, example = 3600)]
    hard_stop_s: u32,
}

impl From<AuctionFormat> for Format {
    fn from(format: AuctionFormat) -> Self {
        match format {
            AuctionFormat::English(english) => Self::English(terms::English {
                start_price: english.start_price,
                reserve_price: english.reserve_price,
                buy_now_price: english.buy_now_price,
                increments: english.increments.into(),
                soft_close: english.soft_close.into(),
            }),
            AuctionFormat::SealedFirstPrice(SealedFirstPriceFormat { start_price, reserve_price, .. }) => {
                Self::SealedFirstPrice(terms::Sealed { start_price, reserve_price })
            }
            AuctionFormat::Vickrey(VickreyFormat { start_price, reserve_price, .. }) => {
                Self::Vickrey(terms::Sealed { start_price, reserve_price })
            }
            AuctionFormat::Dutch(DutchFormat { start_price, floor_price, step, step_every_s, .. }) => {
                Self::Dutch(terms::Dutch { start_price, floor_price, step, step_every_s })
            }
            AuctionFormat::UniformMultiUnit(units) => Self::UniformMultiUnit(terms::UniformMultiUnit {
                start_price: units.start_price,
                quantity: units.quantity,
                increments: units.increments.into(),
                soft_close: units.soft_close.into(),
                decline_within_s: units.decline_within_s,
            }),
        }
    }
}

impl From<&Format> for AuctionFormat {
    fn from(format: &Format) -> Self {
        match format {
            Format::English(english) => Self::English(EnglishFormat {
                kind: EnglishKind::Only,
                start_price: english.start_price,
                reserve_price: english.reserve_price,
                buy_now_price: english.buy_now_price,
                increments: (&english.increments).into(),
                soft_close: english.soft_close.into(),
            }),
            Format::SealedFirstPrice(terms::Sealed { start_price, reserve_price }) => {
                let (start_price, reserve_price) = (*start_price, *reserve_price);
                let kind = SealedFirstPriceKind::Only;
                Self::SealedFirstPrice(SealedFirstPriceFormat { kind, start_price, reserve_price })
            }
            Format::Vickrey(terms::Sealed { start_price, reserve_price }) => {
                let (start_price, reserve_price) = (*start_price, *reserve_price);
                Self::Vickrey(VickreyFormat { kind: VickreyKind::Only, start_price, reserve_price })
            }
            Format::Dutch(dutch) => Self::Dutch(DutchFormat {
                kind: DutchKind::Only,
                start_price: dutch.start_price,
                floor_price: dutch.floor_price,
                step: dutch.step,
                step_every_s: dutch.step_every_s,
            }),
            Format::UniformMultiUnit(units) => Self::UniformMultiUnit(UniformMultiUnitFormat {
                kind: UniformMultiUnitKind::Only,
                start_price: units.start_price,
                quantity: units.quantity,
                increments: (&units.increments).into(),
                soft_close: units.soft_close.into(),
                decline_within_s: units.decline_within_s,
            }),
        }
    }
}

impl From<IncrementTable> for Increments {
    fn from(table: IncrementTable) -> Self {
        match table {
            IncrementTable::Preset(IncrementPreset::EbayUs) => Self::Preset(Preset::EbayUs),
            IncrementTable::Preset(IncrementPreset::EbayUk) => Self::Preset(Preset::EbayUk),
            IncrementTable::Preset(IncrementPreset::TradeMe) => Self::Preset(Preset::TradeMe),
            IncrementTable::Tiers(tiers) => Self::Table(
                tiers.into_iter().map(|IncrementTier { from, increment }| Tier { from, increment }).collect(),
            ),
        }
    }
}

impl From<&Increments> for IncrementTable {
    fn from(increments: &Increments) -> Self {
        match increments {
            Increments::Preset(Preset::EbayUs) => Self::Preset(IncrementPreset::EbayUs),
            Increments::Preset(Preset::EbayUk) => Self::Preset(IncrementPreset::EbayUk),
            Increments::Preset(Preset::TradeMe) => Self::Preset(IncrementPreset::TradeMe),
            Increments::Table(tiers) => {
                Self::Tiers(tiers.iter().map(|&Tier { from, increment }| IncrementTier { from, increment }).collect())
            }
        }
    }
}

impl From<SoftCloseRule> for SoftClose {
    fn from(rule: SoftCloseRule) -> Self {
        match rule {
            SoftCloseRule::Off(_) => Self::Off,
            SoftCloseRule::Reset(SoftCloseReset { window_s, hard_stop_s, .. }) => Self::Reset { window_s, hard_stop_s },
            SoftCloseRule::Add(SoftCloseAdd { window_s, extension_s, hard_stop_s, .. }) => {
                Self::Add { window_s, extension_s, hard_stop_s }
            }
        }
    }
}

impl From<SoftClose> for SoftCloseRule {
    fn from(rule: SoftClose) -> Self {
        match rule {
            SoftClose::Off => Self::Off(SoftCloseOff { mode: OffMode::Only }),
            SoftClose::Reset { window_s, hard_stop_s } => {
                Self::Reset(SoftCloseReset { mode: ResetMode::Only, window_s, hard_stop_s })
            }
            SoftClose::Add { window_s, extension_s, hard_stop_s } => {
                Self::Add(SoftCloseAdd { mode: AddMode::Only, window_s, extension_s, hard_stop_s })
            }
        }
    }
}
