//! What has to hold of every line that a service logs.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What every line tells.
const MEMBERS: [&str; 3] = ["timestamp", "level", "target"];

/// Each line is a JSON object that tells when, how important and from where.
pub fn are_json(log: &str) -> Result<()> {
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        for member in MEMBERS {
            ensure!(entry[member].is_string(), "no {member}: {line}");
        }
    }
    Ok(())
}

/// So is each line of every service's log in the directory.
pub fn of_services_are_json(directory: &Path) -> Result<()> {
    let mut seen = 0;
    for file in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() && name.contains("-service") {
            let log = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let log = String::from_utf8_lossy(&log);
            // The last line may be half written.
            let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
            are_json(whole).with_context(|| path.display().to_string())?;
            seen += 1;
        }
    }
    ensure!(seen > 0, "no service has a log in {}", directory.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_json_or_does_not_say_from_where_it_is_is_named() {
        let sound = r#"{"timestamp":"2030-01-01T00:00:00Z","level":"INFO","target":"a"}"#;
        are_json(&format!("{sound}\n{sound}\n")).unwrap();
        for fault in ["thread 'main' panicked", r#"{"timestamp":"2030-01-01T00:00:00Z","level":"INFO"}"#, ""] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("postgres-bidding.log"), "LOG: no JSON at all\n").unwrap();
            assert!(of_services_are_json(directory.path()).is_err(), "no service has a log");
            fs::write(directory.path().join("bidding-service.log"), format!("{sound}\n")).unwrap();
            of_services_are_json(directory.path()).unwrap();
            fs::write(directory.path().join("listing-service-0.log"), format!("{sound}\n{fault}\n{sound}\n")).unwrap();
            let told = format!("{:#}", of_services_are_json(directory.path()).unwrap_err());
            assert!(told.contains("listing-service-0.log") && told.contains(fault), "{told}");
        }
    }
}
