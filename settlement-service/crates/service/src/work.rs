//! The worker's loop: takes up what is due, at once after a commit of this process, else every so often for what time
//! and other instances brought.

use std::{sync::Arc, time::Duration};

use settlement_application::Worker;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Most deadlines and most calls of one round.
const BATCH: u32 = 32;
/// Without a wake-up it is looked so often what is due.
const POLL: Duration = Duration::from_millis(200);
/// How long the worker rests after a failure.
const REST: Duration = Duration::from_millis(500);

/// Works until `stop`; `planned` wakes it after a commit of this process. A round that was begun is ended.
/// What failed is due again later.
pub async fn run(worker: Worker, planned: Arc<Notify>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match worker.run_once(BATCH).await {
            Ok(progress) if !progress.is_idle() => {}
            Ok(_) => tokio::select! {
                () = planned.notified() => {}
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
