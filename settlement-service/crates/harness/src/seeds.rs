//! Random histories by seed: the same seed plays the same history, today and on any machine.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Histories of a normal test run, all tests together; `OUTCRY_SEEDS` asks for another number.
pub const NORMAL_RUN: u64 = 10_000;

/// Dice that fall as their seed wills (`SplitMix64`, Steele, Lea and Flood 2014).
pub struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let place = self.roll(from.len() as u64);
        from[usize::try_from(place).unwrap()]
    }

    /// True so often in a hundred.
    pub fn falls(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// Plays a test's share of the histories, in percent of all. A history that fails is named by its seed;
/// `OUTCRY_SEED=<seed>` plays that one alone.
pub fn histories(share_percent: u64, play: impl Fn(&mut Dice)) {
    if let Some(seed) = number("OUTCRY_SEED") {
        play(&mut Dice::new(seed));
        return;
    }
    let count = number("OUTCRY_SEEDS").unwrap_or(NORMAL_RUN) * share_percent / 100;
    for seed in 0..count.max(1) {
        if let Err(failure) = catch_unwind(AssertUnwindSafe(|| play(&mut Dice::new(seed)))) {
            eprintln!("the history of seed {seed} failed; play it again with OUTCRY_SEED={seed}");
            resume_unwind(failure);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.trim().parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, and must be a number")))
}
