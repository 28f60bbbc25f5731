//! The simulated gateway: what [`crate::book`] decides, with [`crate::journal`] for a memory. For development and tests.

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::{CallKey, GatewayRef, Instruction, Movement, MovementKind};
use settlement_ports::{GatewayResult, GatewayStatement, Lookup, PaymentGateway, StatementError, StatementPage};

use crate::desk::Desk;
use crate::faults::{self, Faults};
use crate::journal::{Journal, JournalError};
use crate::journal_statement::JournalStatement;
use crate::posts::Posts;

/// How the gateway behaves.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// What was answered is on disk before, so that it survives a failure of the machine like the store does. Without it
    /// survives the end of the process only, and costs no wait for the disk.
    pub durable: bool,
    /// What goes wrong.
    pub faults: Faults,
    /// Where webhooks go; nowhere, if there are to be none.
    pub posts: Option<Posts>,
}

/// A gateway whose state is a file: several processes may use one file, and any may be killed at any time.
/// See the module `faults` for the payment methods it knows. Its calls need a tokio runtime.
#[derive(Clone)]
pub struct SimulatedGateway {
    desk: Desk,
    faults: Faults,
    posts: Option<Posts>,
    statement: JournalStatement,
}

impl SimulatedGateway {
    /// Opens the journal, making it if there is none, and reads all of it.
    pub fn open(path: &Path, behaviour: Behaviour) -> Result<Self, JournalError> {
        let Behaviour { durable, faults, posts } = behaviour;
        let desk = Desk::open(Journal::open(path)?, durable)?;
        Ok(Self { desk, faults, posts, statement: JournalStatement::new(path) })
    }
}

#[async_trait]
impl PaymentGateway for SimulatedGateway {
    async fn execute(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        let method = match instruction {
            Instruction::Authorize { method, .. } => method.as_str(),
            _ => "",
        };
        let executed = self.desk.execute(key, instruction, self.faults.of(key, method)).await;
        if let (Some(posts), Some(answer)) = (&self.posts, &executed.news) {
            if let Some(telling) = self.faults.telling(key, instruction.operation(), &executed.method) {
                posts.tell(telling, key, instruction, answer).await;
            }
            if faults::is_disputed(&executed.method) {
                posts.dispute(instruction, answer);
            }
        }
        let slowness = self.faults.slowness(method);
        if !slowness.is_zero() {
            tokio::time::sleep(slowness).await;
        }
        executed.result
    }

    async fn lookup(&self, key: &CallKey, instruction: &Instruction) -> Lookup {
        self.desk.lookup(key, instruction).await
    }
}

#[async_trait]
impl GatewayStatement for SimulatedGateway {
    async fn page(
        &self,
        kind: MovementKind,
        since: DateTime<Utc>,
        after: Option<String>,
    ) -> Result<StatementPage, StatementError> {
        self.statement.page(kind, since, after).await
    }

    async fn movement(&self, kind: MovementKind, reference: &GatewayRef) -> Result<Option<Movement>, StatementError> {
        self.statement.movement(kind, reference).await
    }
}
