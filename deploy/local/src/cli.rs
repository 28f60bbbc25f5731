//! The command line: what a person may ask of the program.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::layout::Service;

/// Runs the Outcry marketplace on this machine, and uses it.
#[derive(Debug, Parser)]
#[command(name = "outcry", version)]
pub struct Cli {
    /// Where the marketplace keeps its databases, keys and logs.
    #[arg(long, global = true, default_value = ".outcry", env = "OUTCRY_DATA_DIR")]
    pub data_dir: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The program's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the marketplace and keeps it running until Ctrl-C.
    Up(UpArgs),
    /// Runs one auction from listing to payout over the public API, and explains it.
    Demo(DemoArgs),
    /// Prints a development token (JWT) for the API.
    Token(TokenArgs),
    /// Replays auctions of a CSV file bid by bid over the API and compares the closing prices.
    Replay(ReplayArgs),
    /// Proves the result of an auction from its log and its signed receipt, or names the first difference.
    Verify(VerifyArgs),
    /// Compares the ledger with the payment gateway's list and names each difference.
    ///
    /// Ends with exit code 0 if they agree and with 3 if they differ.
    Reconcile(ReconcileArgs),
    /// Measures the marketplace under load, beside the bare database, and checks that nothing was lost.
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// What `outcry verify` verifies.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The auction's id, which is its listing's.
    #[arg(value_parser = |id: &str| uuid::Uuid::parse_str(id).map(|id| id.to_string()))]
    pub auction: String,
}

/// What `outcry reconcile` compares.
#[derive(Debug, Clone, Args)]
pub struct ReconcileArgs {
    /// From when, e.g. 2030-01-01T00:00:00Z; eight days ago unless given.
    #[arg(long, value_name = "RFC 3339")]
    pub since: Option<String>,
    /// Prints one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchCommand {
    /// Bids: how many a second, how fast, and whether every accepted one is there afterwards.
    Bids(BidsArgs),
    /// The live stream: one auction, many listeners, every event to every listener.
    Stream(StreamArgs),
    /// Settlements: sales from the hammer to the seller's money, and whether every cent is where it belongs afterwards.
    Sagas(SagasArgs),
    /// A whole marketplace: people who browse, bid, sell, buy and settle, thinking in between.
    ///
    /// What they do is the bidding mix of the `RUBiS` benchmark, some 15 % writes. Each person has a token and HTTP/2
    /// connections of their own. Ends with exit code 1 when a promise is not kept: errors other than documented refusals,
    /// a p95 of 500 ms or more, events that are still on their way 5 s after the end, a trial balance other than 0,
    /// memory or database sessions above their limits. Ctrl-C prints what was measured until then.
    Browse(BrowseArgs),
}

/// How `outcry bench bids` loads the marketplace.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools)] // Switches of a command line are independent of each other.
pub struct BidsArgs {
    /// How many open auctions are made for the run; 10000 unless given, 1 with --hot.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub auctions: Option<u32>,
    /// All bids go to one auction.
    #[arg(long)]
    pub hot: bool,
    /// How many bids in a hundred of a hot auction exceed every bid under way; the others go by the last answer.
    #[arg(long, value_name = "PERCENT", default_value_t = 60, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub rising: u8,
    /// How many bidders there are, each with an own token.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub bidders: u32,
    /// How many connections stay open; each has at most one request under way.
    #[arg(long, value_name = "C", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    pub connections: u16,
    /// How many seconds are measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub duration: u32,
    /// How many seconds of load go before, unmeasured.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub warm_up: u32,
    /// Open loop: so many bids are due each second, whatever the answers do; latency counts from when a bid was due.
    #[arg(long, value_name = "BIDS_PER_SECOND", conflicts_with_all = ["think", "overload"], value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub open: Option<u32>,
    /// Each connection is a bidder who thinks so many milliseconds, more or less, before the next bid.
    #[arg(long, value_name = "MS", conflicts_with = "overload", value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    pub think: Option<u32>,
    /// Measures what the service can do, offers twice that for the duration, and watches it recover.
    #[arg(long)]
    pub overload: bool,
    /// Connections that offer the overload.
    #[arg(long, value_name = "C", default_value_t = 1024, requires = "overload", value_parser = clap::value_parser!(u16).range(1..=20_000))]
    pub overload_connections: u16,
    /// Base URL of a bidding instance, several times for several; the one of the data directory unless given.
    #[arg(long = "url", value_name = "URL")]
    pub urls: Vec<String>,
    /// Leaves out the bare database's figures and the lone bid.
    #[arg(long)]
    pub no_yardstick: bool,
    /// How many seconds each yardstick is measured at each number of clients.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub yardstick_duration: u32,
    /// Compares every receipt with the database and the history afterwards; so it is unless told otherwise.
    #[arg(long = "checker", overrides_with = "no_checker")]
    checker: bool,
    /// Leaves the comparison out.
    #[arg(long = "no-check", overrides_with = "checker")]
    no_checker: bool,
    /// Prints one JSON object at the end instead of a table.
    #[arg(long)]
    pub json: bool,
}

impl BidsArgs {
    /// Whether the receipts are compared.
    pub fn checks(&self) -> bool {
        self.checker || !self.no_checker
    }

    /// How many auctions are made.
    pub fn auction_count(&self) -> u32 {
        self.auctions.unwrap_or(if self.hot { 1 } else { 10_000 })
    }
}

/// How `outcry bench stream` loads the marketplace.
#[derive(Debug, Clone, Args)]
pub struct StreamArgs {
    /// How many clients follow the auction.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub listeners: u16,
    /// How many seconds bids are placed.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub duration: u32,
    /// How many bids are placed each second.
    #[arg(long, value_name = "BIDS_PER_SECOND", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub rate: u32,
    /// Base URL of a bidding instance, several times for several; the one of the data directory unless given.
    #[arg(long = "url", value_name = "URL")]
    pub urls: Vec<String>,
    /// Prints one JSON object at the end instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// How `outcry bench sagas` loads the marketplace.
#[derive(Debug, Clone, Args)]
pub struct SagasArgs {
    /// How many sales go from the hammer to the payout over the API.
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub settlements: u32,
    /// How many sellers they have; one for ten sales unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub sellers: Option<u32>,
    /// How many sales may be paid and not completed at a time.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub at_once: u32,
    /// How many connections buyers and sellers have; each has at most one request under way.
    #[arg(long, value_name = "C", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    pub connections: u16,
    /// How many shipped lots have the end of their inspection in the same moment; nobody acts. 0 leaves it out.
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub due: u32,
    /// How many other settlements wait for a moment days away.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=5_000_000))]
    pub waiting: u32,
    /// How many other settlements are finished.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=5_000_000))]
    pub finished: u32,
    /// With --waiting or --finished: how many seconds settlement is watched while nothing is due, before and with them.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub idle: u32,
    /// Leaves out the bare database's figures.
    #[arg(long)]
    pub no_yardstick: bool,
    /// How many seconds the bare database is measured at each number of clients.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub yardstick_duration: u32,
    /// Prints one JSON object at the end instead of a table.
    #[arg(long)]
    pub json: bool,
}

impl SagasArgs {
    /// How many sellers there are.
    pub fn seller_count(&self) -> u32 {
        self.sellers.unwrap_or(self.settlements.div_ceil(10)).max(1)
    }
}

/// How `outcry bench browse` loads the marketplace.
#[derive(Debug, Clone, Args)]
pub struct BrowseArgs {
    /// How many people there are.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(2..=4_000))]
    pub users: u16,
    /// How many milliseconds each thinks on average from one click to the next; exponential, at most ten times that.
    #[arg(long, value_name = "MS", default_value_t = 7000, value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    pub think: u32,
    /// How many lots are listed before it begins; about half of them end while it runs.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub auctions: u32,
    /// How many seconds are measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub duration: u32,
    /// How many seconds of load go before, unmeasured.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub warm_up: u32,
    /// How many seconds pass between two looks at memory, database and Kafka.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub sample: u32,
    /// Memory, the room that a row takes, p95 and p99 must stay as they were in the first quarter of the measured time.
    #[arg(long)]
    pub flat: bool,
    /// Draws the curves of the run into this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Prints one JSON object at the end instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// How `outcry up` starts the marketplace.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools)] // as above
pub struct UpArgs {
    /// All ports follow from this one: services +1 to +3, their admin ports +11 to +13, Kafka +20 and +21 (--kafka-via: +22 to +29), PostgreSQL +31 to +33.
    #[arg(long, default_value_t = 8440, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub base_port: u16,
    /// Your own PostgreSQL instead of the embedded one: three times, as `listing=postgres://…` or in the order listing, bidding, settlement.
    #[arg(long = "postgres-url", value_name = "[SERVICE=]URL")]
    pub postgres_urls: Vec<String>,
    /// Your own Kafka instead of the embedded one; it must trust `ca.pem` of the data directory.
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// PEM file of the authority that signed your own Kafka's certificate, when that is not the data directory's `ca.pem`.
    #[arg(long, value_name = "FILE", requires = "kafka")]
    pub kafka_ca: Option<PathBuf>,
    /// A further address under which clients reach the embedded Kafka, through a proxy or a tunnel; up to eight. It listens for the first on the base port +22, for the next on +23, and so on.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "kafka", value_parser = host_and_port)]
    pub kafka_via: Vec<String>,
    /// Switches the services' rate limits off, for load tests.
    #[arg(long)]
    pub no_rate_limit: bool,
    /// Deadlines of sales last seconds instead of days, for `outcry demo --scenario …`.
    #[arg(long)]
    pub quick: bool,
    /// Runs the demo once the marketplace is ready; an unfinished one is continued.
    #[arg(long, conflicts_with = "infrastructure_only")]
    pub demo: bool,
    /// Starts PostgreSQL and Kafka only, for services that you run from elsewhere.
    #[arg(long)]
    pub infrastructure_only: bool,
}

/// How `outcry demo` behaves.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Continues the auction of an interrupted demo instead of listing a new one.
    #[arg(long)]
    pub resume: bool,
    /// How long the demo's auction lasts, e.g. `15s`; at least ten seconds.
    #[arg(long, default_value = "15s", value_parser = humantime::parse_duration)]
    pub length: Duration,
    /// Plays a sale that does not go as it should, on a marketplace that was started with `--quick`.
    #[arg(long, value_enum, conflicts_with_all = ["resume", "length"])]
    pub scenario: Option<Scenario>,
}

/// How a sale can go otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// A bidder does not pay, twice, and is suspended.
    Unpaid,
    /// The winner does not pay; the next bidder gets the lot.
    SecondChance,
    /// The seller does not ship; the buyer has the money back.
    Refund,
    /// The lot is not as described; the operator divides the money.
    Dispute,
    /// The winner does not pay; the lot is listed again.
    Relist,
}

/// What the token says.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// Who the token is for, 1–128 characters.
    #[arg(long)]
    pub sub: String,
    /// What its bearer may do; may be given several times.
    #[arg(long = "role", required = true, value_parser = ["seller", "bidder", "admin"])]
    pub roles: Vec<String>,
    /// How long it is valid, e.g. `1h`, `30m`, `7days`.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    pub ttl: Duration,
}

/// What `outcry replay` replays.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// CSV with the columns `auction_id,item,duration_days,bid,bid_time_days,bidder,open_bid,closing_price,reserve`; prices in dollars.
    pub file: PathBuf,
    /// Gives the auctions the hidden reserve of the `reserve` column.
    #[arg(long)]
    pub reserve: bool,
    /// How many auctions are in their bidding at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub at_once: u16,
    /// Ends with exit code 1 when fewer closing prices than this come out to the cent.
    #[arg(long, value_name = "N")]
    pub expect: Option<usize>,
}

/// Reads the three `--postgres-url`s.
///
/// # Errors
/// When there are not exactly three, or one service has two.
pub fn postgres_urls(given: &[String]) -> anyhow::Result<Option<[String; 3]>> {
    if given.is_empty() {
        return Ok(None);
    }
    anyhow::ensure!(
        given.len() == Service::ALL.len(),
        "--postgres-url is needed three times, one database instance for each service; it was given {} times",
        given.len()
    );
    let mut urls: [Option<String>; 3] = [const { None }; 3];
    for (position, value) in given.iter().enumerate() {
        let named = Service::ALL.into_iter().find_map(|service| {
            value.strip_prefix(service.context()).and_then(|rest| rest.strip_prefix('=')).map(|url| (service, url))
        });
        let (index, url) = named.map_or((position, value.as_str()), |(service, url)| (service.index(), url));
        anyhow::ensure!(
            url.starts_with("postgres://") || url.starts_with("postgresql://"),
            "--postgres-url `{value}` is not a URL of PostgreSQL: write postgres://user:password@host:port/database"
        );
        anyhow::ensure!(
            urls[index].replace(url.to_owned()).is_none(),
            "--postgres-url names the database of {} twice",
            Service::ALL[index]
        );
    }
    Ok(Some(urls.map(Option::unwrap_or_default)))
}

fn host_and_port(given: &str) -> Result<String, String> {
    let port =
        given.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_some_and(|port| port > 0) { Ok(given.to_owned()) } else { Err("it has to be HOST:PORT".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(given: &[&str]) -> anyhow::Result<Option<[String; 3]>> {
        postgres_urls(&given.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_run_is_checked_unless_told_otherwise_and_a_hot_one_needs_one_auction() {
        let bids = |given: &[&str]| match Cli::try_parse_from(["outcry", "bench", "bids"].iter().chain(given)) {
            Ok(Cli { command: Command::Bench(BenchCommand::Bids(args)), .. }) => args,
            other => panic!("{other:?}"),
        };
        assert!(bids(&[]).checks() && bids(&["--no-check", "--checker"]).checks() && !bids(&["--no-check"]).checks());
        assert_eq!([bids(&[]).auction_count(), bids(&["--hot"]).auction_count()], [10_000, 1]);
    }

    #[test]
    fn a_way_to_kafka_is_a_host_and_a_port() {
        for right in ["127.0.0.1:7001", "tunnel:9092", "[::1]:9092"] {
            assert_eq!(host_and_port(right), Ok(right.to_owned()));
        }
        for wrong in ["tunnel", ":9092", "tunnel:", "tunnel:0", "tunnel:70000"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn database_urls_go_by_name_or_by_order() {
        let named =
            urls(&["settlement=postgres://s", "listing=postgres://l", "bidding=postgres://b"]).unwrap().unwrap();
        assert_eq!(named, ["postgres://l", "postgres://b", "postgres://s"]);
        let ordered = urls(&["postgres://l", "postgres://b", "postgres://s"]).unwrap().unwrap();
        assert_eq!(ordered, named);
    }

    #[test]
    fn two_databases_for_one_service_are_refused() {
        let fault = urls(&["listing=postgres://a", "listing=postgres://b", "bidding=postgres://c"]).unwrap_err();
        assert!(fault.to_string().contains("listing-service twice"), "{fault}");
    }

    #[test]
    fn one_database_for_all_services_is_refused() {
        assert!(urls(&["postgres://shared"]).unwrap_err().to_string().contains("three times"));
    }
}
