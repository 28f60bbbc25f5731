//! What no log may hold: the marketplace's keys, passwords and tokens.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use reqwest::Url;

use crate::world::World;

/// Shorter lines of a file of secrets are no secrets: they would be found everywhere.
const SHORTEST: usize = 16;

/// Everything that is secret in one marketplace.
pub struct Secrets(Vec<String>);

impl Secrets {
    /// What every token and every key has in it.
    #[must_use]
    pub fn of_any() -> Self {
        // Every JSON Web Token begins like the first, every key in PEM has the second.
        Self(vec!["eyJ".to_owned(), "PRIVATE KEY-----".to_owned(), "Bearer ey".to_owned()])
    }

    /// Those of a marketplace that `outcry up` has started: passwords of databases, signing keys, keys of certificates.
    pub fn of(world: &World) -> Result<Self> {
        let mut secrets = Self::of_any();
        for url in world.endpoints.postgres.values() {
            secrets.0.extend(Url::parse(url)?.password().map(ToOwned::to_owned));
        }
        let data_dir = world.data_dir.as_ref().context("this marketplace has no data directory here")?;
        secrets.add_files(&data_dir.join("secrets"), |_| true)?;
        secrets.add_files(&world.endpoints.tls_dir, |name| name.ends_with("-key.pem"))?;
        ensure!(secrets.0.len() > 10, "these are too few secrets to look for: {}", secrets.0.len());
        Ok(secrets)
    }

    fn add_files(&mut self, directory: &Path, is_secret: impl Fn(&str) -> bool) -> Result<()> {
        let files = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
        for file in files {
            let file = file?;
            if is_secret(&file.file_name().to_string_lossy()) {
                // A file that is no text is found by no line of a log either.
                let content = fs::read_to_string(file.path()).unwrap_or_default();
                let lines = content.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
                self.0.extend(lines.filter(|line| line.len() >= SHORTEST).map(ToOwned::to_owned));
            }
        }
        Ok(())
    }

    /// One more.
    pub fn add(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
    }

    /// None of them is in the text.
    pub fn are_not_in(&self, text: &str) -> Result<()> {
        let leaked = self.0.iter().find(|secret| text.contains(secret.as_str()));
        // The whole of it belongs into no other log either.
        let begins: Option<String> = leaked.map(|secret| secret.chars().take(6).collect());
        ensure!(leaked.is_none(), "a secret was logged that begins with {begins:?}");
        Ok(())
    }

    /// None of them is in any log of the directory.
    pub fn are_in_no_log_of(&self, directory: &Path) -> Result<()> {
        for file in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
            let path = file?.path();
            if path.is_file() {
                let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let content = String::from_utf8_lossy(&content);
                self.are_not_in(&content).with_context(|| path.display().to_string())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    #[test]
    fn a_secret_in_a_log_is_found_and_not_told_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut secrets = Secrets(Vec::new());
        secrets.add("hunter2-hunter2-hunter2");
        std::fs::write(directory.path().join("a.log"), "nothing\n").unwrap();
        secrets.are_in_no_log_of(directory.path()).unwrap();
        std::fs::write(directory.path().join("b.log"), "{\"password\":\"hunter2-hunter2-hunter2\"}\n").unwrap();
        let told = format!("{:#}", secrets.are_in_no_log_of(directory.path()).unwrap_err());
        assert!(told.contains("b.log") && told.contains("hunter") && !told.contains("hunter2-"), "{told}");
    }
}
