#!/bin/sh
# How much of the business logic (domain and application) the tests of each service cover; below the bound it fails.
set -eu
bound_percent=80
cargo llvm-cov --version >/dev/null 2>&1 || {
    echo 'coverage needs cargo-llvm-cov: rustup component add llvm-tools && cargo install cargo-llvm-cov --locked' >&2
    exit 1
}
for service in "$@"; do
    name=${service%-service}
    printf '\n== %s: domain and application\n' "$service"
    (cd "$service" && SQLX_OFFLINE=true cargo llvm-cov --locked --all-features \
        -p "$name-domain" -p "$name-application" -p "$name-harness" \
        --ignore-filename-regex '/(ports|harness|adapter-[a-z]+|service|event-contracts)/src/|/tests(/|\.rs)' \
        --fail-under-lines "$bound_percent")
done
