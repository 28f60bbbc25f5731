#!/bin/sh
# fuzz.sh [TARGET …]: gives each fuzz target (CRATE/NAME, for example settlement-service/money; all unless named) arbitrary
# inputs for FUZZ_SECONDS (60 unless set), beginning with its seeds, and names what broke. What was learnt is kept in
# target/fuzz, and the next run goes on from there. A stable toolchain will do: inputs are chosen by what they reach
# (-Cpasses=sancov-module, which cargo-fuzz asks of the compiler), and only a sanitizer would need another one.
#
# A finding is a file. `cargo fuzz run --sanitizer none NAME FILE` in CRATE shows it again: an input of requests or events
# has all that led to it (a line `---` is between two), and finds the service as it begins. Put it into
# CRATE/fuzz/findings/NAME, mend what it broke, and `make test` keeps it mended.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${FUZZ_SECONDS:-60}
root=$PWD
kept=$root/target/fuzz
# Longer inputs than these are refused before they are looked into, or are only more of the same.
max_len=4096
# A single input that takes longer is a finding.
timeout_s=10
rss_limit_mb=2048

tool=$(scripts/tool.sh cargo-fuzz) || exit 1
PATH=$tool:$PATH
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# Findings are told with their lines.
export SQLX_OFFLINE=true CARGO_PROFILE_RELEASE_STRIP=none TMPDIR="$work"

summary='' failed=0
note() {
    summary="$summary
$(printf '%-9s %s' "$1" "$2")"
    [ "$1" = ok ] || failed=1
}

# Cargo says so if the lock file is not that of the manifest; cargo-fuzz would write it anew and say nothing.
locked() { cargo tree --quiet --locked --manifest-path fuzz/Cargo.toml >/dev/null; }

fuzz() {
    target=$1 crate=${1%/*} name=${1##*/}
    corpus=$kept/$crate/$name findings=$kept/$crate/$name-findings log=$kept/$crate/$name.log
    printf '\n== %s, %s s\n' "$target" "$seconds"
    if [ ! -f "$crate/fuzz/fuzz_targets/$name.rs" ]; then
        note FAILED "$target: there is no such target"
        return
    fi
    mkdir -p "$corpus" "$findings"
    set -- "$corpus" "fuzz/seeds/$name"
    [ ! -d "$crate/fuzz/findings/$name" ] || set -- "$@" "fuzz/findings/$name"
    set -- "$@" -- -max_total_time="$seconds" -max_len="$max_len" -timeout="$timeout_s" -rss_limit_mb="$rss_limit_mb" \
        -artifact_prefix="$findings/" -print_final_stats=1
    [ ! -f "$crate/fuzz/$name.dict" ] || set -- "$@" "-dict=$root/$crate/fuzz/$name.dict"
    if ! (cd "$crate" && locked && cargo fuzz run --sanitizer none "$name" "$@") >"$log" 2>&1; then
        tail -n 40 "$log"
        find "$findings" -type f
        note FAILED "$target: see $log and $findings"
        return
    fi
    grep -E '^#[0-9]+.*(INITED|DONE)' "$log"
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    reached=$(sed -n 's/^#[0-9]*[[:space:]]*DONE *cov: *\([0-9]*\) .*/\1/p' "$log")
    # Without this it would be guessing, and not say so.
    if [ "${reached:-0}" -eq 0 ]; then
        note FAILED "$target: nothing tells what an input reaches; see $log"
        return
    fi
    note ok "$target: $executed executions in $seconds s, $reached places reached, $(find "$corpus" -type f | wc -l) inputs kept"
}

if [ $# -eq 0 ]; then
    for file in */fuzz/fuzz_targets/*.rs; do
        name=${file##*/}
        set -- "$@" "${file%%/*}/${name%.rs}"
    done
fi
for each in "$@"; do fuzz "$each"; done
printf '\n== Fuzzing%s\n' "$summary"
[ "$failed" -eq 0 ] && echo 'Nothing was found.' || echo 'Something was FOUND, or could not run, see above.'
exit "$failed"
