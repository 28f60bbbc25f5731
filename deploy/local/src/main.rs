//! `outcry`: runs the marketplace on one machine without Docker, and uses it as a person would.

mod api;
mod bench;
mod ca;
mod cli;
mod console;
mod demo;
mod dev_key;
mod endpoints;
mod files;
mod kafka;
mod layout;
mod maven;
mod postgres;
mod preflight;
mod process;
mod ready;
mod reconcile;
mod replay;
mod services;
mod signals;
mod supervise;
mod unprivileged;
mod up;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};
use console::Console;
use dev_key::DevKey;
use layout::DataDir;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Another provider can only have been installed by ourselves, and this is the first line that could.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(fault) => return failed(&fault.into()),
    };
    let outcome = runtime.block_on(run(cli));
    // A download that was interrupted may still be unpacking: nobody waits for it.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|fault| failed(&fault))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let console = Console::new();
    let data_dir = || anyhow::Ok(DataDir::new(std::path::absolute(&cli.data_dir)?));
    match cli.command {
        Command::Up(args) => up::run(args, &cli.data_dir, console).await,
        Command::Demo(args) => demo::run(&args, &data_dir()?, &console).await,
        Command::Replay(args) => replay::run(&args, &data_dir()?, &console).await,
        Command::Verify(args) => verify::run(&args, &data_dir()?, &console).await,
        Command::Reconcile(args) => reconcile::run(&args, &data_dir()?).await,
        Command::Bench(command) => bench::run(&command, &data_dir()?, &console).await,
        Command::Token(args) => {
            println!("{}", DevKey::load(&data_dir()?)?.token(&args.sub, &args.roles, args.ttl)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One sentence on standard error.
fn failed(fault: &anyhow::Error) -> ExitCode {
    let io = fault.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    let full = io.into_iter().any(|cause| cause.kind() == std::io::ErrorKind::StorageFull);
    let advice = if full { " (free some space, or choose another --data-dir)" } else { "" };
    let _ = writeln!(std::io::stderr(), "outcry: {fault:#}{advice}");
    ExitCode::FAILURE
}
