//! Sessions with the database, each of which answers or is given up.
//!
//! The server bounds its statements itself, but a server that has gone, or a network in between that forgot the
//! connection, says nothing at all: without a bound on this side whoever waits would wait for ever, and the session with
//! it. So every answer has a limit here, and a session that was left in the midst of something is used again only if it
//! still works. The pool is this one and not sqlx's, which greets a session that comes back and sees off one that is old,
//! and waits for both answers without a limit.

mod metrics;

use std::{
    collections::VecDeque,
    io::ErrorKind,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt, TryFutureExt, TryStreamExt,
    future::{BoxFuture, join_all},
    stream::{self, BoxStream},
};
use sqlx::{
    Connection, Describe, Either, Error, Execute, Executor, PgConnection, Postgres,
    postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout, timeout_at},
};

use self::metrics::{Figures, InUse};

/// More than the server allows a statement: what is not answered by then is not going to be.
const ANSWERS_WITHIN: Duration = Duration::from_secs(12);
/// How long one waits for a session.
const HAD_WITHIN: Duration = Duration::from_secs(2);
/// A session in doubt has so long to show that it works. It leaves time for a new one to whoever waits for it.
const WORKS_WITHIN: Duration = Duration::from_secs(1);
/// A session that rested longer is in doubt.
const DOUBTED_AFTER: Duration = Duration::from_secs(1);
/// A session that rested longer, or is older, is ended: its server keeps memory for it.
const RESTS_FOR: Duration = Duration::from_secs(10 * 60);
const LIVES_FOR: Duration = Duration::from_secs(30 * 60);
/// A server that is starting, or has no place free, is asked again so often.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// "too many connections", "cannot connect now".
const STARTING: [&str; 2] = ["53300", "57P03"];
/// "cannot execute … in a read-only transaction": the server was demoted.
const READ_ONLY: &str = "25006";

/// The pool of sessions: single statements go to it directly.
#[derive(Debug, Clone)]
pub struct Sessions {
    pool: Arc<Pool>,
    answers_within: Duration,
}

impl Sessions {
    /// At most so many sessions with a server, made when first needed.
    pub(crate) fn new(server: PgConnectOptions, at_most: usize) -> Self {
        let (places, resting, figures) = (Arc::new(Semaphore::new(at_most)), Mutex::default(), OnceLock::new());
        Self { pool: Arc::new(Pool { server, at_most, places, resting, figures }), answers_within: ANSWERS_WITHIN }
    }

    /// Tells under this name, from now on, how near the pool is to running out of sessions. The first name stays.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.pool.figures.get_or_init(|| Figures::of(name, self.pool.at_most));
        self
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
        let mut session = self.pool.session().await?;
        session.has_begun = true;
        answered(self.answers_within, session.connection()?.execute("BEGIN")).await?;
        Ok(Work { session, answers_within: self.answers_within })
    }

    /// How many sessions are in use, or being brought in order after it.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.pool.at_most.saturating_sub(self.pool.places.available_permits())
    }

    /// Ends the sessions that rest, and each of the others when it comes back.
    pub async fn close(&self) {
        self.pool.places.close();
        let resting = std::mem::take(&mut *self.pool.resting());
        join_all(resting.into_iter().map(|resting| farewell(resting.connection))).await;
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

/// Tells the server that a session ends. One that says nothing to it is left.
async fn farewell(connection: PgConnection) {
    let _ = timeout(WORKS_WITHIN, connection.close()).await;
}

/// Places for sessions, and the sessions that nobody uses.
#[derive(Debug)]
struct Pool {
    server: PgConnectOptions,
    at_most: usize,
    places: Arc<Semaphore>,
    /// The one that was used last is at the end, and is used next.
    resting: Mutex<VecDeque<Resting>>,
    /// What is told of a pool that has a name.
    figures: OnceLock<Figures>,
}

/// A place that is taken. It is told to be free just before it is: never more are told than there are.
type Place = (Option<InUse>, OwnedSemaphorePermit);

#[derive(Debug)]
struct Resting {
    connection: PgConnection,
    made: Instant,
    since: Instant,
}

impl Pool {
    fn resting(&self) -> MutexGuard<'_, VecDeque<Resting>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn session(self: &Arc<Self>) -> Result<Session, Error> {
        let until = Instant::now() + HAD_WITHIN;
        let place = self.place(until).await?;
        let mut refused = None;
        let had = timeout_at(until, self.connection(&mut refused)).await;
        let (connection, made) = had.unwrap_or_else(|_| Err(refused.unwrap_or(Error::PoolTimedOut)))?;
        Ok(Session { held: Some(Held { connection, made, place }), pool: Arc::clone(self), has_begun: false })
    }

    /// A place, if one becomes free in time.
    async fn place(&self, until: Instant) -> Result<Place, Error> {
        let figures = self.figures.get();
        let Ok(place) = timeout_at(until, Arc::clone(&self.places).acquire_owned()).await else {
            if let Some(figures) = figures {
                figures.refused();
            }
            return Err(Error::PoolTimedOut);
        };
        let place = place.map_err(|_| Error::PoolClosed)?;
        Ok((figures.map(Figures::taken), place))
    }

    /// One that works, and since when there is it. Tells why it was `refused` for as long as it tries again.
    async fn connection(&self, refused: &mut Option<Error>) -> Result<(PgConnection, Instant), Error> {
        let resting = self.resting().pop_back();
        if let Some(Resting { mut connection, made, since }) = resting
            && (since.elapsed() < DOUBTED_AFTER || works(&mut connection).await)
        {
            return Ok((connection, made));
        }
        loop {
            match PgConnection::connect_with(&self.server).await {
                Ok(connection) => return Ok((connection, Instant::now())),
                Err(error) if is_starting(&error) => *refused = Some(error),
                Err(error) => return Err(error),
            }
            sleep(ASKED_AGAIN_AFTER).await;
        }
    }

    /// Takes a session back that is in order; its place is free afterwards.
    fn rests(&self, held: Held) {
        let Held { connection, made, place } = held;
        let now = Instant::now();
        let ended = if self.places.is_closed() || made.elapsed() > LIVES_FOR {
            Some(connection)
        } else {
            let mut resting = self.resting();
            resting.push_back(Resting { connection, made, since: now });
            let is_old = resting.front().is_some_and(|oldest| now.duration_since(oldest.since) > RESTS_FOR);
            is_old.then(|| resting.pop_front()).flatten().map(|oldest| oldest.connection)
        };
        drop(place);
        if let (Some(connection), Ok(runtime)) = (ended, Handle::try_current()) {
            runtime.spawn(farewell(connection));
        }
    }
}

fn is_starting(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        Error::Database(error) => error.code().is_some_and(|code| STARTING.contains(&&*code)),
        _ => false,
    }
}

/// A session and its place.
#[derive(Debug)]
struct Held {
    connection: PgConnection,
    made: Instant,
    place: Place,
}

/// A session in use. Dropped in the midst of something it is brought in order, or given up.
#[derive(Debug)]
struct Session {
    held: Option<Held>,
    pool: Arc<Pool>,
    /// Whether there may be something to roll back.
    has_begun: bool,
}

impl Session {
    fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.held.as_mut().map(|held| &mut held.connection).ok_or(Error::WorkerCrashed)
    }

    fn give_back(mut self) {
        if let Some(held) = self.held.take() {
            self.pool.rests(held);
        }
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
        let (Some(mut held), Ok(runtime)) = (self.held.take(), Handle::try_current()) else { return };
        let (pool, has_begun) = (Arc::clone(&self.pool), self.has_begun);
        runtime.spawn(async move {
            let connection = &mut held.connection;
            if (!has_begun || is_rolled_back(connection).await) && works(connection).await {
                pool.rests(held);
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
    /// From now on an answer may take so long. Gives the limit of before.
    pub const fn answering_within(&mut self, answers_within: Duration) -> Duration {
        std::mem::replace(&mut self.answers_within, answers_within)
    }

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
            let mut session = sessions.pool.session().await?;
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
            let mut session = sessions.pool.session().await?;
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
            let mut session = sessions.pool.session().await?;
            let statement =
                answered(sessions.answers_within, session.connection()?.prepare_with(sql, parameters)).await;
            session.done(statement)
        }
        .boxed()
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>> {
        let sessions = self.clone();
        async move {
            let mut session = sessions.pool.session().await?;
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
