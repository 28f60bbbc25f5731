//! Any document in place of a JSON Web Key Set: its keys are read or it is refused. All services read it alike.
#![no_main]

use std::{cell::RefCell, path::PathBuf};

use libfuzzer_sys::fuzz_target;
use listing_adapter_http::jwks::{KeySet, Source};
use tokio::runtime::{Builder, Runtime};

struct Reader {
    runtime: Runtime,
    file: PathBuf,
}

impl Default for Reader {
    fn default() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, file: listing_fuzz::http::jwks_file().to_path_buf() }
    }
}

thread_local! {
    static READER: RefCell<Reader> = RefCell::default();
}

fuzz_target!(|document: &[u8]| {
    READER.with_borrow(|Reader { runtime, file }| {
        std::fs::write(file, document).expect("a file");
        if let Ok(keys) = runtime.block_on(KeySet::load(Source::File(file.clone()))) {
            // A set that was taken has a key, of whatever name.
            let _ = keys.has_development_key();
        }
    });
});
