//! Faults at any port call.

use std::sync::{Arc, Mutex, PoisonError};

use bidding_ports::error::StoreError;

/// Whether a call fails before it had its effect or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing happened.
    Before,
    /// It happened, and the caller is not told so.
    After,
}

/// Counts port calls and makes one of them fail.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    calls: Vec<&'static str>,
    fail: Option<(usize, When, StoreError)>,
}

impl Faults {
    /// The `nth` port call from now on (0 is the next) fails.
    pub fn fail(&self, nth: usize, when: When, error: StoreError) {
        let mut plan = self.plan();
        let at = plan.calls.len() + nth;
        plan.fail = Some((at, when, error));
    }

    /// The names of all calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.plan().calls.clone()
    }

    pub(crate) fn enter(&self, call: &'static str) -> Result<Pending, StoreError> {
        let mut plan = self.plan();
        let number = plan.calls.len();
        plan.calls.push(call);
        match plan.fail.take_if(|(at, ..)| *at == number) {
            Some((_, When::Before, error)) => Err(error),
            Some((_, When::After, error)) => Ok(Pending(Some(error))),
            None => Ok(Pending(None)),
        }
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was let in.
pub(crate) struct Pending(Option<StoreError>);

impl Pending {
    pub(crate) fn done<T>(self, value: T) -> Result<T, StoreError> {
        self.0.map_or(Ok(value), Err)
    }
}
