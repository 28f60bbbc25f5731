#!/bin/sh
# sbom.sh SERVICE …: writes SERVICE.cdx.json into target/sbom (or SBOM_DIR): a CycloneDX list of every crate that the
# service's binary for Linux is made of, by its lock file. It is held against what cargo says: a crate that is missing in
# the list is told, and a failure.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
to=${SBOM_DIR:-target/sbom}
target=x86_64-unknown-linux-gnu
tool=$(scripts/tool.sh cargo-cyclonedx)
PATH=$tool:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$to"

# The same sources make the same list: no random number in it, the time of the commit, and no path of this machine.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH
encoded=$(printf '%s' "$root" | sed 's|/|%2F|g')

for service in "$@"; do
    package=$service/crates/service
    list=$to/$service.cdx.json
    cargo tree --quiet --locked --manifest-path "$service/Cargo.toml" --package "$service" --all-features \
        --target "$target" --edges normal --prefix none --format '{p}' >"$work/tree"
    awk 'NF { print $1 "@" substr($2, 2) }' "$work/tree" | sort -u >"$work/needed"
    cargo cyclonedx --quiet --manifest-path "$package/Cargo.toml" --format json --spec-version 1.5 --describe binaries \
        --all-features --target "$target"
    sed "s|$root||g; s|$encoded||g" "$package/${service}_bin.cdx.json" >"$list"
    rm "$package/${service}_bin.cdx.json"
    grep -o '"purl": *"pkg:cargo/[^"?#]*' "$list" | sed 's|.*/||; s|%2B|+|g' | sort -u >"$work/listed"
    if ! grep -q '"bomFormat": *"CycloneDX"' "$list" || ! [ -s "$work/needed" ]; then
        echo "$list is no list of parts" >&2
        exit 1
    fi
    comm -23 "$work/needed" "$work/listed" >"$work/missing"
    if [ -s "$work/missing" ]; then
        echo "$list lacks:" >&2
        cat "$work/missing" >&2
        exit 1
    fi
    echo "$list: $(wc -l <"$work/listed") parts, $(wc -l <"$work/needed") of them linked"
done
