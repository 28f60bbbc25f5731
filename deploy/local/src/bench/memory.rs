//! How much memory the services take: their resident sets, looked at each second.

use std::collections::BTreeMap;
use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio_util::sync::CancellationToken;

use crate::endpoints::Endpoints;
use crate::layout::{DataDir, Service};

/// The largest resident set of each service so far, in bytes by context.
pub type Peaks = BTreeMap<String, u64>;

/// Watches the services of `data_dir` until it is stopped. A service that was started again is followed.
pub async fn watch(data_dir: DataDir, stop: CancellationToken) -> Peaks {
    let (mut system, mut peaks) = (System::new(), Peaks::new());
    loop {
        if let Ok(endpoints) = Endpoints::read(&data_dir) {
            look(&mut system, &endpoints, &mut peaks);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {},
            () = stop.cancelled() => return peaks,
        }
    }
}

fn look(system: &mut System, endpoints: &Endpoints, peaks: &mut Peaks) {
    let named = Service::ALL.into_iter().filter_map(|service| {
        let pid = endpoints.pids.get(service.context())?;
        Some((service.context(), Pid::from_u32(pid.unsigned_abs())))
    });
    let named: Vec<_> = named.collect();
    let pids: Vec<Pid> = named.iter().map(|(_, pid)| *pid).collect();
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, memory);
    for (name, pid) in named {
        let bytes = system.process(pid).map_or(0, sysinfo::Process::memory);
        let peak = peaks.entry(name.to_owned()).or_default();
        *peak = (*peak).max(bytes);
    }
}
