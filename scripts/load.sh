#!/bin/sh
# A marketplace of many users on this machine: starts one of its own from the built programs, lets people browse, bid,
# sell and settle on it, and throws it away.
#
#   scripts/load.sh load    LOAD_USERS (1,000) for LOAD_MINUTES (10) after LOAD_WARM_UP_SECONDS (30)
#   scripts/load.sh soak    SOAK_USERS (1,000) for SOAK_MINUTES (60) after SOAK_WARM_UP_SECONDS (1,200), in which nearly
#                           everybody bought or sold once; memory, tables, p95 and p99 must stay as they were in the
#                           first quarter
#
# The curves go to PLOT (outcry-load.svg or outcry-soak.svg in the folder for temporary files unless set). Ctrl-C ends the
# load early and shows what was measured. Fails when a promise is not kept; deploy/local/README.md lists them. One is that
# a sale comes to its end, from its lot to the seller's money, which takes people some three to five minutes.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
ready_within_s=900
kind=${1:-}
case $kind in
load) users=${LOAD_USERS:-1000} minutes=${LOAD_MINUTES:-10} warm_up=${LOAD_WARM_UP_SECONDS:-30} flat= ;;
soak) users=${SOAK_USERS:-1000} minutes=${SOAK_MINUTES:-60} warm_up=${SOAK_WARM_UP_SECONDS:-1200} flat=--flat ;;
*) echo "usage: scripts/load.sh load|soak" >&2; exit 2 ;;
esac
for number in "$users" "$minutes" "$warm_up"; do
    case $number in
    '' | *[!0-9]*) echo "load.sh: \`$number\` is no whole number of users, minutes or seconds" >&2; exit 2 ;;
    esac
done
# Three connections of each user, and their other ends.
files=$((4 * users + 1000)) limit=$(ulimit -S -n)
if [ "$limit" != unlimited ] && [ "$limit" -lt "$files" ] && ! ulimit -S -n "$files" 2>/dev/null; then
    echo "load.sh: $users users need $files open files, and this shell allows $(ulimit -H -n) at most" >&2
    exit 1
fi
plot=${PLOT:-${TMPDIR:-/tmp}/outcry-$kind.svg}
work=$(mktemp -d)
chmod 711 "$work"
data=$work/data
echo "Starting a marketplace of its own for $users users: $minutes min after $warm_up s of warm-up …"
# The payment gateway takes its time, as a real one does, and its disk is not ours.
export OUTCRY_SIMULATED_GATEWAY_FAULTS=slow_ms=5 OUTCRY_SIMULATED_GATEWAY_DURABLE=false
# All users come from one address, which the services would soon refuse. In a process group of its own the marketplace
# does not hear Ctrl-C: it is looked at once more after the load, and stopped then.
perl -e 'setpgrp(0, 0); exec @ARGV or die "$ARGV[0]: $!\n"' "$here/outcry" up --no-rate-limit --data-dir "$data" \
    --base-port "${OUTCRY_TEST_BASE_PORT:-26440}" >"$work/log" 2>&1 &
outcry=$!
trap 'kill -INT $outcry 2>/dev/null; wait $outcry || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
looks=0
until [ -f "$data/endpoints.json" ]; do
    kill -0 "$outcry" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    looks=$((looks + 1))
    [ "$looks" -lt $((5 * ready_within_s)) ] || {
        cat "$work/log" >&2
        echo "load.sh: the marketplace is not ready after $ready_within_s s" >&2
        exit 1
    }
    # The first start on a machine downloads what it needs.
    [ $((looks % 50)) -ne 0 ] || tail -n 1 "$work/log"
    sleep 0.2
done

"$here/outcry" bench browse --users "$users" --duration $((60 * minutes)) --warm-up "$warm_up" $flat --svg "$plot" \
    --data-dir "$data" &
bench=$!
# Ctrl-C reaches it without us.
trap : INT
trap 'kill -INT $bench 2>/dev/null' TERM
failed=0
wait "$bench" || failed=$?
while kill -0 "$bench" 2>/dev/null; do
    failed=0
    wait "$bench" || failed=$?
done
exit "$failed"
