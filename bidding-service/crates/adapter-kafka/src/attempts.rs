//! An event is tried until it has had its effect, and given up only when it must be to blame itself.

use std::time::Duration;

use bidding_ports::{fact::HandleError, retries::Retries};
use tokio::time::Instant;
use uuid::Uuid;

/// How long an event is tried.
pub(crate) struct Patience {
    /// One that failed so often is to blame, if the store took a note of it each time: a store that comes and goes, or a lock
    /// that somebody holds, is over sooner. The count outlives the process.
    attempts: u32,
    /// Pauses double from here …
    first_pause: Duration,
    /// … to here.
    longest_pause: Duration,
    /// In one go. The event is given back to the broker then, and comes again: a group whose members do not ask for more can
    /// neither take in new ones nor let go of old ones.
    in_one_go: Duration,
}

/// Pauses of some five minutes; once a store is back, all agree within five seconds.
pub(crate) const PATIENCE: Patience = Patience {
    attempts: 150,
    first_pause: Duration::from_millis(50),
    longest_pause: Duration::from_secs(2),
    in_one_go: Duration::from_secs(60),
};

impl Patience {
    /// Until when what comes now is tried.
    pub(crate) fn ends(&self) -> Instant {
        Instant::now() + self.in_one_go
    }
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tried<T> {
    /// It had its effect.
    Done(T),
    /// It never will, for this reason: to the dead letters.
    Hopeless(String),
}

/// Tries an event again and again, to `end`; `Err` when it has to come again.
pub(crate) async fn until_done<T, F>(
    event_id: Uuid,
    retries: &dyn Retries,
    patience: &Patience,
    end: Instant,
    mut attempt: impl FnMut() -> F,
) -> Result<Tried<T>, String>
where
    F: Future<Output = Result<T, HandleError>> + Send,
{
    let mut pause = patience.first_pause;
    loop {
        let reason = match attempt().await {
            Ok(done) => return Ok(Tried::Done(done)),
            Err(HandleError::Poison(reason)) => return hopeless(event_id, retries, reason).await,
            Err(HandleError::Retry(reason)) => reason,
        };
        match retries.failed(event_id, &reason).await {
            Ok(attempts) if attempts >= patience.attempts => {
                return hopeless(event_id, retries, format!("failed {attempts} times, at last: {reason}")).await;
            }
            // A store that takes no note is away itself, and the event is not to blame.
            Ok(_) | Err(_) if Instant::now() < end => {}
            Ok(_) | Err(_) => return Err(reason),
        }
        tracing::warn!(%reason, pause_ms = pause.as_millis(), "an event is tried again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(patience.longest_pause);
    }
}

async fn hopeless<T>(event_id: Uuid, retries: &dyn Retries, reason: String) -> Result<Tried<T>, String> {
    retries.buried(event_id, &reason).await.map_err(|error| error.to_string())?;
    Ok(Tried::Hopeless(reason))
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use bidding_ports::{error::StoreError, retries::MockRetries};

    use super::*;

    const IMPATIENT: Patience = Patience {
        attempts: 4,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        in_one_go: Duration::from_millis(250),
    };

    fn away() -> StoreError {
        StoreError::Unavailable("it is away".into())
    }

    /// Fails so often, and is done then.
    async fn failing(times: u32, retries: &MockRetries) -> (Result<Tried<&'static str>, String>, u32) {
        let made = Cell::new(0);
        let attempt = || {
            made.set(made.get() + 1);
            ready(if made.get() > times { Ok("done") } else { Err(HandleError::Retry("not yet".into())) })
        };
        let tried = until_done(Uuid::nil(), retries, &IMPATIENT, IMPATIENT.ends(), attempt).await;
        (tried, made.get())
    }

    /// Takes note of each failure, of which there were some before.
    fn counting(before: u32) -> MockRetries {
        let (mut retries, mut count) = (MockRetries::new(), before);
        retries.expect_failed().returning(move |_, _| {
            count += 1;
            Ok(count)
        });
        retries
    }

    #[tokio::test]
    async fn what_fails_is_tried_until_it_is_done() {
        assert_eq!(failing(0, &MockRetries::new()).await, (Ok(Tried::Done("done")), 1));
        assert_eq!(failing(3, &counting(0)).await, (Ok(Tried::Done("done")), 4));
    }

    #[tokio::test]
    async fn what_failed_too_often_is_hopeless_also_when_some_of_it_was_before_a_restart() {
        for (before, attempts) in [(0, 4), (3, 1)] {
            let mut retries = counting(before);
            retries.expect_buried().once().returning(|_, _| Ok(()));
            let (tried, made) = failing(u32::MAX, &retries).await;
            assert_eq!(tried, Ok(Tried::Hopeless("failed 4 times, at last: not yet".into())));
            assert_eq!(made, attempts);
        }
    }

    #[tokio::test]
    async fn poison_is_hopeless_at_once() {
        let mut retries = MockRetries::new();
        retries.expect_buried().once().returning(|_, _| Ok(()));
        let attempt = || ready(Err::<(), _>(HandleError::Poison("nonsense".into())));
        let tried = until_done(Uuid::nil(), &retries, &IMPATIENT, IMPATIENT.ends(), attempt).await;
        assert_eq!(tried, Ok(Tried::Hopeless("nonsense".into())));
    }

    #[tokio::test]
    async fn an_event_is_not_to_blame_for_a_store_that_is_away() {
        let mut retries = MockRetries::new();
        retries.expect_failed().returning(|_, _| Err(away()));
        let (tried, made) = failing(u32::MAX, &retries).await;
        assert_eq!(tried, Err("not yet".into()), "it has to come again");
        assert!(made > IMPATIENT.attempts, "{made} attempts");
    }

    #[tokio::test]
    async fn an_event_is_given_back_in_time_and_its_failures_count_on() {
        let out_of_time = Instant::now();
        let attempt = || ready(Err::<(), _>(HandleError::Retry("not yet".into())));
        let tried = until_done(Uuid::nil(), &counting(0), &IMPATIENT, out_of_time, attempt).await;
        assert_eq!(tried, Err("not yet".into()));
        let mut retries = counting(3);
        retries.expect_buried().once().returning(|_, _| Ok(()));
        let tried = until_done(Uuid::nil(), &retries, &IMPATIENT, out_of_time, attempt).await;
        assert!(matches!(tried, Ok(Tried::Hopeless(_))), "{tried:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_noted_as_hopeless_is_not_buried() {
        let mut retries = counting(3);
        retries.expect_buried().once().returning(|_, _| Err(away()));
        assert_eq!(failing(u32::MAX, &retries).await.0, Err(away().to_string()));
    }
}
