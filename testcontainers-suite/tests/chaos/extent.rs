//! How much is tried: a few faults for seconds in every test run, or all of them for as long as they last in life.

use std::{
    env::{self, VarError},
    time::Duration,
};

use anyhow::{Result, bail};

/// Says how much: `short`, which is the default, or `all`.
const VARIABLE: &str = "OUTCRY_CHAOS";

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// A few, briefly.
    Short,
    /// All.
    All,
}

impl Extent {
    /// What the environment says.
    pub fn of_environment() -> Result<Self> {
        match env::var(VARIABLE).as_deref() {
            Ok("" | "short") | Err(VarError::NotPresent) => Ok(Self::Short),
            Ok("all") => Ok(Self::All),
            Ok(other) => bail!("{VARIABLE} is {other:?}, and must be short or all"),
            Err(fault) => bail!("{VARIABLE}: {fault}"),
        }
    }

    /// Seconds in a test run, or when all is tried.
    pub const fn lasts(self, short: u64, all: u64) -> Duration {
        Duration::from_secs(match self {
            Self::Short => short,
            Self::All => all,
        })
    }
}
