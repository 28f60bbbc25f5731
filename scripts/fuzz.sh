#!/bin/sh
# fuzz.sh [TARGET …]: gives each fuzz target (CRATE/NAME, for example settlement-service/money; all unless named) arbitrary
# inputs for FUZZ_SECONDS (60 unless set), beginning with the seeds beside it, and names what broke. The toolchain that is
# here is used, also a stable one. What was learnt is kept in target/fuzz and goes on from there the next time.
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
targets=${*:-"event-contracts/events event-contracts/envelope listing-service/requests listing-service/jwks \
bidding-service/requests settlement-service/requests settlement-service/money"}

PATH=$(scripts/tool.sh cargo-fuzz):$PATH || exit 1
# Coverage is told to the fuzzer by the compiler's own pass; that alone is asked of a stable toolchain here.
export RUSTC_BOOTSTRAP=1 SQLX_OFFLINE=true
trap 'exit 130' INT TERM

summary='' failed=0
fuzz() {
    crate=$1 name=$2
    corpus=$kept/$crate/$name findings=$kept/$crate/$name-findings log=$kept/$crate/$name.log
    mkdir -p "$corpus" "$findings"
    printf '\n== %s/%s, %s s\n' "$crate" "$name" "$seconds"
    dictionary=$root/$crate/fuzz/$name.dict
    set --
    [ ! -e "$dictionary" ] || set -- "-dict=$dictionary"
    (cd "$crate" && cargo fuzz run --sanitizer none "$name" "$corpus" "fuzz/seeds/$name" -- \
        -max_total_time="$seconds" -max_len="$max_len" -timeout="$timeout_s" -rss_limit_mb="$rss_limit_mb" \
        -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=1 "$@") >"$log" 2>&1
    status=$?
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    grep -E '^#[0-9]+.*(INITED|DONE)' "$log" | tail -n 2
    if [ "$status" -ne 0 ] || [ -z "$executed" ]; then
        tail -n 30 "$log"
        failed=1
        summary="$summary
FAILED  $crate/$name: see $log and $findings"
    else
        summary="$summary
ok      $crate/$name: $executed executions in $seconds s, $(find "$corpus" -type f | wc -l) inputs kept"
    fi
}

for target in $targets; do fuzz "${target%/*}" "${target##*/}"; done
printf '\n== Fuzzing%s\n' "$summary"
exit "$failed"
