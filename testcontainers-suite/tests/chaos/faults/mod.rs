//! What goes wrong.

mod clock;
mod disk;
mod failover;
mod messages;
mod network;
mod processes;
mod recovery;
mod scale;
mod servers;
mod storm;

use std::time::Duration;

use libtest_mimic::Trial;

use crate::extent::Extent;

/// A service waits so long for the answer of a server that has forgotten it, and some more: twelve seconds for its database,
/// ten for the broker.
const SILENCE: Duration = Duration::from_secs(16);
/// The broker notices after six seconds that a consumer was killed; until then nobody gets its partitions.
const DEATH_IS_NOTICED_AFTER: Duration = Duration::from_secs(7);

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
        recovery::trials(extent),
        disk::trials(extent),
    ]
    .into_iter()
    .flatten()
    .collect()
}
