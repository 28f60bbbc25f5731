//! The load while something is wrong: bidders on hot lots, whole sales one after the other, visitors, somebody who watches
//! every event, and an observer who reads the books. Everything that anybody was answered is recorded.

mod bidders;
pub mod client;
pub mod crew;
pub mod observer;
pub mod record;
mod sales;
mod visitors;
mod watcher;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

/// Lets new calls begin, or not; what has begun is repeated until it is answered.
#[derive(Clone)]
pub struct Gate {
    open: watch::Sender<bool>,
    inside: Arc<AtomicUsize>,
}

/// A call that has begun.
pub struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    /// An open one.
    pub fn new() -> Self {
        Self { open: watch::Sender::new(true), inside: Arc::default() }
    }

    /// Waits until a call may begin.
    pub async fn pass(&self) -> Inside {
        loop {
            self.inside.fetch_add(1, Ordering::SeqCst);
            let inside = Inside(Arc::clone(&self.inside));
            if *self.open.borrow() {
                return inside;
            }
            drop(inside);
            // The sender lives as long as this gate does.
            let _ = self.open.subscribe().wait_for(|open| *open).await;
        }
    }

    /// No call begins from now on.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// Calls may begin again.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Calls that have begun and not ended.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }
}
