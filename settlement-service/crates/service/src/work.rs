//! The worker's loops: they take up what is due, at once after a commit of this process, else every so often for what
//! time and other instances brought. One passes deadlines, so that they never wait for the gateway; some make calls, so
//! that one may write what it heard while another waits. One shows life, and waits for none of the others.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use settlement_application::Worker;
use settlement_ports::StoreError;
use tokio::{join, sync::Notify};
use tokio_util::sync::CancellationToken;

/// Most deadlines of one round.
const DEADLINES: u32 = 256;
/// How many loops make calls.
const CALLERS: usize = 2;
/// Without a wake-up it is looked so often what is due.
const POLL: Duration = Duration::from_millis(200);
/// A sign of life is shown so often: well below what counts as an outage, also where one has to be tried again.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// How long a loop rests after a failure.
const REST: Duration = Duration::from_millis(500);

/// Works until `stop`; `planned` wakes it after a commit of this process. Not more than `at_once` calls are under way
/// together: what waits for its turn at the gateway is better left to others. At `stop` those that are under way come to
/// their end, and what follows from them is left due. What failed is due again later.
pub async fn run(worker: Worker, planned: Arc<Notify>, at_once: usize, stop: CancellationToken) {
    let calls = u32::try_from((at_once / CALLERS).max(1)).unwrap_or(u32::MAX);
    let more = || async {
        tokio::select! {
            () = planned.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    };
    let stops = || stop.is_cancelled();
    let callers = (0..CALLERS).map(|_| repeat(|| worker.make_calls(calls, more, stops), &planned, &stop));
    // Nobody tells of time.
    let time = Notify::new();
    join!(repeat(|| worker.pass_time(DEADLINES), &time, &stop), join_all(callers), beat(&worker, &stop));
}

async fn beat(worker: &Worker, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let rest = match worker.beat().await {
            Ok(()) => BEAT_EVERY,
            Err(error) => {
                tracing::warn!(%error, "a sign of life could not be shown");
                REST
            }
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn repeat<F>(round: impl Fn() -> F, wake: &Notify, stop: &CancellationToken)
where
    F: Future<Output = Result<usize, StoreError>>,
{
    while !stop.is_cancelled() {
        match round().await {
            Ok(taken_up) if taken_up > 0 => {}
            Ok(_) => tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => {}
            },
            Err(error) => {
                tracing::warn!(%error, "the worker pauses");
                tokio::select! {
                    () = tokio::time::sleep(REST) => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}
