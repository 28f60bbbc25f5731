//! What goes wrong.

mod clock;
mod disk;
mod failover;
mod messages;
mod network;
mod processes;
mod scale;
mod servers;
mod storm;

use libtest_mimic::Trial;

use crate::extent::Extent;

/// All that is tried.
pub fn trials(extent: Extent) -> Vec<Trial> {
    [
        network::trials(extent),
        processes::trials(extent),
        servers::trials(extent),
        messages::trials(extent),
        storm::trials(extent),
        clock::trials(extent),
        scale::trials(extent),
        failover::trials(extent),
        disk::trials(extent),
    ]
    .into_iter()
    .flatten()
    .collect()
}
