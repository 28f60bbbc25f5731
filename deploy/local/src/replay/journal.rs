//! What a replay has done so far, written at every step: after Ctrl-C the same command goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::layout::DataDir;

/// How far one auction has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which attempt this is, from 1; an auction that ended before its last bid is attempted again.
    pub attempt: u32,
    /// When the auction of this attempt ends.
    pub ends_at: DateTime<Utc>,
    /// The listing of this attempt, which is the auction's id too.
    pub listing_id: Option<String>,
    /// Whether its last bid was placed in time.
    pub all_bids: bool,
    /// Bids that were accepted.
    pub accepted: usize,
    /// Bids that were refused, by the problem's slug.
    pub refused: BTreeMap<String, usize>,
    /// How it closed.
    pub closed: Option<Closed>,
}

/// How an auction closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// `sold`, `reserve_not_met` or `no_bids`.
    pub outcome: String,
    /// Closing price in cents.
    pub price_cents: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    run: String,
    auctions: BTreeMap<String, Entry>,
}

/// The journal of one replay.
pub struct Journal {
    path: PathBuf,
    state: Mutex<State>,
}

impl Journal {
    /// The journal of the file with these `content`s, new or from an interrupted replay.
    pub fn open(data_dir: &DataDir, content: &[u8], reserve: bool) -> Result<Self> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
        let name = format!("{}{}.json", hex::encode(&digest.as_ref()[..12]), if reserve { "-reserve" } else { "" });
        files::create_dir(&data_dir.replays_dir())?;
        let path = data_dir.replays_dir().join(name);
        let kept = if path.exists() { serde_json::from_str(&files::read(&path)?).ok() } else { None };
        let state = match kept {
            Some(state) => state,
            None => State { run: files::random_hex(4)?, auctions: BTreeMap::new() },
        };
        Ok(Self { path, state: Mutex::new(state) })
    }

    /// Names this replay: its principals and keys are nobody else's.
    pub fn run(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).run.clone()
    }

    /// How far the auction `id` has come.
    pub fn entry(&self, id: &str) -> Option<Entry> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).auctions.get(id).cloned()
    }

    /// Whether anything was done before.
    pub fn is_begun(&self) -> bool {
        !self.state.lock().unwrap_or_else(PoisonError::into_inner).auctions.is_empty()
    }

    /// Notes how far the auction `id` has come.
    pub fn note(&self, id: &str, entry: Entry) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.auctions.insert(id.to_owned(), entry);
        files::write_private(&self.path, &serde_json::to_vec(&*state)?)
    }

    /// The replay is over: the next one begins anew.
    pub fn finish(&self) -> Result<()> {
        Ok(std::fs::remove_file(&self.path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_replay_goes_on_and_a_finished_one_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::new(dir.path().to_owned());
        let journal = Journal::open(&data_dir, b"file", false).unwrap();
        assert!(!journal.is_begun());
        let entry = Entry { attempt: 1, all_bids: true, ..Entry::default() };
        journal.note("7", entry.clone()).unwrap();

        let again = Journal::open(&data_dir, b"file", false).unwrap();
        assert_eq!((again.run(), again.entry("7")), (journal.run(), Some(entry)));
        assert!(!Journal::open(&data_dir, b"file", true).unwrap().is_begun(), "with reserves it is another replay");

        again.finish().unwrap();
        assert!(!Journal::open(&data_dir, b"file", false).unwrap().is_begun());
    }
}
