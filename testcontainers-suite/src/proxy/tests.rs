use std::io::ErrorKind;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::*;

/// Long enough for this machine to have carried what it is going to carry.
const A_WHILE: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(20);

/// Who connects, the proxy in between, and who listens.
struct Line {
    proxy: Proxy,
    client: TcpStream,
    server: TcpStream,
    listener: TcpListener,
}

impl Line {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::before(&[listener.local_addr().unwrap()]).await.unwrap();
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        Self { proxy, client, server, listener }
    }

    async fn another(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.address()).await.unwrap();
        (client, self.listener.accept().await.unwrap().0)
    }
}

async fn says(from: &mut TcpStream, what: &str) {
    from.write_all(what.as_bytes()).await.unwrap();
}

async fn hears(to: &mut TcpStream, what: &str) {
    let mut heard = vec![0; what.len()];
    timeout(SOON, to.read_exact(&mut heard)).await.expect("nothing came").unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), what);
}

/// Waits until so many connections are open.
async fn has_open(proxy: &Proxy, connections: usize) {
    let counted = async {
        while proxy.open() != connections {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, counted).await.expect("other connections are open");
}

async fn nobody_comes(listener: &TcpListener) {
    assert!(timeout(A_WHILE, listener.accept()).await.is_err(), "a connection came through");
}

async fn hears_nothing(to: &mut TcpStream) {
    let mut heard = [0; 64];
    assert!(timeout(A_WHILE, to.read(&mut heard)).await.is_err(), "{heard:?}");
}

async fn is_reset(stream: &mut TcpStream) {
    let read = timeout(SOON, stream.read(&mut [0; 1])).await.expect("it is still open");
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn bytes_and_the_end_go_both_ways_and_are_counted() {
    let Line { proxy, mut client, mut server, .. } = Line::new().await;
    says(&mut client, "ask").await;
    hears(&mut server, "ask").await;
    says(&mut server, "answer").await;
    hears(&mut client, "answer").await;
    client.shutdown().await.unwrap();
    assert_eq!(timeout(SOON, server.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
    says(&mut server, "a last word").await;
    hears(&mut client, "a last word").await;
    assert_eq!((proxy.carried(Way::ToServer), proxy.carried(Way::ToClient)), (3, 17));
}

#[tokio::test]
async fn a_cut_holds_one_way_back_until_it_heals() {
    for way in Way::BOTH {
        let Line { proxy, mut client, mut server, .. } = Line::new().await;
        proxy.cut(way);
        let (from, to) = match way {
            Way::ToServer => (&mut client, &mut server),
            Way::ToClient => (&mut server, &mut client),
        };
        says(from, "lost?").await;
        hears_nothing(to).await;
        says(to, "the other way").await;
        hears(from, "the other way").await;
        proxy.heal();
        hears(to, "lost?").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_cut_holds_is_lost_with_its_connection_even_if_it_clears_up_at_once() {
    let line = Line::new().await;
    for _ in 0..5 {
        let (mut clients, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let (client, server) = line.another().await;
            clients.push(client);
            servers.push(server);
        }
        line.proxy.cut(Way::ToServer);
        for client in &mut clients {
            says(client, "lost").await;
        }
        hears_nothing(&mut servers[0]).await;
        drop(clients);
        line.proxy.reset();
        line.proxy.heal();
        for server in &mut servers {
            is_reset(server).await;
        }
    }
}

#[tokio::test]
async fn a_cut_hides_the_end_of_a_connection() {
    let Line { proxy, client, mut server, .. } = Line::new().await;
    proxy.cut(Way::ToServer);
    drop(client);
    hears_nothing(&mut server).await;
    proxy.heal();
    assert_eq!(timeout(SOON, server.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn nobody_connects_through_a_cut_of_either_way_before_it_heals() {
    for way in Way::BOTH {
        let line = Line::new().await;
        line.proxy.cut(way);
        let mut client = TcpStream::connect(line.proxy.address()).await.unwrap();
        says(&mut client, "let me in").await;
        nobody_comes(&line.listener).await;
        line.proxy.heal();
        let accepted = timeout(SOON, line.listener.accept()).await.expect("the cut is healed");
        hears(&mut accepted.unwrap().0, "let me in").await;
    }
}

#[tokio::test]
async fn who_gives_up_during_a_cut_never_reaches_the_server() {
    let line = Line::new().await;
    line.proxy.cut(Way::ToServer);
    let mut client = TcpStream::connect(line.proxy.address()).await.unwrap();
    says(&mut client, "let me in").await;
    has_open(&line.proxy, 2).await;
    drop(client);
    has_open(&line.proxy, 1).await;
    line.proxy.heal();
    nobody_comes(&line.listener).await;
}

#[tokio::test]
async fn who_waits_for_a_cut_to_heal_can_be_reset() {
    let line = Line::new().await;
    line.proxy.cut(Way::ToClient);
    let mut client = TcpStream::connect(line.proxy.address()).await.unwrap();
    has_open(&line.proxy, 2).await;
    line.proxy.reset();
    is_reset(&mut client).await;
    line.proxy.heal();
    nobody_comes(&line.listener).await;
}

#[tokio::test]
async fn latency_delays_and_keeps_the_order() {
    let Line { proxy, mut client, mut server, .. } = Line::new().await;
    proxy.delay(A_WHILE);
    let begun = Instant::now();
    says(&mut client, "one ").await;
    says(&mut client, "two").await;
    hears(&mut server, "one two").await;
    assert!(begun.elapsed() >= A_WHILE, "{:?}", begun.elapsed());
    proxy.delay(Duration::from_secs(3600));
    says(&mut server, "late").await;
    hears_nothing(&mut client).await;
    proxy.heal();
    hears(&mut client, "late").await;
}

#[tokio::test]
async fn a_trickle_is_slow() {
    let Line { proxy, mut client, mut server, .. } = Line::new().await;
    proxy.trickle(1000);
    let begun = Instant::now();
    says(&mut client, &"x".repeat(400)).await;
    hears(&mut server, &"x".repeat(400)).await;
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    says(&mut client, &"x".repeat(1_000_000)).await;
    proxy.heal();
    hears(&mut server, &"x".repeat(1_000_000)).await;
}

#[tokio::test]
async fn a_reset_ends_what_is_open_on_both_sides_and_nothing_that_comes_later() {
    let mut line = Line::new().await;
    line.proxy.reset();
    is_reset(&mut line.client).await;
    is_reset(&mut line.server).await;
    let (mut client, mut server) = line.another().await;
    says(&mut client, "again").await;
    hears(&mut server, "again").await;
}

#[tokio::test]
async fn a_client_believes_in_a_connection_that_the_server_has_forgotten() {
    let mut line = Line::new().await;
    line.proxy.forget();
    is_reset(&mut line.server).await;
    says(&mut line.client, "anybody?").await;
    hears_nothing(&mut line.client).await;
    line.proxy.heal();
    hears_nothing(&mut line.client).await;
    let (mut client, mut server) = line.another().await;
    says(&mut client, "somebody").await;
    hears(&mut server, "somebody").await;
}

#[tokio::test]
async fn a_broken_connection_breaks_on_the_other_side() {
    let Line { proxy: _proxy, mut client, server, .. } = Line::new().await;
    server.set_zero_linger().unwrap();
    drop(server);
    is_reset(&mut client).await;
}

#[tokio::test]
async fn new_connections_go_to_the_servers_in_turn_and_round_one_that_is_away() {
    let mut line = Line::new().await;
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (first, last) = (line.listener.local_addr().unwrap(), second.local_addr().unwrap());
    line.proxy.leads_to(&[first, away, last]);
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(TcpStream::connect(line.proxy.address()).await.unwrap());
    }
    for listener in [&line.listener, &second] {
        for _ in 0..2 {
            timeout(SOON, listener.accept()).await.expect("a share of the connections").unwrap();
        }
    }
    // What was open before is where it was.
    says(&mut line.client, "still here").await;
    hears(&mut line.server, "still here").await;
}

#[tokio::test]
async fn without_a_server_a_connection_is_reset() {
    let line = Line::new().await;
    line.proxy.leads_to(&[]);
    let mut client = TcpStream::connect(line.proxy.address()).await.unwrap();
    is_reset(&mut client).await;
}
