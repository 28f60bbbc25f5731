//! PostgreSQL refuses to run as root. As root the program therefore runs it as a user without privileges,
//! who must be able to reach the binaries and the data.

use std::fs;
use std::iter;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use nix::unistd::Uid;

use crate::files;
use crate::layout::{DataDir, Service};

/// Where the databases' files are when they cannot be in the data directory.
const OUTSIDE: &str = "/var/lib/outcry";

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
pub fn for_postgres(home: &Path, data_dir: &DataDir) -> Result<Option<User>> {
    if !is_root() {
        return Ok(None);
    }
    let made_by = made_before(data_dir, Path::new(OUTSIDE)).map(|(_, database)| (database.uid(), database.gid()));
    chosen(made_by, home).map(Some)
}

/// The databases of an earlier start: where they are, and the directory of one of them, whose owner runs them. Both were
/// decided then: a user who came to this machine later cannot open them, and elsewhere there would be new ones.
fn made_before(data_dir: &DataDir, outside: &Path) -> Option<(PathBuf, fs::Metadata)> {
    let outside = fs::read_to_string(data_dir.id_file()).ok().map(|id| outside.join(id.trim()));
    iter::once(data_dir.postgres_dir()).chain(outside).find_map(|root| {
        let databases = Service::ALL.map(|service| root.join(service.context()));
        let made = databases.into_iter().find(|database| database.join("PG_VERSION").exists())?;
        Some((root, fs::metadata(made).ok()?))
    })
}

/// The owner of the databases that there are, by user id and group id; for new ones a user without privileges.
fn chosen(made_by: Option<(u32, u32)>, home: &Path) -> Result<User> {
    let home = home.to_owned();
    if let Some((owner, group)) = made_by.filter(|(owner, _)| *owner != 0) {
        let known = nix::unistd::User::from_uid(Uid::from_raw(owner)).ok().flatten();
        let (name, group) = known.map_or_else(|| (owner.to_string(), group), |user| (user.name, user.gid.as_raw()));
        return Ok(User { name, uid: owner, gid: group, home });
    }
    let user = ["postgres", "nobody"].into_iter().find_map(|name| nix::unistd::User::from_name(name).ok().flatten());
    let user = user.ok_or_else(|| anyhow!("PostgreSQL does not run as root and this machine has neither a user `postgres` nor `nobody`: start outcry as an ordinary user"))?;
    Ok(User { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), home })
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

/// Where the databases' files are: where they were, else in the data directory, or below `/var/lib/outcry` when the user who
/// runs PostgreSQL cannot get there.
pub fn postgres_root(data_dir: &DataDir, user: Option<&User>) -> Result<PathBuf> {
    let inside = data_dir.postgres_dir();
    let Some(user) = user else {
        files::create_dir(&inside)?;
        return Ok(inside);
    };
    let root = match made_before(data_dir, Path::new(OUTSIDE)) {
        Some((root, _)) => root,
        None if reaches(user, data_dir.root()) => inside,
        None => {
            let id = files::read_or_create_private(&data_dir.id_file(), || files::random_hex(8))?;
            Path::new(OUTSIDE).join(id.trim())
        }
    };
    files::create_dir(&root)?;
    files::set_mode(&root, 0o711)?;
    Ok(root)
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
    fn who_owns_the_databases_runs_them_whoever_came_to_the_machine_since() {
        let home = Path::new("/pg");
        let nameless = User { name: "54321".to_owned(), uid: 54_321, gid: 54_322, home: home.to_owned() };
        assert_eq!(chosen(Some((54_321, 54_322)), home).unwrap(), nameless);
        for owner in [None, Some((0, 0))] {
            assert!(!chosen(owner, home).is_ok_and(|user| user.uid == 0), "PostgreSQL would run as root");
        }
    }

    #[test]
    fn databases_of_an_earlier_start_stay_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let (data_dir, outside) = (DataDir::new(dir.path().join("data")), dir.path().join("outside"));
        let make = |database: &Path| {
            files::create_dir(database).unwrap();
            files::write_private(&database.join("PG_VERSION"), b"18\n").unwrap();
        };
        let found = || made_before(&data_dir, &outside).map(|(root, database)| (root, database.uid()));
        let own = nix::unistd::geteuid().as_raw();
        assert_eq!(found(), None);

        files::create_dir(data_dir.root()).unwrap();
        files::write_private(&data_dir.id_file(), b"0a1b\n").unwrap();
        make(&outside.join("0a1b/bidding"));
        // One whose making was interrupted.
        files::create_dir(&data_dir.postgres_dir().join("listing.new")).unwrap();
        assert_eq!(found(), Some((outside.join("0a1b"), own)));

        make(&data_dir.postgres_dir().join("settlement"));
        assert_eq!(found(), Some((data_dir.postgres_dir(), own)));
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
