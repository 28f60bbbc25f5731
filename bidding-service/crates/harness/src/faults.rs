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

/// Counts port calls and makes some of them fail.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    calls: Vec<&'static str>,
    faults: Vec<Fault>,
    panics: Vec<&'static str>,
}

#[derive(Debug)]
struct Fault {
    which: Which,
    when: When,
    error: StoreError,
}

#[derive(Debug)]
enum Which {
    /// The call of this number.
    Number(usize),
    /// The next call of this name.
    Named(&'static str),
}

impl Faults {
    /// The `nth` port call from now on (0 is the next) fails.
    pub fn fail(&self, nth: usize, when: When, error: StoreError) {
        let mut plan = self.plan();
        let which = Which::Number(plan.calls.len() + nth);
        plan.faults.push(Fault { which, when, error });
    }

    /// The next call of a port's method fails. Said twice, the next two fail.
    pub fn fail_next(&self, call: &'static str, when: When, error: StoreError) {
        self.plan().faults.push(Fault { which: Which::Named(call), when, error });
    }

    /// The next call of a port's method panics, as a bug would.
    pub fn panic_next(&self, call: &'static str) {
        self.plan().panics.push(call);
    }

    /// The names of all calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<&'static str> {
        self.plan().calls.clone()
    }

    /// How often a port's method was called so far.
    #[must_use]
    pub fn count(&self, call: &str) -> usize {
        self.plan().calls.iter().filter(|name| **name == call).count()
    }

    pub(crate) fn enter(&self, call: &'static str) -> Result<Pending, StoreError> {
        let panics = {
            let mut plan = self.plan();
            let planned = plan.panics.iter().position(|name| *name == call);
            planned.map(|place| plan.panics.remove(place)).is_some()
        };
        assert!(!panics, "the planned panic in {call}");
        let mut plan = self.plan();
        let number = plan.calls.len();
        plan.calls.push(call);
        let hit = plan.faults.iter().position(|fault| match fault.which {
            Which::Number(at) => at == number,
            Which::Named(name) => name == call,
        });
        match hit.map(|at| plan.faults.remove(at)) {
            Some(Fault { when: When::Before, error, .. }) => Err(error),
            Some(Fault { when: When::After, error, .. }) => Ok(Pending(Some(error))),
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
