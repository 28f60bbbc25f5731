//! Decides whether a service that a fault does not touch went on serving while others were hurt: no request of its users
//! fails, and there is no time in which nothing is done.
//!
//! Each service is asked all the while for what no other service has a part in, so a time without success is an outage,
//! and not the silence of people who wait for somebody else. Only requests that began and ended within the fault are
//! judged: what was under way before may be of what was done to bring the fault about.
//!
//! Pure code: times are durations since the run began.

use std::{fmt, iter, time::Duration};

use crate::{history::Interval, world::Service};

/// Where nothing is wrong with a service, so much time never passes without a success. The visitors of `make chaos` ask again
/// 150 ms after each answer, and bidders more often; where nobody was hurt no answer took 100 ms on a machine of two cores.
/// From one success to the next that makes a quarter of a second at most, and this is eight times as long.
pub const SILENT_FOR: Duration = Duration::from_secs(2);

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Done.
    Ok,
    /// Refused by the rules.
    Refused,
    /// To come again: 503, 429, or the first request with the key is still running.
    Busy,
    /// The connection could not be made, or broke.
    Lost,
    /// Nothing came within a user's patience.
    Unanswered,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "done",
            Self::Refused => "refused by the rules",
            Self::Busy => "told to come again",
            Self::Lost => "lost with their connection",
            Self::Unanswered => "never answered",
        })
    }
}

/// A request that was sent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// To whom.
    pub service: Service,
    /// Whether it was to change something.
    pub writes: bool,
    /// When.
    pub interval: Interval,
    /// How it ended.
    pub end: End,
}

impl Attempt {
    /// Whether it was done and shows that the service does its work: a write of listing or bidding, which nothing but the
    /// service and its database have a part in, or a read of settlement, where every write needs a sale.
    #[must_use]
    pub fn shows_service(&self) -> bool {
        self.end == End::Ok && self.writes != (self.service == Service::Settlement)
    }
}

/// How a service failed its users. Times count from the begin of the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Some requests were not answered for good.
    Failed {
        /// How they ended.
        end: End,
        /// How many.
        requests: usize,
        /// When the first of them was sent.
        first: Duration,
    },
    /// Nothing was done.
    Silent {
        /// Since when.
        since: Duration,
        /// How long.
        lasted: Duration,
    },
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { end, requests, first } => {
                let first = first.as_secs_f64();
                write!(f, "{requests} requests were {end}, the first {first:.1} s after the fault began")
            }
            Self::Silent { since, lasted } => {
                let (since, lasted) = (since.as_secs_f64(), lasted.as_secs_f64());
                write!(f, "it served nobody for {lasted:.1} s, from {since:.1} s after the fault began")
            }
        }
    }
}

/// How a service failed its users while a fault lasted that did not touch it; not at all, if all is well. Failures count to
/// the end of the fault, and silence only as long as it is certain that somebody asks.
#[must_use]
pub fn outages(service: Service, attempts: &[Attempt], fault: Interval, asked_until: Duration) -> Vec<Outage> {
    let is_judged = |attempt: &&Attempt| {
        let Interval { began, ended } = attempt.interval;
        attempt.service == service && began >= fault.began && ended <= fault.ended
    };
    let judged: Vec<_> = attempts.iter().filter(is_judged).copied().collect();
    let failures = [End::Busy, End::Lost, End::Unanswered].into_iter().filter_map(|end| failure(&judged, end, fault));
    failures.chain(silences(&judged, fault, asked_until)).collect()
}

fn failure(judged: &[Attempt], end: End, fault: Interval) -> Option<Outage> {
    let sent: Vec<_> =
        judged.iter().filter(|attempt| attempt.end == end).map(|attempt| attempt.interval.began).collect();
    let first = sent.iter().min()?.saturating_sub(fault.began);
    Some(Outage::Failed { end, requests: sent.len(), first })
}

fn silences(judged: &[Attempt], fault: Interval, asked_until: Duration) -> Vec<Outage> {
    let until = fault.ended.min(asked_until);
    let done = judged.iter().filter(|attempt| attempt.shows_service()).map(|attempt| attempt.interval.ended);
    let mut done: Vec<_> = done.filter(|moment| *moment <= until).collect();
    done.sort_unstable();
    let begins = iter::once(fault.began).chain(done.iter().copied());
    let ends = done.iter().copied().chain([until]);
    let silences = begins.zip(ends).filter_map(|(began, ended)| {
        let (since, lasted) = (began.saturating_sub(fault.began), ended.saturating_sub(began));
        (lasted >= SILENT_FOR).then_some(Outage::Silent { since, lasted })
    });
    silences.collect()
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    const FAULT: Interval = Interval { began: Duration::from_secs(2), ended: Duration::from_secs(32) };
    /// Somebody asks for longer than the fault lasts.
    const ENDS_MS: u64 = 36_000;
    /// From one request of a visitor to the next, on a slow machine.
    const EVERY_MS: usize = 320;
    const TAKES_MS: u64 = 8;

    fn attempt(service: Service, writes: bool, at_ms: u64, end: End) -> Attempt {
        let (began, ended) = (Duration::from_millis(at_ms), Duration::from_millis(at_ms + TAKES_MS));
        Attempt { service, writes, interval: Interval { began, ended }, end }
    }

    /// What users see who ask for all that there is, and nothing is wrong.
    fn sound() -> Vec<Attempt> {
        let mut attempts = Vec::new();
        for at_ms in (0..ENDS_MS).step_by(EVERY_MS) {
            for service in Service::ALL {
                attempts.push(attempt(service, true, at_ms, End::Ok));
                attempts.push(attempt(service, true, at_ms + 10, End::Refused));
                attempts.push(attempt(service, false, at_ms, End::Ok));
            }
        }
        attempts
    }

    fn is_sent_in(attempt: &Attempt, service: Service, time_ms: &Range<u64>) -> bool {
        let time = Duration::from_millis(time_ms.start)..Duration::from_millis(time_ms.end);
        attempt.service == service && time.contains(&attempt.interval.began)
    }

    /// The record without what a service was asked in a time.
    fn without(service: Service, time_ms: &Range<u64>) -> Vec<Attempt> {
        let mut attempts = sound();
        attempts.retain(|attempt| !is_sent_in(attempt, service, time_ms));
        attempts
    }

    /// Somebody asks all the while.
    fn found(service: Service, attempts: &[Attempt]) -> Vec<Outage> {
        outages(service, attempts, FAULT, Duration::from_millis(ENDS_MS))
    }

    #[test]
    fn a_service_that_goes_on_has_no_outage() {
        for service in Service::ALL {
            assert_eq!(found(service, &sound()), []);
        }
    }

    #[test]
    fn what_fails_at_another_service_or_at_another_time_is_no_outage() {
        let mut attempts = sound();
        for attempt in attempts.iter_mut().filter(|attempt| attempt.service == Service::Settlement) {
            attempt.end = End::Busy;
        }
        let first_ms = 2_000 - TAKES_MS / 2;
        let last_ms = 32_000 - TAKES_MS / 2;
        attempts.push(attempt(Service::Listing, true, first_ms, End::Lost));
        attempts.push(attempt(Service::Bidding, true, last_ms, End::Unanswered));
        for service in [Service::Listing, Service::Bidding] {
            assert_eq!(found(service, &attempts), []);
        }
        assert!(!found(Service::Settlement, &attempts).is_empty(), "the one that was hurt");
    }

    #[test]
    fn one_request_that_fails_is_found() {
        for service in Service::ALL {
            for end in [End::Busy, End::Lost, End::Unanswered] {
                for writes in [true, false] {
                    let mut attempts = sound();
                    attempts.push(attempt(service, writes, 15_000, end));
                    let first = Duration::from_secs(13);
                    assert_eq!(found(service, &attempts), [Outage::Failed { end, requests: 1, first }]);
                }
            }
        }
    }

    #[test]
    fn an_outage_is_told_with_all_that_failed() {
        let mut attempts = sound();
        for attempt in &mut attempts {
            if is_sent_in(attempt, Service::Bidding, &(15_000..18_000)) {
                attempt.end = End::Busy;
            }
        }
        let told: Vec<_> = found(Service::Bidding, &attempts).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "30 requests were told to come again, the first 13.0 s after the fault began",
                "it served nobody for 3.5 s, from 12.7 s after the fault began",
            ]
        );
    }

    #[test]
    fn two_seconds_without_success_are_found_wherever_they_are() {
        for service in Service::ALL {
            for time_ms in [0..4_300, 15_000..17_300, 29_800..ENDS_MS, 0..ENDS_MS] {
                let found = found(service, &without(service, &time_ms));
                let silent = matches!(found[..], [Outage::Silent { lasted, .. }] if lasted >= SILENT_FOR);
                assert!(silent, "{service}, {time_ms:?}: {found:?}");
            }
        }
    }

    #[test]
    fn a_shorter_pause_is_no_outage() {
        for service in Service::ALL {
            assert_eq!(found(service, &without(service, &(15_000..16_500))), []);
        }
    }

    #[test]
    fn what_hangs_is_found_while_other_requests_are_answered() {
        for service in Service::ALL {
            let mut attempts = sound();
            for attempt in &mut attempts {
                if attempt.shows_service() && is_sent_in(attempt, service, &(15_000..19_000)) {
                    attempt.interval.ended = Duration::from_secs(19);
                }
            }
            let found = found(service, &attempts);
            assert!(matches!(found[..], [Outage::Silent { .. }]), "{service}: {found:?}");
        }
    }

    #[test]
    fn where_nobody_asks_any_more_silence_is_no_outage_and_a_failure_is() {
        let lots_end_ms = 10_000;
        let lots_end = Duration::from_millis(lots_end_ms);
        let mut attempts = without(Service::Bidding, &(lots_end_ms..ENDS_MS));
        assert_eq!(outages(Service::Bidding, &attempts, FAULT, lots_end), []);
        assert_eq!(outages(Service::Bidding, &attempts, FAULT, Duration::ZERO), []);

        attempts.push(attempt(Service::Bidding, true, 15_000, End::Busy));
        let found = outages(Service::Bidding, &attempts, FAULT, lots_end);
        assert!(matches!(found[..], [Outage::Failed { end: End::Busy, requests: 1, .. }]), "{found:?}");
    }
}
