//! Faults at port calls. Every call of a port counts itself here; a planned fault strikes before the call's effect
//! or after it, when the effect is there and the caller does not learn of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use settlement_ports::StoreError;

/// On which side of the effect a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing happened.
    Before,
    /// It happened, and nobody says so.
    After,
    /// A bug: the call panics, and nothing happened.
    Panics,
}

/// The faults of one test world; all clones share them.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    log: Vec<&'static str>,
    counts: BTreeMap<&'static str, usize>,
    by_place: BTreeMap<usize, When>,
    by_name: BTreeMap<(&'static str, usize), When>,
}

/// A call that a fault struck.
#[derive(Debug)]
pub struct Faulted(String);

impl From<Faulted> for StoreError {
    fn from(fault: Faulted) -> Self {
        Self::Unavailable(fault.0)
    }
}

/// A call under way.
pub struct Entered {
    name: &'static str,
    fails_after: bool,
}

impl Entered {
    /// The effect is there; the caller learns of it unless a fault strikes.
    pub fn done(self) -> Result<(), Faulted> {
        if self.fails_after { Err(Faulted(format!("after {}", self.name))) } else { Ok(()) }
    }
}

impl Faults {
    /// Strikes at the n-th port call of all, counted from 0.
    pub fn at_call(&self, place: usize, when: When) {
        self.0.lock().unwrap().by_place.insert(place, when);
    }

    /// Strikes at the n-th call of the port with this name, counted from 0, e.g. `tx.commit`.
    pub fn at(&self, name: &'static str, nth: usize, when: When) {
        self.0.lock().unwrap().by_name.insert((name, nth), when);
    }

    /// Plans no more.
    pub fn heal(&self) {
        let mut inner = self.0.lock().unwrap();
        inner.by_place.clear();
        inner.by_name.clear();
    }

    /// The names of all port calls so far, in order.
    #[must_use]
    pub fn log(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().log.clone()
    }

    /// How many port calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.lock().unwrap().log.len()
    }

    /// Notes a call, and what is planned for it.
    fn planned(&self, name: &'static str) -> Option<When> {
        let mut inner = self.0.lock().unwrap();
        let place = inner.log.len();
        let count = inner.counts.entry(name).or_default();
        let nth = *count;
        *count += 1;
        inner.log.push(name);
        inner.by_place.remove(&place).or_else(|| inner.by_name.remove(&(name, nth)))
    }

    /// A port is called.
    pub(crate) fn enter(&self, name: &'static str) -> Result<Entered, Faulted> {
        match self.planned(name) {
            Some(When::Before) => Err(Faulted(format!("before {name}"))),
            Some(When::Panics) => panic!("a bug in {name}"),
            planned => Ok(Entered { name, fails_after: planned == Some(When::After) }),
        }
    }
}
