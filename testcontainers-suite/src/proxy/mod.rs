//! A TCP proxy that makes bad weather: between two parties it cuts either way, delays, lets bytes trickle, resets
//! connections, or leaves one side believing in a connection that the other has forgotten.
//!
//! Bytes that a cut or a delay holds back are kept and go on afterwards, as TCP would send them again; so does the end
//! of a connection. No new connection gets through a cut of either way: a handshake goes both. Everything is bounded:
//! connections, and what waits in each.

mod pump;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use self::pump::Connection;

/// Most connections at once; more are reset.
const CONNECTIONS: usize = 512;
/// A server that does not take a connection within this time is away.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether a client that waits for a cut to heal is still there.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From who connects to who listens.
    ToServer,
    /// Back.
    ToClient,
}

impl Way {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];
}

/// What is wrong in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sky {
    /// Nothing passes.
    cut: bool,
    /// Everything comes so much later.
    latency: Duration,
    /// So many bytes pass a second; all, when none is said.
    bytes_per_s: Option<u32>,
}

/// The weather over all connections of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Weather {
    to_server: Sky,
    to_client: Sky,
    /// Connections as old as this or older are reset.
    reset: u64,
    /// Servers have forgotten connections as old as this or older, and their clients do not know.
    forgotten: u64,
}

impl Weather {
    pub(crate) fn sky(&self, way: Way) -> Sky {
        match way {
            Way::ToServer => self.to_server,
            Way::ToClient => self.to_client,
        }
    }

    fn sky_mut(&mut self, way: Way) -> &mut Sky {
        match way {
            Way::ToServer => &mut self.to_server,
            Way::ToClient => &mut self.to_client,
        }
    }

    fn is_cut(&self) -> bool {
        self.to_server.cut || self.to_client.cut
    }
}

/// What all connections of a proxy share.
struct Shared {
    weather: watch::Sender<Weather>,
    /// Where new connections go, the first that takes one; each begins with the next of them.
    servers: Mutex<Vec<SocketAddr>>,
    next_server: AtomicUsize,
    connections: AtomicUsize,
    /// How many there have been; the number of one is its age.
    numbers: AtomicU64,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

impl Shared {
    fn carried(&self, way: Way) -> &AtomicU64 {
        match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
        }
    }
}

/// A proxy that runs until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of this machine; connections go to `servers` in turn.
    pub async fn before(servers: &[SocketAddr]) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("the proxy cannot listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            weather: watch::Sender::new(Weather::default()),
            servers: Mutex::new(servers.to_vec()),
            next_server: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            numbers: AtomicU64::new(0),
            to_server: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on new connections go to `servers` in turn; those that are open stay where they are.
    pub fn leads_to(&self, servers: &[SocketAddr]) {
        *self.shared.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers.to_vec();
    }

    /// Nothing passes this way, and nobody is told. New connections wait, or leave, until both ways are open.
    pub fn cut(&self, way: Way) {
        self.shared.weather.send_modify(|weather| weather.sky_mut(way).cut = true);
    }

    /// Everything comes so much later, each way.
    pub fn delay(&self, latency: Duration) {
        self.each_way(|sky| sky.latency = latency);
    }

    /// So many bytes a second pass on each connection, each way.
    pub fn trickle(&self, bytes_per_s: u32) {
        self.each_way(|sky| sky.bytes_per_s = Some(bytes_per_s.max(1)));
    }

    /// Ends all open connections by RST, on both sides.
    pub fn reset(&self) {
        let now = self.shared.numbers.load(Ordering::Relaxed);
        self.shared.weather.send_modify(|weather| weather.reset = now);
    }

    /// The server's side of all open connections ends, and the clients do not hear of it: what they send is lost, and
    /// nothing comes.
    pub fn forget(&self) {
        let now = self.shared.numbers.load(Ordering::Relaxed);
        self.shared.weather.send_modify(|weather| weather.forgotten = now);
    }

    /// Fair weather again: what waits goes on. What was reset or forgotten stays so.
    pub fn heal(&self) {
        self.each_way(|sky| *sky = Sky::default());
    }

    /// Bytes that have come out at the other end.
    #[must_use]
    pub fn carried(&self, way: Way) -> u64 {
        self.shared.carried(way).load(Ordering::Relaxed)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    fn each_way(&self, change: impl Fn(&mut Sky)) {
        self.shared.weather.send_modify(|weather| {
            for way in Way::BOTH {
                change(weather.sky_mut(way));
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.heal();
        self.reset();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Too many files are open, or the like: that passes.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        if shared.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            shared.connections.fetch_sub(1, Ordering::Relaxed);
            pump::reset(&client);
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            carry(client, &shared).await;
            shared.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn carry(client: TcpStream, shared: &Shared) {
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed) + 1;
    let mut weather = shared.weather.subscribe();
    let server = if gets_through(&client, number, &mut weather).await { connect(shared).await } else { None };
    match server {
        Some(server) => Connection { number, weather, shared }.run(client, server).await,
        None => pump::reset(&client),
    }
}

/// Waits until neither way is cut. It never is for a client that has gone, or whose connection was reset.
async fn gets_through(client: &TcpStream, number: u64, weather: &mut watch::Receiver<Weather>) -> bool {
    let is_open = async {
        let weather = weather.wait_for(|weather| weather.reset >= number || !weather.is_cut()).await;
        weather.is_ok_and(|weather| weather.reset < number)
    };
    tokio::select! {
        is_open = is_open => is_open,
        () = has_gone(client) => false,
    }
}

/// Waits until a client has ended its side. What it has sent before stays unread.
async fn has_gone(client: &TcpStream) {
    while client.ready(Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
        tokio::time::sleep(LOOKS_EVERY).await;
    }
}

async fn connect(shared: &Shared) -> Option<TcpStream> {
    let servers = shared.servers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let first = shared.next_server.fetch_add(1, Ordering::Relaxed);
    for turn in 0..servers.len() {
        let server = servers[(first + turn) % servers.len()];
        if let Ok(Ok(stream)) = tokio::time::timeout(CONNECTS_WITHIN, TcpStream::connect(server)).await {
            return Some(stream);
        }
    }
    None
}
