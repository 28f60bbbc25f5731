//! How much memory the services take: their resident sets, looked at each second.

use std::collections::BTreeMap;
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio_util::sync::CancellationToken;

use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Service};

/// The largest resident set of each service so far, in bytes by context.
pub type Peaks = BTreeMap<String, u64>;

/// Looks at the services' processes again and again.
#[derive(Default)]
pub struct Memory {
    system: System,
}

impl Memory {
    /// The resident set of each service now, in bytes by context; 0 for one that is not there.
    pub fn now(&mut self, endpoints: &Endpoints) -> BTreeMap<String, u64> {
        let named = Service::ALL.into_iter().filter_map(|service| {
            let pid = endpoints.pids.get(service.context())?;
            Some((service.context(), Pid::from_u32(pid.unsigned_abs())))
        });
        let named: Vec<_> = named.collect();
        let pids: Vec<Pid> = named.iter().map(|(_, pid)| *pid).collect();
        let memory = ProcessRefreshKind::nothing().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, memory);
        let bytes = |pid| self.system.process(pid).map_or(0, sysinfo::Process::memory);
        named.into_iter().map(|(name, pid)| (name.to_owned(), bytes(pid))).collect()
    }
}

/// Watches the services of `data_dir` until it is stopped. A service that was started again is followed.
pub async fn watch(data_dir: DataDir, stop: CancellationToken) -> Peaks {
    let (mut memory, mut peaks) = (Memory::default(), Peaks::new());
    loop {
        if let Ok(endpoints) = Endpoints::read(&data_dir) {
            for (name, bytes) in memory.now(&endpoints) {
                let peak = peaks.entry(name).or_default();
                *peak = (*peak).max(bytes);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {},
            () = stop.cancelled() => return peaks,
        }
    }
}
