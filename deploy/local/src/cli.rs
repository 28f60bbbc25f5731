//! The command line: what a person may ask of the program.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

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
}

/// How `outcry up` starts the marketplace.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// All ports follow from this one: services +1 to +3, their admin ports +11 to +13, Kafka +20 and +21, PostgreSQL +31 to +33.
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
    /// Switches the services' rate limits off, for load tests.
    #[arg(long)]
    pub no_rate_limit: bool,
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
