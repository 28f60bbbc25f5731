//! The committed files: what they must contain, writing them, finding drift, and publishing a
//! release. `src/bin/contracts.rs` is the command around it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

use crate::asyncapi;
use crate::catalogue::{self, EventContract};
use crate::compatibility::{Schemas, release_breaks};

/// The version that the types in this crate are, or will be published as.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What regenerates the committed files.
pub const WRITE_COMMAND: &str = "cargo run --bin contracts -- write";

/// Contents by path relative to the crate, with `/` on every platform.
pub type Files = BTreeMap<String, String>;

/// Why files could not be written, compared or published.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A value is not JSON.
    #[error("{path}: {source}")]
    Json {
        /// Which file.
        path: String,
        /// What `serde_json` found.
        source: serde_json::Error,
    },
    /// A published version is never written again.
    #[error("version {0} is published already: raise the version in Cargo.toml")]
    AlreadyPublished(&'static str),
    /// The release would break users of an earlier one.
    #[error("not published, it would break users of an earlier version:\n{}", .0.join("\n"))]
    Incompatible(Vec<String>),
}

/// Every generated file.
///
/// # Errors
/// [`GenerateError::Json`], only if a type cannot be represented in JSON.
pub fn files() -> Result<Files, GenerateError> {
    let json_error = |source| GenerateError::Json { path: "the catalogue".to_owned(), source };
    let events = catalogue::events().map_err(json_error)?;
    let mut files = Files::new();
    for event in &events {
        let EventContract { event_type, schema, example, variants, .. } = event;
        files.insert(format!("schemas/{event_type}.json"), pretty(schema.clone()));
        files.insert(format!("examples/{event_type}.json"), pretty(example.to_json()));
        for (name, variant) in variants {
            files.insert(format!("examples/{event_type}.{name}.json"), pretty(variant.to_json()));
        }
    }
    for (name, schema) in catalogue::shapes() {
        files.insert(format!("schemas/{name}.json"), pretty(schema));
    }
    files.insert("asyncapi.yaml".to_owned(), asyncapi::document(VERSION, &events));
    Ok(files)
}

/// Writes every generated file below `root` and removes files of events that are no more. Returns
/// how many files there are.
///
/// # Errors
/// [`GenerateError::Io`] names the file.
pub fn write(root: &Path) -> Result<usize, GenerateError> {
    let files = files()?;
    for stale in unexpected(root, &files)? {
        let path = root.join(stale);
        fs::remove_file(&path).map_err(|source| GenerateError::Io { path, source })?;
    }
    write_below(root, &files)?;
    Ok(files.len())
}

/// How the files below `root` differ from what the types say, and how the types differ from the
/// published version of the same number; a sentence each.
///
/// # Errors
/// [`GenerateError::Io`] when a folder cannot be read.
pub fn drift(root: &Path) -> Result<Vec<String>, GenerateError> {
    let files = files()?;
    let mut found: Vec<String> = unexpected(root, &files)?
        .into_iter()
        .map(|path| format!("{path} belongs to no event: run `{WRITE_COMMAND}`"))
        .collect();
    for (path, expected) in &files {
        match fs::read_to_string(root.join(path)) {
            Ok(committed) if committed == *expected => {}
            Ok(_) => found.push(format!("{path} is not what the types say: run `{WRITE_COMMAND}`")),
            Err(error) => found.push(format!("{path} cannot be read ({error}): run `{WRITE_COMMAND}`")),
        }
    }
    let published = root.join("published").join(VERSION);
    if published.exists() {
        let changed = released(&files).into_iter().filter(|(path, expected)| {
            fs::read_to_string(published.join(path)).map_or(true, |published| published != **expected)
        });
        found.extend(changed.map(|(path, _)| {
            format!("{path} is not as published in {VERSION}: raise the version in Cargo.toml, published files stay")
        }));
    }
    Ok(found)
}

/// What breaks for users of any published version, a sentence each.
///
/// # Errors
/// [`GenerateError`] names the published file that cannot be read.
pub fn incompatibilities(root: &Path) -> Result<Vec<String>, GenerateError> {
    let current = current_schemas()?;
    let mut found = Vec::new();
    for (version, published) in releases(root)? {
        found.extend(release_breaks(&published, &current).into_iter().map(|broken| format!("{version}/{broken}")));
    }
    Ok(found)
}

/// Copies schemas and examples to `published/<version>` and returns that folder.
///
/// # Errors
/// [`GenerateError::AlreadyPublished`], [`GenerateError::Incompatible`], or the file that cannot be written.
pub fn publish(root: &Path) -> Result<PathBuf, GenerateError> {
    let folder = root.join("published").join(VERSION);
    if folder.exists() {
        return Err(GenerateError::AlreadyPublished(VERSION));
    }
    let breaks = incompatibilities(root)?;
    if !breaks.is_empty() {
        return Err(GenerateError::Incompatible(breaks));
    }
    let files = files()?;
    let files = released(&files).into_iter().map(|(path, content)| (path.clone(), content.clone())).collect();
    write_below(&folder, &files)?;
    Ok(folder)
}

/// The schemas of every published version.
///
/// # Errors
/// [`GenerateError`] names the file or folder that cannot be read.
pub fn releases(root: &Path) -> Result<BTreeMap<String, Schemas>, GenerateError> {
    let published = root.join("published");
    let mut releases = BTreeMap::new();
    for version in names_in(&published)? {
        let folder = published.join(&version).join("schemas");
        let mut schemas = Schemas::new();
        for name in names_in(&folder)? {
            let path = folder.join(&name);
            let text = fs::read_to_string(&path).map_err(|source| GenerateError::Io { path: path.clone(), source })?;
            let schema = serde_json::from_str(&text)
                .map_err(|source| GenerateError::Json { path: path.display().to_string(), source })?;
            schemas.insert(name, schema);
        }
        releases.insert(version, schemas);
    }
    Ok(releases)
}

/// The schemas of the types in this crate.
///
/// # Errors
/// [`GenerateError::Json`], only if a type cannot be represented in JSON.
pub fn current_schemas() -> Result<Schemas, GenerateError> {
    let json_error = |source| GenerateError::Json { path: "the catalogue".to_owned(), source };
    let events = catalogue::events().map_err(json_error)?;
    let shapes = catalogue::shapes().into_iter().map(|(name, schema)| (format!("{name}.json"), schema));
    Ok(events.into_iter().map(|event| (format!("{}.json", event.event_type), event.schema)).chain(shapes).collect())
}

/// What a release consists of.
fn released(files: &Files) -> BTreeMap<&String, &String> {
    files.iter().filter(|(path, _)| path.starts_with("schemas/") || path.starts_with("examples/")).collect()
}

fn unexpected(root: &Path, files: &Files) -> Result<BTreeSet<String>, GenerateError> {
    let mut found = BTreeSet::new();
    for folder in ["schemas", "examples"] {
        let names = names_in(&root.join(folder))?;
        found.extend(names.into_iter().map(|name| format!("{folder}/{name}")));
    }
    found.retain(|path| !files.contains_key(path));
    Ok(found)
}

/// Names in a folder, hidden ones left out; none if there is no such folder.
fn names_in(folder: &Path) -> Result<BTreeSet<String>, GenerateError> {
    let io_error = |source| GenerateError::Io { path: folder.to_owned(), source };
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        names.insert(entry.map_err(io_error)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| !name.starts_with('.'));
    Ok(names)
}

fn write_below(root: &Path, files: &Files) -> Result<(), GenerateError> {
    for (name, content) in files {
        let path = root.join(name);
        let parent = path.parent().unwrap_or(root);
        fs::create_dir_all(parent).map_err(|source| GenerateError::Io { path: parent.to_owned(), source })?;
        fs::write(&path, content).map_err(|source| GenerateError::Io { path, source })?;
    }
    Ok(())
}

/// Keys sorted, whatever features `serde_json` was built with, and a line break at the end.
fn pretty(mut value: Value) -> String {
    value.sort_all_objects();
    format!("{value:#}\n")
}
