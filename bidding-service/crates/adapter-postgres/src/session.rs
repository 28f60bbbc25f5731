//! Sessions with the database, each of which answers or is given up.
//!
//! The server bounds its statements itself, but a server that has gone, or a network in between that forgot the
//! connection, says nothing at all: without a bound on this side whoever waits would wait for ever, and the session with
//! it. So every statement has a limit here, and a session that was left in the midst of something goes back to the pool
//! only if it still answers. There is no way to the pool round this.

use std::{
    io::ErrorKind,
    mem,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

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
use tokio::{runtime::Handle, time::timeout};

/// More than the server allows a statement: what is not answered by then is not going to be.
const ANSWERS_WITHIN: Duration = Duration::from_secs(12);
/// A session that was left in the midst of something has so long to show that it works.
const MENDS_WITHIN: Duration = Duration::from_secs(2);
/// A session that rested longer is asked before use whether its server still takes writes.
const CHECK_AFTER_IDLE: Duration = Duration::from_secs(1);
/// "cannot execute … in a read-only transaction": the server was demoted.
const READ_ONLY: &str = "25006";

/// The pool of sessions: single statements go to it directly.
#[derive(Debug, Clone)]
pub struct Sessions {
    current: Arc<Current>,
    answers_within: Duration,
}

/// The pool as of now. When a server falls silent or was demoted all sessions with it are in doubt: they are left to
/// themselves, and a new pool takes their place.
#[derive(Debug)]
struct Current {
    /// The how manieth it is.
    pool: RwLock<(u64, PgPool)>,
    options: PgPoolOptions,
    server: PgConnectOptions,
}

impl Current {
    fn get(&self) -> (u64, PgPool) {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn renew(&self, doubtful: u64) {
        let mut pool = self.pool.write().unwrap_or_else(PoisonError::into_inner);
        if pool.0 == doubtful {
            tracing::warn!("the database does not answer, or takes no writes: all sessions are made anew");
            let fresh = (doubtful + 1, self.options.clone().connect_lazy_with(self.server.clone()));
            let (_, old) = mem::replace(&mut *pool, fresh);
            // Sessions that come back are ended; who hangs is not waited for.
            tokio::spawn(async move { timeout(MENDS_WITHIN, old.close()).await });
        }
    }
}

impl Sessions {
    /// Sessions by `options`, made when first needed.
    pub(crate) fn new(options: PgPoolOptions, server: PgConnectOptions) -> Self {
        let options = options.test_before_acquire(false).before_acquire(|connection, rested| {
            async move {
                if rested.idle_for < CHECK_AFTER_IDLE {
                    return Ok(true);
                }
                let writable =
                    sqlx::query_scalar!(r#"SELECT current_setting('transaction_read_only') = 'off' AS "writable!""#);
                Ok(writable.fetch_one(connection).await.unwrap_or(false))
            }
            .boxed()
        });
        let pool = RwLock::new((0, options.clone().connect_lazy_with(server.clone())));
        Self { current: Arc::new(Current { pool, options, server }), answers_within: ANSWERS_WITHIN }
    }

    /// With another limit for an answer.
    #[must_use]
    pub fn answering_within(self, answers_within: Duration) -> Self {
        Self { answers_within, ..self }
    }

    /// Begins a unit of work.
    ///
    /// # Errors
    /// No session is to be had.
    pub async fn begin(&self) -> Result<Work, Error> {
        let (rules, mut session) = self.session().await?;
        session.works = true;
        rules.answered(session.connection()?.execute("BEGIN")).await?;
        Ok(Work { session, rules })
    }

    /// Ends all sessions.
    pub async fn close(&self) {
        self.current.get().1.close().await;
    }

    async fn session(&self) -> Result<(Rules, Session), Error> {
        let (generation, pool) = self.current.get();
        let connection = Some(pool.acquire().await?);
        let rules = Rules { current: Arc::clone(&self.current), generation, answers_within: self.answers_within };
        Ok((rules, Session { connection, works: false }))
    }
}

/// What holds for a session.
#[derive(Debug)]
struct Rules {
    current: Arc<Current>,
    generation: u64,
    answers_within: Duration,
}

impl Rules {
    /// Waits for an answer no longer than there may be one, and takes note of it.
    async fn answered<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let answer = timeout(self.answers_within, work).await.unwrap_or_else(|_| {
            self.current.renew(self.generation);
            let what = format!("the database has not answered within {:?}", self.answers_within);
            Err(Error::Io(std::io::Error::new(ErrorKind::TimedOut, what)))
        });
        if let Err(Error::Database(error)) = &answer
            && error.code().as_deref() == Some(READ_ONLY)
        {
            self.current.renew(self.generation);
        }
        answer
    }
}

/// A session in use. Dropped in the midst of something it is mended, or given up.
#[derive(Debug)]
struct Session {
    connection: Option<PoolConnection<Postgres>>,
    /// Whether there is something to roll back.
    works: bool,
}

impl Session {
    fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::WorkerCrashed)
    }

    fn give_back(mut self) {
        self.connection = None;
    }

    /// After an answer that leaves the session in order it goes back.
    fn done<T>(self, answer: Result<T, Error>) -> Result<T, Error> {
        if matches!(answer, Ok(_) | Err(Error::Database(_) | Error::RowNotFound)) {
            self.give_back();
        }
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let Ok(runtime) = Handle::try_current() else {
            drop(connection.leak());
            return;
        };
        let works = self.works;
        runtime.spawn(async move {
            let mended = timeout(MENDS_WITHIN, async {
                if works { connection.execute("ROLLBACK").await.map(|_| ()) } else { connection.ping().await }
            });
            if !matches!(mended.await, Ok(Ok(()))) {
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
    rules: Rules,
}

impl Work {
    /// Makes it last.
    ///
    /// # Errors
    /// It does not, or nobody knows.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.rules.answered(self.session.connection()?.execute("COMMIT")).await?;
        self.session.give_back();
        Ok(())
    }
}

type Rows<'e> = BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>;

impl<'c> Executor<'c> for &'c Sessions {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Rows<'e>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = async move {
            let (rules, mut session) = self.session().await?;
            let rows = rules.answered(session.connection()?.fetch_many(query).try_collect::<Vec<_>>()).await;
            session.done(rows)
        };
        all.map_ok(|rows| stream::iter(rows.into_iter().map(Ok))).try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        async move {
            let (rules, mut session) = self.session().await?;
            let row = rules.answered(session.connection()?.fetch_optional(query)).await;
            session.done(row)
        }
        .boxed()
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>>
    where
        'c: 'e,
    {
        async move {
            let (rules, mut session) = self.session().await?;
            let statement = rules.answered(session.connection()?.prepare_with(sql, parameters)).await;
            session.done(statement)
        }
        .boxed()
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        async move {
            let (rules, mut session) = self.session().await?;
            let described = rules.answered(session.connection()?.describe(sql)).await;
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
        let Work { session, rules } = self;
        let rules = &*rules;
        match session.connection() {
            Err(error) => stream::iter([Err(error)]).boxed(),
            // Row by row: a long answer is never in memory as a whole.
            Ok(connection) => stream::unfold(connection.fetch_many(query), move |mut rows| async move {
                let row = rules.answered(rows.try_next()).await.transpose()?;
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
        async move { self.rules.answered(self.session.connection()?.fetch_optional(query)).await }.boxed()
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>>
    where
        'c: 'e,
    {
        async move { self.rules.answered(self.session.connection()?.prepare_with(sql, parameters)).await }.boxed()
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        async move { self.rules.answered(self.session.connection()?.describe(sql)).await }.boxed()
    }
}
