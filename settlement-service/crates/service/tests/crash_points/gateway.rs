//! Stands between the service and a small Stripe with a memory, and sees every call pass: before it has its effect, and
//! after it, before the answer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::Fake;
use crate::watch::Watch;

/// Larger requests are none, bytes.
const MAX_REQUEST: usize = 64 * 1024;

/// The gateway as the service sees it, and its memory.
#[derive(Clone)]
pub struct Gateway {
    pub address: SocketAddr,
    pub fake: Fake,
    /// Calls whose first answer will be lost, by their keys.
    silent: Arc<Mutex<BTreeSet<String>>>,
}

impl Gateway {
    /// Stands at an address until the runtime ends.
    pub async fn start(watch: Arc<Watch>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let gateway = Self { address: listener.local_addr()?, fake: Fake::start(None).await, silent: Arc::default() };
        let serving = gateway.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (gateway, watch) = (serving.clone(), Arc::clone(&watch));
                // A connection that breaks off is one of a service that was killed.
                tokio::spawn(async move { gateway.serve(stream, &watch).await });
            }
        });
        Ok(gateway)
    }

    /// The next call by this key is carried out, and its answer is lost.
    pub fn loses_the_answer_to(&self, key: &str) {
        self.silent.lock().unwrap().insert(format!("idempotency-key: {key}\r\n"));
    }

    /// One request a connection.
    async fn serve(&self, mut stream: TcpStream, watch: &Watch) -> Result<()> {
        let request = read(&mut stream).await?;
        let occurrence = watch.calls(&request);
        if watch.cuts_before(&occurrence).await {
            return Ok(());
        }
        let answer = self.ask(&request).await?;
        let is_lost = self.loses(&String::from_utf8_lossy(&request));
        if watch.cuts_after(&occurrence).await || is_lost {
            return Ok(());
        }
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        Ok(())
    }

    fn loses(&self, request: &str) -> bool {
        let mut silent = self.silent.lock().unwrap();
        let found = silent.iter().find(|header| request.contains(*header)).cloned();
        found.is_some_and(|header| silent.remove(&header))
    }

    async fn ask(&self, request: &[u8]) -> Result<Vec<u8>> {
        let address = self.fake.url.strip_prefix("http://").context("the gateway has no address")?;
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// A whole request, as it came.
async fn read(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        if let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if request.len() >= head + 4 + length.unwrap_or(0) {
                return Ok(request);
            }
        }
        anyhow::ensure!(request.len() < MAX_REQUEST, "the request is too long");
        anyhow::ensure!(stream.read_buf(&mut request).await? > 0, "the request broke off");
    }
}
