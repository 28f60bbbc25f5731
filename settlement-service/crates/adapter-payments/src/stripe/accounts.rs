//! Which connected account a seller is paid to. Sellers open their accounts with Stripe; who is who is the operator's
//! to say, in a file.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use settlement_domain::UserId;
use tokio::sync::Mutex;

/// Larger files are not read, bytes: some 500,000 sellers.
const MAX_FILE: u64 = 32 * 1024 * 1024;

/// The file, and what was read of it last.
pub(super) struct Accounts {
    path: PathBuf,
    known: Mutex<Option<Known>>,
}

struct Known {
    version: (Option<SystemTime>, u64),
    accounts: HashMap<String, String>,
}

impl Accounts {
    pub fn new(path: PathBuf) -> Self {
        Self { path, known: Mutex::new(None) }
    }

    /// A seller's account, if there is one; reads the file again when it has changed.
    pub async fn of(&self, seller: &UserId) -> io::Result<Option<String>> {
        let mut known = self.known.lock().await;
        let file = tokio::fs::metadata(&self.path).await?;
        let version = (file.modified().ok(), file.len());
        if known.as_ref().is_none_or(|known| known.version != version) {
            if file.len() > MAX_FILE {
                return Err(io::Error::other(format!("{} is larger than {MAX_FILE} bytes", self.path.display())));
            }
            let accounts = serde_json::from_slice(&tokio::fs::read(&self.path).await?)?;
            *known = Some(Known { version, accounts });
        }
        Ok(known.as_ref().and_then(|known| known.accounts.get(seller.as_str()).cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_seller_who_is_added_is_known_at_once_and_a_spoilt_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.json");
        let accounts = Accounts::new(path.clone());
        let seller: UserId = "seller".parse().unwrap();
        assert!(accounts.of(&seller).await.is_err(), "there is no file");
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(accounts.of(&seller).await.unwrap(), None);
        std::fs::write(&path, r#"{"seller": "acct_1"}"#).unwrap();
        assert_eq!(accounts.of(&seller).await.unwrap().as_deref(), Some("acct_1"));
        std::fs::write(&path, "spoilt").unwrap();
        assert!(accounts.of(&seller).await.is_err());
    }
}
