//! What the simulated gateway does wrong, on demand: by the names of payment methods, or for so many of a thousand calls.
//!
//! | payment method | what an authorization does |
//! |---|---|
//! | `pm_card_visa`, `pm_card_mastercard` | succeeds |
//! | `pm_card_chargeDeclined` | is declined: `card_declined` |
//! | `pm_card_chargeDeclinedInsufficientFunds` | is declined: `insufficient_funds` |
//! | `pm_card_chargeDeclinedExpiredCard` | is declined: `expired_card` |
//! | `pm_card_createDispute` | succeeds, and once it is captured the buyer's bank takes the money back, which is told by webhook; its refund is declined: `charge_disputed` |
//! | `pm_outcry_timeoutAfterEffect` | succeeds, and the answer is lost: the result is unknown until it is asked for |
//! | `pm_outcry_timeoutBeforeEffect` | is lost on its way once: unknown, not found when asked for, succeeds when sent again |
//! | `pm_outcry_serverError` | meets a server error once, which is told at once: unknown, not found, succeeds when sent again |
//! | `pm_outcry_slow` | succeeds after two seconds |
//! | `pm_outcry_webhook` | succeeds, and is told by webhook too, like the capture after it |
//! | `pm_outcry_webhookFirst` | the same, and the webhook comes before the answer |
//! | `pm_outcry_webhookTwice` | the same, and each webhook comes twice |
//! | `pm_outcry_webhookLate` | the same, and each webhook comes two seconds late |
//! | `pm_outcry_webhookOutOfOrder` | the same, and the webhook of the authorization comes after that of the capture |
//! | `pm_outcry_webhookOnly` | succeeds, the answer is lost, and only the webhook tells |
//! | anything else | is declined: `invalid_payment_method` |

use std::str::FromStr;
use std::time::Duration;

use settlement_domain::{CallKey, Operation};
use sha2::{Digest, Sha256};

/// How late a webhook is that is late, and how slow a slow call.
pub const LATE: Duration = Duration::from_secs(2);

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is lost on its way, once.
    Lost,
    /// It is done and its answer is lost.
    Unheard,
    /// It is declined, whatever it is.
    Declined,
}

/// How a call is told by webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// At once.
    Once,
    /// Before the answer.
    First,
    /// At once and again.
    Twice,
    /// [`LATE`].
    Late,
}

/// What a method does to an authorization, how authorization and capture are told by webhook, and whether the buyer's bank
/// takes back what was captured.
struct Behaviour {
    fault: Option<Fault>,
    authorized: Option<Telling>,
    captured: Option<Telling>,
    disputed: bool,
}

/// What pays and is not told of.
const SILENT: Behaviour = Behaviour { fault: None, authorized: None, captured: None, disputed: false };

const fn fails(fault: Fault) -> Behaviour {
    Behaviour { fault: Some(fault), ..SILENT }
}

const fn tells(authorized: Telling, captured: Telling) -> Behaviour {
    Behaviour { authorized: Some(authorized), captured: Some(captured), ..SILENT }
}

const SLOW: &str = "pm_outcry_slow";

fn behaviour(method: &str) -> Option<Behaviour> {
    Some(match method {
        "pm_outcry_timeoutBeforeEffect" | "pm_outcry_serverError" => fails(Fault::Lost),
        "pm_outcry_timeoutAfterEffect" => fails(Fault::Unheard),
        SLOW => SILENT,
        "pm_card_createDispute" => Behaviour { disputed: true, ..SILENT },
        "pm_outcry_webhook" => tells(Telling::Once, Telling::Once),
        "pm_outcry_webhookFirst" => tells(Telling::First, Telling::First),
        "pm_outcry_webhookTwice" => tells(Telling::Twice, Telling::Twice),
        "pm_outcry_webhookLate" => tells(Telling::Late, Telling::Late),
        "pm_outcry_webhookOutOfOrder" => tells(Telling::Late, Telling::Once),
        "pm_outcry_webhookOnly" => Behaviour { fault: Some(Fault::Unheard), ..tells(Telling::Once, Telling::Once) },
        _ => return None,
    })
}

/// Whether a method that pays does more than that.
pub(crate) fn is_known(method: &str) -> bool {
    behaviour(method).is_some()
}

/// Whether the buyer's bank takes back what was captured by a method.
pub(crate) fn is_disputed(method: &str) -> bool {
    behaviour(method).is_some_and(|behaviour| behaviour.disputed)
}

/// Which calls go wrong, for calls whose payment method does not say: the same ones in each run with the same seed, and
/// in whatever order they come. Numbers are of a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    seed: u64,
    slow_ms: u64,
    lost: u64,
    unheard: u64,
    declined: u64,
    webhook: u64,
    webhook_first: u64,
    webhook_twice: u64,
    webhook_late: u64,
}

/// A list of faults that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFaults {
    /// Not `name=number`, or an unknown name.
    #[error(
        "{0:?} is not seed, slow_ms, timeout_before, timeout_after, decline, webhook, webhook_first, webhook_twice or webhook_late, each =number"
    )]
    Member(String),
    /// More than a thousand of a thousand.
    #[error("more than 1000 of 1000 calls are to go wrong, or to be told by webhook")]
    Sum,
    /// Calls this slow would be given up on.
    #[error("slow_ms is at most 5000")]
    Slow,
}

impl FromStr for Faults {
    type Err = InvalidFaults;

    /// Reads `slow_ms=5,timeout_after=10,seed=7`; what is not named is 0.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut faults = Self::default();
        for member in text.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            let bad = || InvalidFaults::Member(member.to_owned());
            let (name, number) = member.split_once('=').ok_or_else(bad)?;
            let place = match name.trim() {
                "seed" => &mut faults.seed,
                "slow_ms" => &mut faults.slow_ms,
                "timeout_before" => &mut faults.lost,
                "timeout_after" => &mut faults.unheard,
                "decline" => &mut faults.declined,
                "webhook" => &mut faults.webhook,
                "webhook_first" => &mut faults.webhook_first,
                "webhook_twice" => &mut faults.webhook_twice,
                "webhook_late" => &mut faults.webhook_late,
                _ => return Err(bad()),
            };
            *place = number.trim().parse().map_err(|_| bad())?;
        }
        let within = |shares: &[u64]| {
            shares.iter().try_fold(0_u64, |sum, share| sum.checked_add(*share)).is_some_and(|sum| sum <= 1000)
        };
        let webhooks = [faults.webhook, faults.webhook_first, faults.webhook_twice, faults.webhook_late];
        if !within(&[faults.lost, faults.unheard, faults.declined]) || !within(&webhooks) {
            return Err(InvalidFaults::Sum);
        }
        if faults.slow_ms > 5000 { Err(InvalidFaults::Slow) } else { Ok(faults) }
    }
}

impl Faults {
    /// How long an answer takes.
    pub(crate) fn slowness(&self, method: &str) -> Duration {
        if method == SLOW { LATE } else { Duration::from_millis(self.slow_ms) }
    }

    /// What goes wrong with a call; the method is that of an authorization.
    pub(crate) fn of(&self, key: &CallKey, method: &str) -> Option<Fault> {
        if let Some(behaviour) = behaviour(method) {
            return behaviour.fault;
        }
        let shares = [(self.lost, Fault::Lost), (self.unheard, Fault::Unheard), (self.declined, Fault::Declined)];
        pick(self.roll("fault", key), &shares)
    }

    /// How a call is told by webhook, if it is; the method is that of an authorization or of what it held.
    pub(crate) fn telling(&self, key: &CallKey, operation: Operation, method: &str) -> Option<Telling> {
        match (behaviour(method), operation) {
            (Some(behaviour), Operation::Authorize) => return behaviour.authorized,
            (Some(behaviour), Operation::Capture) => return behaviour.captured,
            _ => {}
        }
        let shares = [
            (self.webhook, Telling::Once),
            (self.webhook_first, Telling::First),
            (self.webhook_twice, Telling::Twice),
            (self.webhook_late, Telling::Late),
        ];
        pick(self.roll("webhook", key), &shares)
    }

    /// 0 to 999, by seed and key alone.
    fn roll(&self, what: &str, key: &CallKey) -> u64 {
        let hash = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(what).chain_update(key.as_str());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize()[..8]);
        u64::from_be_bytes(first) % 1000
    }
}

fn pick<T: Copy>(mut roll: u64, shares: &[(u64, T)]) -> Option<T> {
    for (share, what) in shares {
        if roll < *share {
            return Some(*what);
        }
        roll -= share;
    }
    None
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn keys() -> impl Iterator<Item = CallKey> {
        (0..2000).map(|number| {
            CallKey::new(settlement_domain::SettlementId::from(Uuid::from_u128(number)), Operation::Refund, 1)
        })
    }

    #[test]
    fn the_same_seed_brings_the_same_faults_and_about_as_many_as_were_asked_for() {
        let faults: Faults = "timeout_before=100, timeout_after=100,seed=7".parse().unwrap();
        let other: Faults = "timeout_before=100,timeout_after=100,seed=8".parse().unwrap();
        let drawn: Vec<_> = keys().map(|key| faults.of(&key, "")).collect();
        assert_eq!(drawn, keys().map(|key| faults.of(&key, "")).collect::<Vec<_>>());
        assert_ne!(drawn, keys().map(|key| other.of(&key, "")).collect::<Vec<_>>());
        let lost = drawn.iter().filter(|fault| **fault == Some(Fault::Lost)).count();
        assert!((150..250).contains(&lost), "{lost} of 2000");
        assert!(keys().all(|key| faults.telling(&key, Operation::Refund, "").is_none()));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!("".parse(), Ok(Faults::default()));
        for bad in ["slow", "slow_ms=fast", "tomorrow=1", "seed=-1"] {
            assert!(matches!(bad.parse::<Faults>(), Err(InvalidFaults::Member(_))), "{bad}");
        }
        assert_eq!("timeout_before=600,decline=600".parse::<Faults>(), Err(InvalidFaults::Sum));
        assert_eq!("webhook=18446744073709551615,webhook_late=1".parse::<Faults>(), Err(InvalidFaults::Sum));
        assert_eq!("slow_ms=5001".parse::<Faults>(), Err(InvalidFaults::Slow));
    }
}
