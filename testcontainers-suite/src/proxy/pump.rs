//! One connection through the proxy: two pumps, each with a bounded queue, in the weather that there is.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    time::Instant,
};

use super::{Shared, Way, Weather};

/// Most bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// Most chunks that wait in one direction.
const WAITING: usize = 64;
/// A trickle comes in drops, so many a second.
const DROPS_PER_S: u32 = 20;
/// A client that believes in a forgotten connection for longer is left to itself.
const BELIEVES_FOR: Duration = Duration::from_secs(600);

/// An open connection.
pub(super) struct Connection<'a> {
    pub number: u64,
    pub weather: watch::Receiver<Weather>,
    pub shared: &'a Shared,
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In order.
    Closed,
    /// By an error on either side.
    Broken,
}

/// How a connection ended.
enum Fate {
    Pumped(End),
    Reset,
    Forgotten,
}

/// What waits in a direction, and since when.
struct Waiting {
    since: Instant,
    what: Piece,
}

enum Piece {
    Bytes(Vec<u8>),
    End(End),
}

impl Connection<'_> {
    /// Carries until both sides have ended, or the weather ends it.
    pub async fn run(&self, mut client: TcpStream, mut server: TcpStream) {
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let fate = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let pumps = async {
                let there = self.pump(from_client, to_server, Way::ToServer);
                let back = self.pump(from_server, to_client, Way::ToClient);
                // Each side ends for itself; what breaks ends both.
                tokio::try_join!(there, back).map_or(End::Broken, |_| End::Closed)
            };
            tokio::select! {
                () = self.until(|weather| weather.reset) => Fate::Reset,
                () = self.until(|weather| weather.forgotten) => Fate::Forgotten,
                end = pumps => Fate::Pumped(end),
            }
        };
        match fate {
            Fate::Pumped(End::Closed) => {}
            Fate::Pumped(End::Broken) | Fate::Reset => {
                reset(&client);
                reset(&server);
            }
            Fate::Forgotten => {
                reset(&server);
                drop(server);
                self.believe(&mut client).await;
                reset(&client);
            }
        }
    }

    async fn until(&self, mark: impl Fn(&Weather) -> u64) {
        let mut weather = self.weather.clone();
        if weather.wait_for(|weather| mark(weather) >= self.number).await.is_err() {
            // The proxy is gone; its drop has reset everything before.
            std::future::pending::<()>().await;
        }
    }

    /// Takes what the client sends, and it is lost.
    async fn believe(&self, client: &mut TcpStream) {
        let mut lost = vec![0; CHUNK];
        let reading = async { while matches!(client.read(&mut lost).await, Ok(1..)) {} };
        tokio::select! {
            () = reading => {}
            () = self.until(|weather| weather.reset) => {}
            () = tokio::time::sleep(BELIEVES_FOR) => {}
        }
    }

    async fn pump(&self, from: ReadHalf<'_>, to: WriteHalf<'_>, way: Way) -> Result<(), End> {
        let (queue, waiting) = mpsc::channel(WAITING);
        let reading = async {
            read(from, queue).await;
            // What was read may still wait for its turn.
            std::future::pending().await
        };
        tokio::select! {
            written = self.write(to, waiting, way) => written,
            never = reading => never,
        }
    }

    async fn write(&self, mut to: WriteHalf<'_>, mut waiting: mpsc::Receiver<Waiting>, way: Way) -> Result<(), End> {
        while let Some(Waiting { since, what }) = waiting.recv().await {
            self.fair(way, since).await;
            match what {
                Piece::Bytes(bytes) => self.drip(&mut to, &bytes, way).await.map_err(|_| End::Broken)?,
                Piece::End(End::Closed) => to.shutdown().await.map_err(|_| End::Broken)?,
                Piece::End(End::Broken) => return Err(End::Broken),
            }
        }
        Ok(())
    }

    /// Waits until what came at `since` may pass. Once the connection is reset or forgotten that is never: even if it clears up
    /// in the same moment, what was held is lost.
    async fn fair(&self, way: Way, since: Instant) {
        let mut weather = self.weather.clone();
        let lasts = |weather: &Weather| weather.reset.max(weather.forgotten) < self.number;
        loop {
            let fair = weather.wait_for(|weather| !weather.sky(way).cut && lasts(weather)).await;
            let Ok(sky) = fair.map(|weather| weather.sky(way)) else {
                return;
            };
            let due = since + sky.latency;
            if due <= Instant::now() {
                return;
            }
            // It may clear up, or be cut, meanwhile.
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                _ = weather.changed() => {}
            }
        }
    }

    async fn drip(&self, to: &mut WriteHalf<'_>, mut bytes: &[u8], way: Way) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let rate = self.weather.borrow().sky(way).bytes_per_s;
            let (drop, rest) = match rate {
                None => (bytes, &[][..]),
                Some(rate) => bytes.split_at(bytes.len().min((rate / DROPS_PER_S).max(1) as usize)),
            };
            to.write_all(drop).await?;
            self.shared.carried(way).fetch_add(drop.len() as u64, Ordering::Relaxed);
            bytes = rest;
            if let Some(rate) = rate {
                let pause = Duration::from_secs(1) * u32::try_from(drop.len()).unwrap_or(rate) / rate;
                let mut weather = self.weather.clone();
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = weather.wait_for(|weather| weather.sky(way).bytes_per_s != Some(rate)) => {}
                }
                self.fair(way, Instant::now()).await;
            }
        }
        Ok(())
    }
}

async fn read(mut from: ReadHalf<'_>, queue: mpsc::Sender<Waiting>) {
    loop {
        let mut bytes = vec![0; CHUNK];
        let what = match from.read(&mut bytes).await {
            Ok(0) => Piece::End(End::Closed),
            Ok(length) => {
                bytes.truncate(length);
                Piece::Bytes(bytes)
            }
            Err(_) => Piece::End(End::Broken),
        };
        let over = matches!(what, Piece::End(_));
        if queue.send(Waiting { since: Instant::now(), what }).await.is_err() || over {
            return;
        }
    }
}

/// Makes the coming end of a connection a RST.
pub(super) fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
