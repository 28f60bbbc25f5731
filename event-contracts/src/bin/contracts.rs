//! `contracts write|check|publish`: makes the committed files from the types, compares them, and
//! publishes a version. Works on the crate's own folder.

use std::path::Path;
use std::process::ExitCode;

use event_contracts::generated::{self, GenerateError, VERSION};

const USAGE: &str = "usage: cargo run --bin contracts -- write|check|publish
  write    regenerates schemas/, examples/ and asyncapi.yaml from the types
  check    fails if they are not what the types say, or break a published version
  publish  copies schemas and examples to published/<version of Cargo.toml>, once";

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write"] => generated::write(root).map(|count| format!("{count} files written")),
        ["check"] => return check(root),
        ["publish"] => generated::publish(root).map(|folder| format!("{VERSION} published in {}", folder.display())),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    report(done)
}

fn check(root: &Path) -> ExitCode {
    let found = generated::drift(root).and_then(|mut found| {
        found.extend(generated::incompatibilities(root)?);
        Ok(found)
    });
    match found {
        Ok(found) if found.is_empty() => report(Ok("the committed files are what the types say".to_owned())),
        Ok(found) => {
            for fault in found {
                eprintln!("{fault}");
            }
            ExitCode::FAILURE
        }
        Err(error) => report(Err(error)),
    }
}

fn report(done: Result<String, GenerateError>) -> ExitCode {
    match done {
        Ok(sentence) => {
            println!("{sentence}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
