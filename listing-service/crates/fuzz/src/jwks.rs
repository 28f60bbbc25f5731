//! Any document in place of a JSON Web Key Set. The services read it alike.

use listing_adapter_http::jwks::{KeySet, Source};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Reads key sets as the service does: from a file.
pub struct KeySets {
    runtime: Runtime,
    folder: TempDir,
}

impl Default for KeySets {
    fn default() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, folder: tempfile::tempdir().expect("a folder") }
    }
}

impl KeySets {
    /// Reads a document. Whether it has a key that can be used; if not, it is refused.
    #[must_use]
    pub fn takes(&self, document: &[u8]) -> bool {
        let file = self.folder.path().join("jwks.json");
        std::fs::write(&file, document).expect("a file");
        self.runtime.block_on(KeySet::load(Source::File(file))).is_ok()
    }
}
