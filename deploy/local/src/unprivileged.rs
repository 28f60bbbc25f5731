//! PostgreSQL refuses to run as root. As root the program therefore runs it as a user without privileges,
//! who must be able to reach the binaries and the data.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::files;
use crate::layout::DataDir;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Its `HOME` while it works for us.
    pub home: PathBuf,
}

/// Whether this program runs as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Who runs PostgreSQL: nobody special unless we are root.
///
/// # Errors
/// When we are root and the machine has no user to run it.
pub fn for_postgres(home: &Path) -> Result<Option<User>> {
    if !is_root() {
        return Ok(None);
    }
    let user = ["postgres", "nobody"].into_iter().find_map(|name| nix::unistd::User::from_name(name).ok().flatten());
    let user = user.ok_or_else(|| anyhow!("PostgreSQL does not run as root and this machine has neither a user `postgres` nor `nobody`: start outcry as an ordinary user"))?;
    Ok(Some(User { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: home.to_owned() }))
}

/// The folder for downloads: root's must be readable by the user who runs PostgreSQL.
///
/// # Errors
/// When there is no home directory.
pub fn cache_root() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if is_root() {
        return Ok(PathBuf::from("/var/cache/outcry"));
    }
    let cache =
        variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(|| Some(variable("HOME")?.join(".cache")));
    cache
        .map(|path| path.join("outcry"))
        .context("neither XDG_CACHE_HOME nor HOME is set: set one, downloads are kept below it")
}

/// Where the databases' files are: in the data directory, or below `/var/lib/outcry` when the user who runs PostgreSQL cannot get there.
pub fn postgres_root(data_dir: &DataDir, user: Option<&User>) -> Result<PathBuf> {
    let inside = data_dir.postgres_dir();
    let Some(user) = user else {
        files::create_dir(&inside)?;
        return Ok(inside);
    };
    if reaches(user, data_dir.root()) {
        files::create_dir(&inside)?;
        files::set_mode(&inside, 0o711)?;
        return Ok(inside);
    }
    let id = files::read_or_create_private(&data_dir.id_file(), || files::random_hex(8))?;
    let outside = Path::new("/var/lib/outcry").join(id.trim());
    files::create_dir(&outside)?;
    files::set_mode(&outside, 0o711)?;
    Ok(outside)
}

/// Whether `user` may pass through `path` and every directory above it.
fn reaches(user: &User, path: &Path) -> bool {
    path.ancestors().all(|dir| fs::metadata(dir).is_ok_and(|meta| passes(user, meta.uid(), meta.gid(), meta.mode())))
}

fn passes(user: &User, owner: u32, group: u32, mode: u32) -> bool {
    let bit = if owner == user.uid {
        0o100
    } else if group == user.gid {
        0o010
    } else {
        0o001
    };
    mode & bit != 0
}

/// Gives `path` to `user`, if there is one to give it to.
pub fn hand_over(path: &Path, user: Option<&User>) -> Result<()> {
    let Some(user) = user else { return Ok(()) };
    chown(path, Some(user.uid), Some(user.gid))
        .with_context(|| format!("cannot give {} to {}", path.display(), user.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User { name: "postgres".to_owned(), uid: 26, gid: 26, home: PathBuf::from("/") }
    }

    #[test]
    fn the_class_of_the_user_decides_who_passes() {
        assert!(passes(&user(), 0, 0, 0o711));
        assert!(!passes(&user(), 0, 0, 0o700));
        assert!(passes(&user(), 26, 0, 0o700));
        assert!(!passes(&user(), 0, 26, 0o701), "the group's bits count before everybody's");
    }

    #[test]
    fn a_private_directory_above_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        files::set_mode(dir.path(), 0o700).unwrap();
        let stranger = User { uid: 54_321, gid: 54_321, ..user() };
        assert!(!reaches(&stranger, &inner));
        files::set_mode(dir.path(), 0o711).unwrap();
        files::set_mode(&inner, 0o711).unwrap();
        assert!(reaches(&stranger, &inner));
    }
}
