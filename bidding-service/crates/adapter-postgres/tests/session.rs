//! Sessions on a real PostgreSQL behind a network that forgets connections. Needs `OUTCRY_TEST_DATABASE_URL`; `make test`
//! starts a server.

use std::{fmt::Debug, io::ErrorKind, net::SocketAddr, str::FromStr, time::Duration};

use anyhow::{Context, Result, ensure};
use bidding_adapter_postgres::{
    database::{self, DatabaseError},
    session::Sessions,
    start,
};
use prometheus::TextEncoder;
use sqlx::{Error, postgres::PgConnectOptions};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::Instant,
};

/// In place of the seconds that a server has in life.
const LIMIT: Duration = Duration::from_secs(1);
/// Whatever is wrong with a session, it has been replaced by then.
const SOON: Duration = Duration::from_secs(20);

/// A way to the server that can forget the connections that are open.
struct Network {
    forgotten: watch::Sender<u32>,
    url: String,
    here: SocketAddr,
    server: u16,
    open: JoinHandle<()>,
}

impl Network {
    async fn before_the_server() -> Result<Self> {
        Self::hanging_up(0).await
    }

    /// So many connections are ended as soon as they are there.
    async fn hanging_up(times: u32) -> Result<Self> {
        let server = std::env::var("OUTCRY_TEST_DATABASE_URL").context("set OUTCRY_TEST_DATABASE_URL")?;
        let port = PgConnectOptions::from_str(&server)?.get_port();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let here = listener.local_addr()?;
        let url = server.replace(&format!(":{port}/"), &format!(":{}/", here.port()));
        let forgotten = watch::Sender::new(0);
        let orders = forgotten.clone();
        let open = tokio::spawn(async move {
            for _ in 0..times {
                drop(listener.accept().await);
            }
            carry_all(listener, port, orders).await;
        });
        Ok(Self { forgotten, url, here, server: port, open })
    }

    /// As while a server starts: nobody listens.
    async fn is_away(&mut self) {
        self.open.abort();
        let _ = (&mut self.open).await;
    }

    async fn is_back(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.here).await?;
        self.open = tokio::spawn(carry_all(listener, self.server, self.forgotten.clone()));
        Ok(())
    }

    fn forgets(&self) {
        self.forgotten.send_modify(|times| *times += 1);
    }

    /// One session at most: a place that is not given back is missed at once.
    fn sessions(&self) -> Result<Sessions> {
        Ok(database::connect(&self.url, 1)?.answering_within(LIMIT))
    }
}

async fn carry_all(listener: TcpListener, port: u16, orders: watch::Sender<u32>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, port, orders.subscribe()));
    }
}

async fn carry(mut client: TcpStream, port: u16, mut forgotten: watch::Receiver<u32>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    tokio::select! {
        ended = tokio::io::copy_bidirectional(&mut client, &mut server) => ended.map(|_| ()),
        _ = forgotten.changed() => {
            drop(server);
            // The client is never told.
            std::future::pending().await
        }
    }
}

async fn pid(sessions: &Sessions) -> Result<i32, Error> {
    sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(sessions).await
}

/// A new session is there soon after the place of the old one is free.
async fn works_again(sessions: &Sessions) -> Result<i32> {
    let begun = Instant::now();
    loop {
        match pid(sessions).await {
            Ok(pid) => return Ok(pid),
            Err(error) if begun.elapsed() > SOON => return Err(error).context("no session is to be had"),
            Err(_) => tokio::time::sleep(LIMIT / 10).await,
        }
    }
}

/// What is told of the sessions of a pool: those in use, the most, and the requests for one that were refused.
fn figures(pool: &str) -> Result<[i64; 3]> {
    let page = TextEncoder::new().encode_to_string(&prometheus::gather())?;
    let figure = |name: &str| {
        let series = format!("outcry_database_sessions_{name}{{pool=\"{pool}\"}} ");
        let value = page.lines().find_map(|line| line.strip_prefix(series.as_str()));
        value.and_then(|value| value.parse::<i64>().ok()).with_context(|| format!("{series}is not told"))
    };
    Ok([figure("in_use")?, figure("max")?, figure("refused_total")?])
}

fn is_given_up<T: Debug>(answer: &Result<T, Error>) -> Result<()> {
    let given_up = matches!(answer, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut);
    ensure!(given_up, "it should have been given up: {answer:?}");
    Ok(())
}

#[tokio::test]
async fn a_statement_that_is_never_answered_is_given_up_and_the_next_one_is_answered() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    let before = pid(&sessions).await?;
    network.forgets();
    is_given_up(&pid(&sessions).await)?;
    ensure!(works_again(&sessions).await? != before);
    Ok(())
}

#[tokio::test]
async fn a_unit_of_work_that_is_never_answered_is_given_up_and_the_next_one_works() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    let mut work = sessions.begin().await?;
    sqlx::query("SELECT 1").execute(&mut work).await?;
    network.forgets();
    is_given_up(&sqlx::query("SELECT 1").execute(&mut work).await)?;
    drop(work);
    works_again(&sessions).await?;

    let work = sessions.begin().await?;
    network.forgets();
    is_given_up(&work.commit().await)?;
    works_again(&sessions).await?;
    Ok(())
}

#[tokio::test]
async fn who_stops_waiting_leaves_no_session_behind() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    pid(&sessions).await?;
    network.forgets();
    let hung_up = tokio::time::timeout(LIMIT / 3, pid(&sessions)).await;
    ensure!(hung_up.is_err(), "{hung_up:?}");
    works_again(&sessions).await?;
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_forgotten_while_it_rested_is_replaced_before_anybody_waits_for_it() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    let before = pid(&sessions).await?;
    network.forgets();
    // So long that it is in doubt.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    ensure!(pid(&sessions).await? != before);
    Ok(())
}

#[tokio::test]
async fn work_that_is_not_committed_is_rolled_back_and_its_session_used_again() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    let before = pid(&sessions).await?;
    let mut work = sessions.begin().await?;
    sqlx::query("CREATE TABLE never (there int)").execute(&mut work).await?;
    drop(work);
    let there: bool = sqlx::query_scalar("SELECT to_regclass('never') IS NOT NULL").fetch_one(&sessions).await?;
    ensure!(!there && pid(&sessions).await? == before);
    Ok(())
}

#[tokio::test]
async fn a_session_whose_server_takes_no_writes_any_more_is_not_used_again() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    let before = pid(&sessions).await?;
    // As a primary that was demoted: who has a session keeps it.
    sqlx::query("SET default_transaction_read_only = on").execute(&sessions).await?;
    let refused = sqlx::query("CREATE TABLE refused (here int)").execute(&sessions).await;
    ensure!(matches!(&refused, Err(Error::Database(error)) if error.code().as_deref() == Some("25006")), "{refused:?}");
    let write = sqlx::query("CREATE TEMPORARY TABLE written (here int)");
    write.execute(&sessions).await.context("the write follows the failover")?;
    ensure!(pid(&sessions).await? != before);
    Ok(())
}

#[tokio::test]
async fn a_session_is_back_in_its_place_with_its_answer() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    let before = pid(&sessions).await?;
    ensure!(sessions.in_use() == 0, "whatever becomes of the network now, nothing is waited for");
    ensure!(pid(&sessions).await? == before);
    let work = sessions.begin().await?;
    ensure!(sessions.in_use() == 1);
    work.commit().await?;
    ensure!(sessions.in_use() == 0 && pid(&sessions).await? == before);
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_up_at_first_is_asked_again() -> Result<()> {
    let network = Network::hanging_up(2).await?;
    let usable = start::usable(&network.sessions()?, SOON).await;
    // Whether there is a schema, only a server can say that was reached.
    ensure!(!matches!(usable, Err(DatabaseError::Unavailable(_))), "{usable:?}");
    Ok(())
}

#[tokio::test]
async fn who_asks_while_the_server_starts_waits_for_it() -> Result<()> {
    let mut network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    network.is_away().await;
    let refused = pid(&sessions).await;
    let told = matches!(&refused, Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused);
    ensure!(told, "the reason is told, and not that there was no session: {refused:?}");
    let (asked, back) = tokio::join!(pid(&sessions), async {
        tokio::time::sleep(LIMIT / 3).await;
        network.is_back().await
    });
    back?;
    asked?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up_for_the_reason_that_it_does_not_listen() -> Result<()> {
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let sessions = database::connect(&format!("postgres://somebody@{nobody}/somewhere"), 1)?;
    let usable = start::usable(&sessions, LIMIT).await;
    let refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
    ensure!(matches!(&usable, Err(DatabaseError::Unavailable(Error::Io(error))) if refused(error)), "{usable:?}");
    Ok(())
}

#[tokio::test]
async fn a_pool_that_is_closed_ends_its_sessions() -> Result<()> {
    let network = Network::before_the_server().await?;
    let (sessions, other) = (network.sessions()?, network.sessions()?);
    let ended = pid(&sessions).await?;
    let work = sessions.begin().await?;
    sessions.close().await;
    ensure!(matches!(pid(&sessions).await, Err(Error::PoolClosed)));
    work.commit().await.context("what was begun is finished")?;
    let begun = Instant::now();
    let there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)";
    while sqlx::query_scalar(there).bind(ended).fetch_one(&other).await? {
        ensure!(begun.elapsed() < SOON, "its session is still there");
        tokio::time::sleep(LIMIT / 10).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_its_server_does_not_have_is_not_waited_for() -> Result<()> {
    let server = std::env::var("OUTCRY_TEST_DATABASE_URL").context("set OUTCRY_TEST_DATABASE_URL")?;
    let (base, parameters) = server.split_once('?').unwrap_or((&server, ""));
    let host = base.rsplit_once('/').context("the URL names no database")?.0;
    let sessions = database::connect(&format!("{host}/nowhere?{parameters}"), 1)?;
    let begun = Instant::now();
    let usable = start::usable(&sessions, SOON).await;
    let unknown = matches!(&usable, Err(DatabaseError::Unavailable(Error::Database(error)))
        if error.code().as_deref() == Some("3D000"));
    ensure!(unknown && begun.elapsed() < SOON / 2, "after {:?}: {usable:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_session_is_told_to_be_in_use_until_its_place_is_free() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?.named("lent");
    ensure!(figures("lent")? == [0, 1, 0], "they are told before anything happens");
    let work = sessions.begin().await?;
    ensure!(figures("lent")? == [1, 1, 0]);
    work.commit().await?;
    ensure!(figures("lent")? == [0, 1, 0], "it was given back");

    drop(sessions.begin().await?);
    ensure!(figures("lent")? == [1, 1, 0], "it is not yet in order");
    pid(&sessions).await?;
    ensure!(figures("lent")? == [0, 1, 0], "it was brought in order");

    network.forgets();
    is_given_up(&pid(&sessions).await)?;
    ensure!(figures("lent")? == [1, 1, 0], "it may still answer");
    works_again(&sessions).await?;
    ensure!(figures("lent")? == [0, 1, 0], "it was given up");
    Ok(())
}

#[tokio::test]
async fn who_gets_no_session_in_time_is_told_as_refused_and_who_stops_waiting_is_not() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?.named("short");
    let work = sessions.begin().await?;
    let hung_up = tokio::time::timeout(LIMIT / 3, pid(&sessions)).await;
    ensure!(hung_up.is_err() && figures("short")? == [1, 1, 0], "{hung_up:?}");
    let refused = pid(&sessions).await;
    ensure!(matches!(refused, Err(Error::PoolTimedOut)) && figures("short")? == [1, 1, 1], "{refused:?}");
    work.commit().await?;
    pid(&sessions).await?;
    ensure!(figures("short")? == [0, 1, 1], "only the session is given back");

    let work = sessions.begin().await?;
    let (closed, ()) = tokio::join!(pid(&sessions), sessions.close());
    ensure!(matches!(closed, Err(Error::PoolClosed)) && figures("short")? == [1, 1, 1], "{closed:?}");
    work.commit().await?;
    ensure!(figures("short")? == [0, 1, 1], "the last one is given back to a pool that is closed");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_by_one_after_the_other_and_nobody_is_told_as_refused() -> Result<()> {
    let mut network = Network::before_the_server().await?;
    let sessions = network.sessions()?.named("away");
    network.is_away().await;
    // Who came first gives up first, and leaves its place to the next while that has time to ask.
    let asks_after = async |pause: Duration| {
        tokio::time::sleep(pause).await;
        pid(&sessions).await
    };
    let (first, second, third, meanwhile) =
        tokio::join!(pid(&sessions), asks_after(LIMIT / 3), asks_after(LIMIT * 2 / 3), async {
            tokio::time::sleep(LIMIT).await;
            figures("away")
        });
    for asked in [first, second, third] {
        let away = matches!(&asked, Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused);
        ensure!(away, "the reason is told, and not that there was no session: {asked:?}");
    }
    ensure!(meanwhile? == [1, 1, 0], "the place is taken while the server is asked");
    ensure!(figures("away")? == [0, 1, 0], "and free when it is given up");
    let hung_up = tokio::time::timeout(LIMIT / 3, pid(&sessions)).await;
    ensure!(hung_up.is_err() && figures("away")? == [0, 1, 0], "who stops waiting keeps no place: {hung_up:?}");
    Ok(())
}

#[tokio::test]
async fn who_waits_behind_a_server_that_says_nothing_is_told_as_refused() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?.named("silent").answering_within(LIMIT * 3);
    pid(&sessions).await?;
    network.forgets();
    let (unanswered, refused) = tokio::join!(pid(&sessions), pid(&sessions));
    is_given_up(&unanswered)?;
    ensure!(matches!(refused, Err(Error::PoolTimedOut)) && figures("silent")? == [1, 1, 1], "{refused:?}");
    Ok(())
}
