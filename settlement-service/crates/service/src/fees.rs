//! The file of fee schedules: read and checked once, at start.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::Value;
use settlement_domain::{BasisPoints, Schedules, fees::ScheduleSource};

/// The file's outermost form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schedules: Vec<Value>,
}

/// Reads a file of schedules; `default` is the commission where none of them holds.
///
/// # Errors
/// Every fault, a sentence each.
pub fn read(path: &Path, default: BasisPoints) -> Result<Schedules, Vec<String>> {
    let named = |what: String| vec![format!("names {}, {what}", path.display())];
    let text = fs::read_to_string(path).map_err(|error| named(format!("which cannot be read: {error}")))?;
    let file: File = serde_json::from_str(&text).map_err(|error| named(format!("which is no such file: {error}")))?;
    let (mut sources, mut faults) = (Vec::new(), Vec::new());
    for (n, schedule) in file.schedules.into_iter().enumerate() {
        match ScheduleSource::deserialize(schedule) {
            Ok(source) => sources.push((format!("schedules[{n}]"), source)),
            Err(error) => faults.push(format!("has schedules[{n}], which is no schedule: {error}")),
        }
    }
    match Schedules::new(sources, default) {
        Ok(schedules) if faults.is_empty() => Ok(schedules),
        Ok(_) => Err(faults),
        Err(more) => {
            faults.extend(more.iter().map(|fault| format!("has {fault}")));
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use settlement_domain::Money;

    use super::*;

    fn read_text(text: &str) -> Result<Schedules, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fees.json");
        fs::write(&path, text).unwrap();
        read(&path, BasisPoints::try_from(1_000).unwrap())
    }

    /// The example that the README shows.
    fn example() -> &'static str {
        let readme = include_str!("../../../README.md");
        let (_, rest) = readme.split_once("```json\n").expect("an example");
        rest.split_once("```").expect("its end").0
    }

    #[test]
    fn the_readmes_example_is_a_file_of_schedules() {
        let schedules = read_text(example()).unwrap();
        let hammer = Money::new(92_000_000, "USD".parse().unwrap()).unwrap();
        let quote = schedules.quote(hammer, "2030-06-01T00:00:00Z".parse().unwrap()).unwrap();
        assert_eq!((quote.premium().amount(), quote.commission().amount()), (19_650_000, 9_200_000));
    }

    #[test]
    fn every_fault_of_every_schedule_is_told_at_once() {
        let twice = example().replace("\"tiers\"", "\"tears\"");
        let faults = read_text(&twice).unwrap_err();
        assert!(faults[0].contains("schedules[0]") && faults[0].contains("tears"), "{faults:?}");
        assert_eq!(read_text("{").unwrap_err().len(), 1);
        assert!(read(Path::new("/nowhere"), BasisPoints::WHOLE).unwrap_err()[0].contains("cannot be read"));
    }
}
