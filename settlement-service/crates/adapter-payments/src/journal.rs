//! An append-only file of JSON lines, in it before anybody hears of a line, shared between processes by an advisory
//! lock. A last line without its end was never heard of by anybody and is cut off.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::iter;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its disk.
    #[error("the gateway's journal: {0}")]
    Io(#[from] std::io::Error),
    /// A whole line that is not an entry.
    #[error("the gateway's journal cannot be read at byte {offset}: {error}")]
    Unreadable {
        /// Where the line begins.
        offset: u64,
        /// Why not.
        error: serde_json::Error,
    },
    /// The file was shortened or replaced while it was open.
    #[error("the gateway's journal is shorter than what was read of it")]
    Shortened,
}

/// An open journal and how far it was read.
#[derive(Debug)]
pub struct Journal {
    file: File,
    read_to: u64,
}

/// The journal while this process has it alone; dropping it lets others in.
pub struct Exclusive<'a>(&'a mut Journal);

impl Journal {
    /// Opens a journal, making it if there is none.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // A new file's name is durable once its folder is.
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { file, read_to: 0 })
    }

    /// A journal on a disk that takes no more.
    #[cfg(test)]
    pub(crate) fn full(path: &Path) -> Self {
        Self { file: File::open(path).unwrap(), read_to: 0 }
    }

    /// Forgets how far it was read: the next [`Exclusive::news`] are all entries.
    pub const fn read_anew(&mut self) {
        self.read_to = 0;
    }

    /// Waits until no other process has it.
    pub fn exclusive(&mut self) -> Result<Exclusive<'_>, JournalError> {
        self.file.lock()?;
        Ok(Exclusive(self))
    }
}

/// Whole lines from a place in a journal, with the place after each. It is read beside those who write it: a last line
/// without its end is not there yet.
pub fn lines_from(
    path: &Path,
    offset: u64,
) -> Result<impl Iterator<Item = Result<(String, u64), JournalError>>, JournalError> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let (mut reader, mut offset) = (BufReader::new(file), offset);
    Ok(iter::from_fn(move || {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(_) if !line.ends_with('\n') => None,
            Ok(length) => {
                offset += length as u64;
                Some(Ok((line, offset)))
            }
            Err(error) => Some(Err(error.into())),
        }
    }))
}

impl Exclusive<'_> {
    /// Takes in each entry that was added since the last call, by whomever. After an error those before it were taken in.
    pub fn news<E: DeserializeOwned>(&mut self, mut take_in: impl FnMut(E)) -> Result<(), JournalError> {
        let journal = &mut *self.0;
        if journal.file.metadata()?.len() < journal.read_to {
            return Err(JournalError::Shortened);
        }
        journal.file.seek(SeekFrom::Start(journal.read_to))?;
        let (mut reader, mut line) = (BufReader::new(&journal.file), Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            if !line.ends_with(b"\n") {
                // Its writer died, or it would hold the lock; nobody was told of it.
                journal.file.set_len(journal.read_to)?;
                break;
            }
            let offset = journal.read_to;
            take_in(serde_json::from_slice(&line).map_err(|error| JournalError::Unreadable { offset, error })?);
            journal.read_to += line.len() as u64;
            line.clear();
        }
        Ok(())
    }

    /// Adds entries after the last [`Exclusive::news`]; they are none of the next. When this returns, they are on disk if
    /// they have to be `durable`, and with the operating system at least. After an error they may be there or not.
    pub fn append<E: Serialize>(&mut self, entries: &[E], durable: bool) -> Result<(), JournalError> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry).map_err(std::io::Error::from)?;
            lines.push(b'\n');
        }
        self.0.file.write_all(&lines)?;
        if durable {
            self.0.file.sync_data()?;
        }
        self.0.read_to += lines.len() as u64;
        Ok(())
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a failure: closing the file lets the lock go at the latest.
        let _unlocked = self.0.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn news(journal: &mut Journal) -> Vec<u32> {
        let mut news = Vec::new();
        journal.exclusive().unwrap().news(|number| news.push(number)).unwrap();
        news
    }

    /// Reads what there is and adds one.
    fn add(journal: &mut Journal, number: u32) {
        let mut exclusive = journal.exclusive().unwrap();
        exclusive.news(|_: u32| {}).unwrap();
        exclusive.append(&[number], number.is_multiple_of(2)).unwrap();
    }

    #[test]
    fn entries_are_there_after_it_was_closed_and_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for number in [1_u32, 2] {
            let mut journal = Journal::open(&path).unwrap();
            add(&mut journal, number);
            assert!(news(&mut journal).is_empty(), "its own entries are no news");
        }
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(news(&mut journal), [1, 2]);
        assert!(news(&mut journal).is_empty());
    }

    #[test]
    fn what_another_process_adds_is_news() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut left, mut right) = (Journal::open(&path).unwrap(), Journal::open(&path).unwrap());
        add(&mut left, 1);
        assert_eq!(news(&mut right), [1]);
        add(&mut right, 2);
        assert_eq!(news(&mut left), [2]);
        left.read_anew();
        assert_eq!(news(&mut left), [1, 2]);
    }

    #[test]
    fn a_torn_last_line_is_cut_off_wherever_it_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for torn in ["2", "22", "{\"ke", "\u{0}\u{0}"] {
            fs::write(&path, format!("1\n{torn}")).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            assert_eq!(news(&mut journal), [1], "{torn:?}");
            add(&mut journal, 3);
            assert_eq!(fs::read_to_string(&path).unwrap(), "1\n3\n");
        }
    }

    #[test]
    fn a_damaged_line_is_named_by_its_place_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, "1\noops\n3\n").unwrap();
        let mut journal = Journal::open(&path).unwrap();
        let read = journal.exclusive().unwrap().news(|_: u32| {});
        assert!(matches!(read, Err(JournalError::Unreadable { offset: 2, .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\noops\n3\n");
    }

    #[test]
    fn a_journal_that_was_cut_while_open_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, "1\n2\n").unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(news(&mut journal), [1, 2]);
        fs::write(&path, "1\n").unwrap();
        assert!(matches!(journal.exclusive().unwrap().news(|_: u32| {}), Err(JournalError::Shortened)));
    }
}
