//! Sessions with the database, each of which answers or is given up.
//!
//! The server bounds its statements itself, but a server that has gone, or a network in between that forgot the
//! connection, says nothing at all: without a bound on this side whoever waits would wait for ever, and the session with
//! it. So every answer has a limit here, and a session that was left in the midst of something goes back to the pool only
//! if it still works. There is no way to the pool round this.

use std::{io::ErrorKind, time::Duration};

use futures::{
    FutureExt, StreamExt, TryFutureExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Connection, Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::timeout;

/// More than the server allows a statement: what is not answered by then is not going to be.
const ANSWERS_WITHIN: Duration = Duration::from_secs(12);
/// A session in doubt has so long to show that it works. It leaves time for a new one to whoever waits for it.
const WORKS_WITHIN: Duration = Duration::from_secs(1);
/// Whoever waits for a session of the pool waits no longer either.
const REACHED_WITHIN: Duration = Duration::from_secs(2);
/// A session that rested longer is in doubt.
const DOUBTED_AFTER: Duration = Duration::from_secs(1);
/// "cannot execute … in a read-only transaction": the server was demoted.
const READ_ONLY: &str = "25006";

/// The pool of sessions: single statements go to it directly.
#[derive(Debug, Clone)]
pub struct Sessions {
    pool: PgPool,
    answers_within: Duration,
}

impl Sessions {
    /// Sessions by `options`, made when first needed.
    pub(crate) fn new(options: PgPoolOptions, server: PgConnectOptions) -> Self {
        let options = options.test_before_acquire(false).before_acquire(|connection, rested| {
            Box::pin(async move { Ok(rested.idle_for < DOUBTED_AFTER || works(connection).await) })
        });
        Self { pool: options.connect_lazy_with(server), answers_within: ANSWERS_WITHIN }
    }

    /// The same sessions with another limit for an answer.
    #[must_use]
    pub fn answering_within(self, answers_within: Duration) -> Self {
        Self { answers_within, ..self }
    }

    /// Begins a unit of work.
    ///
    /// # Errors
    /// No session is to be had.
    pub async fn begin(&self) -> Result<Work, Error> {
        let mut session = self.session().await?;
        session.has_begun = true;
        answered(self.answers_within, session.connection()?.execute("BEGIN")).await?;
        Ok(Work { session, answers_within: self.answers_within })
    }

    /// Opens a session beside the pool and ends it: who waits for one of the pool in vain is not told why, this tells it.
    pub(crate) async fn reach(&self) -> Result<(), Error> {
        let server = self.pool.connect_options();
        answered(REACHED_WITHIN, async { PgConnection::connect_with(&server).await?.close().await }).await
    }

    /// How many sessions are in use, or being brought in order after it.
    #[must_use]
    pub fn in_use(&self) -> usize {
        (self.pool.size() as usize).saturating_sub(self.pool.num_idle())
    }

    /// Ends all sessions.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn session(&self) -> Result<Session, Error> {
        Ok(Session { connection: Some(self.pool.acquire().await?), has_begun: false })
    }
}

/// Waits for an answer no longer than there may be one.
async fn answered<T>(within: Duration, asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(within, asked).await.unwrap_or_else(|_| {
        let what = format!("the database has not answered within {within:?}");
        Err(Error::Io(std::io::Error::new(ErrorKind::TimedOut, what)))
    })
}

/// Whether a session answers and its server takes writes; it may have been demoted.
async fn works(connection: &mut PgConnection) -> bool {
    let writable = sqlx::query_scalar!(r#"SELECT current_setting('transaction_read_only') = 'off' AS "writable!""#);
    matches!(timeout(WORKS_WITHIN, writable.fetch_one(connection)).await, Ok(Ok(true)))
}

/// Whether a session could be brought in order in which a transaction may be open.
async fn is_rolled_back(connection: &mut PgConnection) -> bool {
    matches!(timeout(WORKS_WITHIN, connection.execute("ROLLBACK")).await, Ok(Ok(_)))
}

/// A session in use. Dropped in the midst of something it is brought in order, or given up.
#[derive(Debug)]
struct Session {
    connection: Option<PoolConnection<Postgres>>,
    /// Whether there may be something to roll back.
    has_begun: bool,
}

impl Session {
    fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::WorkerCrashed)
    }

    fn give_back(mut self) {
        self.connection = None;
    }

    /// Goes back after an answer that leaves it in order.
    fn done<T>(self, answer: Result<T, Error>) -> Result<T, Error> {
        let in_order = match &answer {
            Ok(_) | Err(Error::RowNotFound) => true,
            Err(Error::Database(error)) => error.code().as_deref() != Some(READ_ONLY),
            Err(_) => false,
        };
        if in_order {
            self.give_back();
        }
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let has_begun = self.has_begun;
        tokio::spawn(async move {
            let in_order = (!has_begun || is_rolled_back(&mut connection).await) && works(&mut connection).await;
            if !in_order {
                // Its place in the pool is free at once; waiting for a farewell could last for ever.
                drop(connection.detach());
            }
        });
    }
}

/// A unit of work: a transaction, rolled back unless it is committed.
#[derive(Debug)]
pub struct Work {
    session: Session,
    answers_within: Duration,
}

impl Work {
    /// Makes it last.
    ///
    /// # Errors
    /// It does not, or nobody knows.
    pub async fn commit(mut self) -> Result<(), Error> {
        answered(self.answers_within, self.session.connection()?.execute("COMMIT")).await?;
        self.session.give_back();
        Ok(())
    }
}

type Rows<'e> = BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>;

impl Executor<'_> for &Sessions {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Rows<'e>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let sessions = self.clone();
        let all = async move {
            let mut session = sessions.session().await?;
            let asked = session.connection()?.fetch_many(query).try_collect::<Vec<_>>();
            let rows = answered(sessions.answers_within, asked).await;
            session.done(rows)
        };
        all.map_ok(|rows| stream::iter(rows.into_iter().map(Ok::<_, Error>))).try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let sessions = self.clone();
        async move {
            let mut session = sessions.session().await?;
            let row = answered(sessions.answers_within, session.connection()?.fetch_optional(query)).await;
            session.done(row)
        }
        .boxed()
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>> {
        let sessions = self.clone();
        async move {
            let mut session = sessions.session().await?;
            let statement =
                answered(sessions.answers_within, session.connection()?.prepare_with(sql, parameters)).await;
            session.done(statement)
        }
        .boxed()
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>> {
        let sessions = self.clone();
        async move {
            let mut session = sessions.session().await?;
            let described = answered(sessions.answers_within, session.connection()?.describe(sql)).await;
            session.done(described)
        }
        .boxed()
    }
}

impl<'c> Executor<'c> for &'c mut Work {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Rows<'e>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let within = self.answers_within;
        match self.session.connection() {
            Err(error) => stream::iter([Err(error)]).boxed(),
            // Row by row: a long answer is never in memory as a whole.
            Ok(connection) => stream::unfold(connection.fetch_many(query), move |mut rows| async move {
                let row = answered(within, rows.try_next()).await.transpose()?;
                Some((row, rows))
            })
            .boxed(),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        async move { answered(self.answers_within, self.session.connection()?.fetch_optional(query)).await }.boxed()
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>>
    where
        'c: 'e,
    {
        async move { answered(self.answers_within, self.session.connection()?.prepare_with(sql, parameters)).await }
            .boxed()
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        async move { answered(self.answers_within, self.session.connection()?.describe(sql)).await }.boxed()
    }
}
