//! How much memory the services take: their resident sets, looked at each second.

use std::collections::BTreeMap;
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio_util::sync::CancellationToken;

use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Service};

/// The largest resident set of each service so far, in bytes by context.
pub type Peaks = BTreeMap<String, u64>;

/// The process of a service at one look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Process {
    /// Its id; a service that was started again has another one.
    pub pid: i32,
    /// Its resident set, in bytes; 0 if it is not there.
    pub bytes: u64,
}

/// Looks at the services' processes again and again.
#[derive(Default)]
pub struct Memory {
    system: System,
}

impl Memory {
    /// The process of each service now, by context.
    pub fn now(&mut self, endpoints: &Endpoints) -> BTreeMap<&'static str, Process> {
        let named = Service::ALL.into_iter().filter_map(|service| {
            let &pid = endpoints.pids.get(service.context())?;
            Some((service.context(), pid))
        });
        let named: Vec<(&'static str, i32)> = named.collect();
        let system_id = |pid: i32| Pid::from_u32(pid.unsigned_abs());
        let looked_at: Vec<Pid> = named.iter().map(|(_, pid)| system_id(*pid)).collect();
        let memory = ProcessRefreshKind::nothing().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&looked_at), true, memory);
        let bytes = |pid| self.system.process(system_id(pid)).map_or(0, sysinfo::Process::memory);
        named.into_iter().map(|(name, pid)| (name, Process { pid, bytes: bytes(pid) })).collect()
    }
}

/// Watches the services of `data_dir` until it is stopped. A service that was started again is followed.
pub async fn watch(data_dir: DataDir, stop: CancellationToken) -> Peaks {
    let (mut memory, mut peaks) = (Memory::default(), Peaks::new());
    loop {
        if let Ok(endpoints) = Endpoints::read(&data_dir) {
            for (name, process) in memory.now(&endpoints) {
                let peak = peaks.entry(name.to_owned()).or_default();
                *peak = (*peak).max(process.bytes);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {},
            () = stop.cancelled() => return peaks,
        }
    }
}
