//! What the gateway sends by itself: [`signature`] tells whether it did, [`events`] what it means.

mod events;
mod signature;

use settlement_ports::{Notice, NoticeVerifier, Unsigned};

pub use signature::{Secret, sign};

/// Reads Stripe's webhooks, and the simulated gateway's, which are alike.
pub struct Webhooks {
    secrets: Vec<Secret>,
}

impl Webhooks {
    /// Signed by any of these secrets: two while one is being replaced.
    #[must_use]
    pub const fn new(secrets: Vec<Secret>) -> Self {
        Self { secrets }
    }
}

impl NoticeVerifier for Webhooks {
    fn read(&self, signature: &str, body: &[u8]) -> Result<Notice, Unsigned> {
        let signed_at = signature::check(&self.secrets, signature, body)?;
        events::read(body, signed_at)
    }
}
