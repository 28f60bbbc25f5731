//! What goes wrong.

mod clock;
mod crashes;
mod disk;
mod failover;
mod messages;
mod network;
mod processes;
mod recovery;
mod scale;
mod servers;
mod storm;
mod story;

use std::time::Duration;

use libtest_mimic::Trial;

use crate::extent::Extent;

/// A connection that only this side believes in is given up by then: a session with the database twelve seconds after its
/// first use, a consumer's with the broker ten seconds after a heartbeat, and one is due every three.
const SILENCE: Duration = Duration::from_secs(13);
/// Everything that a killed instance had is somebody else's by then: the broker notices after six seconds that a consumer
/// is gone, and a relay's lease runs for five.
const DEATH_IS_NOTICED_AFTER: Duration = Duration::from_secs(7);
/// An instance works so soon after its start, on a machine that does other things as well.
const STARTS_WITHIN: Duration = Duration::from_secs(3);

/// All that is tried.
pub fn trials(extent: Extent) -> Vec<Trial> {
    [
        network::trials(extent),
        processes::trials(extent),
        crashes::trials(extent),
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
