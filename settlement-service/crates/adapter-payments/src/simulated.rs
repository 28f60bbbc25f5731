//! The simulated gateway: what [`crate::book`] decides, with [`crate::journal`] for a memory. For development and tests.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use settlement_domain::{CallKey, Instruction};
use settlement_ports::{GatewayResult, Lookup, PaymentGateway};

use crate::book::{Book, Entry, Verdict};
use crate::journal::{Exclusive, Journal, JournalError};

/// A gateway whose state is a file: several processes may use one file, and any may be killed at any time.
/// See the module `book` for the payment methods it knows. Its calls need a tokio runtime.
#[derive(Clone)]
pub struct SimulatedGateway {
    desk: Arc<Mutex<Desk>>,
}

struct Desk {
    journal: Journal,
    book: Book,
}

impl SimulatedGateway {
    /// Opens the journal, making it if there is none, and reads all of it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut desk = Desk { journal: Journal::open(path)?, book: Book::default() };
        desk.up_to_date(|_, _| Ok(()))?;
        Ok(Self { desk: Arc::new(Mutex::new(desk)) })
    }

    /// Works at the desk on a thread that may wait for files.
    async fn at_desk<T: Send + 'static>(&self, work: impl FnOnce(&mut Desk) -> T + Send + 'static) -> Option<T> {
        let desk = Arc::clone(&self.desk);
        let work = move || work(&mut desk.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.ok()
    }
}

impl Desk {
    /// Works with the journal to itself and the book following all of it.
    fn up_to_date<T>(
        &mut self,
        work: impl FnOnce(&mut Exclusive<'_>, &mut Book) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let mut journal = self.journal.exclusive()?;
        for entry in journal.news()? {
            self.book.take_in(entry);
        }
        work(&mut journal, &mut self.book)
    }

    fn execute(&mut self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        let decided = self.up_to_date(|journal, book| {
            Ok(match book.decide(key, instruction) {
                Verdict::Again(answer) => GatewayResult::Answered(answer),
                Verdict::New(entry, heard) => match (journal.append(&entry), entry) {
                    (Ok(()), Entry::Answered { answer, .. }) if heard => GatewayResult::Answered(answer),
                    // Not heard, or perhaps on disk and perhaps not: the next look at the file tells.
                    _ => GatewayResult::Unknown,
                },
            })
        });
        // The journal could not be read: nothing was added to it.
        decided.unwrap_or(GatewayResult::Unavailable)
    }

    fn lookup(&mut self, key: &CallKey) -> Lookup {
        match self.up_to_date(|_, book| Ok(book.answer(key).cloned())) {
            Ok(Some(answer)) => Lookup::Answered(answer),
            Ok(None) => Lookup::Absent,
            Err(_) => Lookup::Unavailable,
        }
    }
}

#[async_trait]
impl PaymentGateway for SimulatedGateway {
    async fn execute(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        let (key, instruction) = (key.clone(), instruction.clone());
        self.at_desk(move |desk| desk.execute(&key, &instruction)).await.unwrap_or(GatewayResult::Unknown)
    }

    async fn lookup(&self, key: &CallKey) -> Lookup {
        let key = key.clone();
        self.at_desk(move |desk| desk.lookup(&key)).await.unwrap_or(Lookup::Unavailable)
    }
}
