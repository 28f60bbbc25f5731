//! Sessions on a real PostgreSQL behind a network that forgets connections. Needs `OUTCRY_TEST_DATABASE_URL`; `make test`
//! starts a server.

use std::{io::ErrorKind, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bidding_adapter_postgres::{database, session::Sessions};
use sqlx::{Error, postgres::PgConnectOptions};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::Instant,
};

/// In place of the seconds that a server has in life.
const LIMIT: Duration = Duration::from_millis(300);
/// Whatever is wrong with a session, it has been replaced by then.
const SOON: Duration = Duration::from_secs(20);

/// A way to the server that can forget the connections that are open.
struct Network {
    forgotten: watch::Sender<u32>,
    url: String,
}

impl Network {
    async fn before_the_server() -> Result<Self> {
        let server = std::env::var("OUTCRY_TEST_DATABASE_URL").context("set OUTCRY_TEST_DATABASE_URL")?;
        let port = PgConnectOptions::from_str(&server)?.get_port();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = server.replace(&format!(":{port}/"), &format!(":{}/", listener.local_addr()?.port()));
        let forgotten = watch::Sender::new(0);
        let orders = forgotten.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut orders = orders.subscribe();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                    tokio::select! {
                        ended = tokio::io::copy_bidirectional(&mut client, &mut server) => ended.map(|_| ()),
                        _ = orders.changed() => {
                            drop(server);
                            // The client is never told.
                            std::future::pending().await
                        }
                    }
                });
            }
        });
        Ok(Self { forgotten, url })
    }

    fn forgets(&self) {
        self.forgotten.send_modify(|times| *times += 1);
    }

    /// One session at most: a place that is not given back is missed at once.
    fn sessions(&self) -> Result<Sessions> {
        Ok(database::connect(&self.url, 1)?.answering_within(LIMIT))
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

fn is_given_up<T: std::fmt::Debug>(answer: Result<T, Error>) -> Result<()> {
    let given_up = matches!(&answer, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut);
    ensure!(given_up, "it should have been given up: {answer:?}");
    Ok(())
}

#[tokio::test]
async fn a_statement_that_is_never_answered_is_given_up_and_the_next_one_is_answered() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    let before = pid(&sessions).await?;
    network.forgets();
    is_given_up(pid(&sessions).await)?;
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
    is_given_up(sqlx::query("SELECT 1").execute(&mut work).await)?;
    drop(work);
    works_again(&sessions).await?;

    let work = sessions.begin().await?;
    network.forgets();
    is_given_up(work.commit().await)?;
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
async fn after_its_server_was_demoted_no_session_from_before_is_used() -> Result<()> {
    let network = Network::before_the_server().await?;
    let sessions = network.sessions()?;
    let before = pid(&sessions).await?;
    // As a primary that was told to take no more writes: who has a session keeps it.
    sqlx::query("SET default_transaction_read_only = on").execute(&sessions).await?;
    let write = "CREATE TEMPORARY TABLE written (here int)";
    let refused = sqlx::query("CREATE TABLE refused (here int)").execute(&sessions).await;
    ensure!(matches!(&refused, Err(Error::Database(error)) if error.code().as_deref() == Some("25006")), "{refused:?}");
    sqlx::query(write).execute(&sessions).await.context("the write follows the failover")?;
    ensure!(pid(&sessions).await? != before);
    Ok(())
}
