//! A circuit breaker: a gateway that fails is left alone for a while, then tried with a few calls before all go to it
//! again. Pure: time comes in with each question.
//!
//! | state | lets through | becomes |
//! |---|---|---|
//! | closed | everything | open, when enough calls of the last while failed and they are at least half of all |
//! | open | nothing | half-open, when it has rested |
//! | half-open | a few probes at a time | closed after enough that went well; open again, for twice as long, after one that failed |
//!
//! A result only counts in the state that let its call through: what comes late says nothing about the gateway now.

use std::collections::VecDeque;
use std::time::Duration;

/// When to open, for how long, and what it takes to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Only calls of this long ago at most count.
    pub window: Duration,
    /// Fewer failures than this in the window open nothing.
    pub failures: u32,
    /// The first rest.
    pub rest: Duration,
    /// The longest rest.
    pub longest_rest: Duration,
    /// Most probes under way at once.
    pub probes: u32,
    /// So many probes in a row have to go well.
    pub recoveries: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            failures: 10,
            rest: Duration::from_secs(5),
            longest_rest: Duration::from_secs(60),
            probes: 2,
            recoveries: 3,
        }
    }
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Closed,
    /// Being tried.
    HalfOpen,
    /// Left alone.
    Open,
}

/// Lets one call through; its result is recorded with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    era: u64,
}

/// The breaker. `now` is the time since any fixed moment, and never goes back.
#[derive(Debug)]
pub struct Breaker {
    policy: Policy,
    era: u64,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Closed { seconds: VecDeque<Second> },
    Open { until: Duration, rest: Duration },
    HalfOpen { under_way: u32, went_well: u32, rest: Duration },
}

/// What happened in one second: so the window is bounded, however many calls there are.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    number: u64,
    well: u32,
    failed: u32,
}

impl Breaker {
    /// Closed.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self { policy, era: 0, inner: Inner::Closed { seconds: VecDeque::new() } }
    }

    /// Where it stands; one that has rested enough is open until somebody asks to pass.
    #[must_use]
    pub const fn state(&self) -> State {
        match self.inner {
            Inner::Closed { .. } => State::Closed,
            Inner::Open { .. } => State::Open,
            Inner::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Whether a call may go to the gateway. Each pass has to be given back: [`Breaker::record`] or [`Breaker::abandon`].
    pub fn pass(&mut self, now: Duration) -> Option<Pass> {
        if let Inner::Open { until, rest } = self.inner
            && now >= until
        {
            self.become_(Inner::HalfOpen { under_way: 0, went_well: 0, rest });
        }
        match &mut self.inner {
            Inner::Closed { .. } => {}
            Inner::Open { .. } => return None,
            Inner::HalfOpen { under_way, .. } if *under_way >= self.policy.probes => return None,
            Inner::HalfOpen { under_way, .. } => *under_way += 1,
        }
        Some(Pass { era: self.era })
    }

    /// How a call went.
    pub fn record(&mut self, pass: Pass, well: bool, now: Duration) {
        if pass.era != self.era {
            return;
        }
        let Policy { window, failures, rest: first_rest, longest_rest, recoveries, .. } = self.policy;
        match &mut self.inner {
            Inner::Closed { seconds } => {
                count(seconds, well, now, window);
                let failed: u32 = seconds.iter().map(|second| second.failed).sum();
                let went_well: u32 = seconds.iter().map(|second| second.well).sum();
                if failed >= failures && failed >= went_well {
                    self.become_(Inner::Open { until: now + first_rest, rest: first_rest });
                }
            }
            Inner::HalfOpen { under_way, went_well, rest } => {
                *under_way = under_way.saturating_sub(1);
                if well {
                    *went_well += 1;
                    if *went_well >= recoveries {
                        self.become_(Inner::Closed { seconds: VecDeque::new() });
                    }
                } else {
                    let rest = (*rest * 2).min(longest_rest);
                    self.become_(Inner::Open { until: now + rest, rest });
                }
            }
            Inner::Open { .. } => {}
        }
    }

    /// A call was given up by its caller: it says nothing about the gateway.
    pub const fn abandon(&mut self, pass: Pass) {
        if pass.era == self.era
            && let Inner::HalfOpen { under_way, .. } = &mut self.inner
        {
            *under_way = under_way.saturating_sub(1);
        }
    }

    fn become_(&mut self, inner: Inner) {
        self.era += 1;
        self.inner = inner;
    }
}

fn count(seconds: &mut VecDeque<Second>, well: bool, now: Duration, window: Duration) {
    let number = now.as_secs();
    while seconds.front().is_some_and(|second| second.number + window.as_secs() <= number) {
        seconds.pop_front();
    }
    if seconds.back().is_none_or(|second| second.number < number) {
        seconds.push_back(Second { number, ..Second::default() });
    }
    if let Some(second) = seconds.back_mut() {
        let counter = if well { &mut second.well } else { &mut second.failed };
        *counter = counter.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        window: Duration::from_secs(30),
        failures: 3,
        rest: Duration::from_secs(5),
        longest_rest: Duration::from_secs(15),
        probes: 2,
        recoveries: 2,
    };

    /// A breaker, and a clock moved by hand.
    struct Scene {
        breaker: Breaker,
        now: Duration,
    }

    impl Scene {
        fn new() -> Self {
            Self { breaker: Breaker::new(POLICY), now: Duration::from_secs(1_000) }
        }

        fn after(&mut self, seconds: u64) -> &mut Self {
            self.now += Duration::from_secs(seconds);
            self
        }

        fn call(&mut self, well: bool) -> bool {
            let Some(pass) = self.breaker.pass(self.now) else { return false };
            self.breaker.record(pass, well, self.now);
            true
        }

        fn opened() -> Self {
            let mut scene = Self::new();
            for _ in 0..3 {
                assert!(scene.call(false));
            }
            assert_eq!(scene.breaker.state(), State::Open);
            scene
        }
    }

    #[test]
    fn it_opens_when_enough_calls_failed_and_they_are_half_of_all() {
        let mut scene = Scene::new();
        for _ in 0..4 {
            scene.call(true);
        }
        for _ in 0..3 {
            scene.call(false);
        }
        assert_eq!(scene.breaker.state(), State::Closed, "three of seven are not half");
        scene.call(false);
        assert_eq!(scene.breaker.state(), State::Open);
    }

    #[test]
    fn failures_of_long_ago_do_not_count() {
        let mut scene = Scene::new();
        scene.call(false);
        scene.call(false);
        scene.after(30).call(false);
        assert_eq!(scene.breaker.state(), State::Closed);
        scene.after(29).call(false);
        scene.call(false);
        assert_eq!(scene.breaker.state(), State::Open, "three within thirty seconds");
    }

    #[test]
    fn while_it_is_open_nothing_passes_until_it_has_rested() {
        let mut scene = Scene::opened();
        assert!(!scene.after(4).call(true));
        assert_eq!(scene.breaker.state(), State::Open);
        assert!(scene.after(1).call(true));
        assert_eq!(scene.breaker.state(), State::HalfOpen);
    }

    #[test]
    fn half_open_it_lets_only_a_few_probes_through_at_once() {
        let mut scene = Scene::opened();
        let now = scene.after(5).now;
        let first = scene.breaker.pass(now).unwrap();
        let second = scene.breaker.pass(now).unwrap();
        assert_eq!(scene.breaker.pass(now), None);
        scene.breaker.record(first, true, now);
        assert!(scene.breaker.pass(now).is_some(), "a place is free again");
        scene.breaker.abandon(second);
        assert!(scene.breaker.pass(now).is_some(), "a probe that was given up frees its place, too");
        assert_eq!(scene.breaker.pass(now), None);
    }

    #[test]
    fn it_closes_after_enough_probes_that_went_well() {
        let mut scene = Scene::opened();
        scene.after(5).call(true);
        assert_eq!(scene.breaker.state(), State::HalfOpen);
        scene.call(true);
        assert_eq!(scene.breaker.state(), State::Closed);
        scene.call(false);
        scene.call(false);
        assert_eq!(scene.breaker.state(), State::Closed, "what was before is forgotten");
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_bound() {
        let mut scene = Scene::opened();
        assert!(scene.after(5).call(false));
        assert!(!scene.after(9).call(true), "ten seconds now");
        assert!(scene.after(1).call(false));
        assert!(!scene.after(14).call(true), "fifteen, and no longer");
        assert!(scene.after(1).call(false));
        assert!(scene.after(15).call(true));
    }

    #[test]
    fn a_result_that_comes_late_says_nothing_about_now() {
        let mut scene = Scene::new();
        let late = [scene.breaker.pass(scene.now).unwrap(), scene.breaker.pass(scene.now).unwrap()];
        for _ in 0..3 {
            scene.call(false);
        }
        scene.after(5).call(true);
        assert_eq!(scene.breaker.state(), State::HalfOpen);
        scene.breaker.record(late[0], true, scene.now);
        assert_eq!(scene.breaker.state(), State::HalfOpen, "it was let through before it opened");
        scene.breaker.record(late[1], false, scene.now);
        assert_eq!(scene.breaker.state(), State::HalfOpen);
    }
}
