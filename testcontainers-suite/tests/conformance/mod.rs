//! What is alike in all services: the same black-box checks on each.

mod documents;
mod errors;
mod forged_tokens;
mod idempotency;
mod limits;
mod metrics;
mod once;
mod operations;
mod samples;
mod signed_tokens;
mod startup;
mod tls;
mod tokens;
mod traces;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [
        errors::trials(),
        tokens::trials(),
        forged_tokens::trials(),
        signed_tokens::trials(),
        idempotency::trials(),
        once::trials(),
        limits::trials(),
        tls::trials(),
        documents::trials(),
        operations::trials(),
        metrics::trials(),
        startup::trials(),
        traces::trials(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
