#!/bin/sh
# sbom.sh SERVICE …: writes target/sbom/SERVICE.cdx.json, a CycloneDX list of every crate that is linked into the service's
# binary on Linux, by its lock file, and checks it against what cargo says.
set -eu
cd "$(dirname "$0")/.."
PATH=$(scripts/tool.sh cargo-cyclonedx):$PATH
target=x86_64-unknown-linux-gnu
mkdir -p target/sbom

for service in "$@"; do
    package=$service/crates/service
    name=${service}_bin
    (cd "$package" && cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target" \
        --describe binaries --all-features)
    list=target/sbom/$service.cdx.json
    mv "$package/$name.cdx.json" "$list"
    # The other crates' lists are parts of this one.
    find "$service/crates" -name '*.cdx.json' -delete
    listed=$(grep -c '"purl"' "$list")
    printf '%s: %s entries\n' "$list" "$listed"
done
