#!/bin/sh
# A marketplace of many users on this machine: starts one of its own from the built programs, lets people browse, bid,
# sell and settle on it, and throws it away.
#
#   scripts/load.sh load    1,000 users for 10 minutes
#   scripts/load.sh soak    300 users for 60 minutes; memory, tables and p95 of the last quarter must be like the first
#
# USERS, DURATION and WARM_UP (seconds) say otherwise. The curves go to PLOT (load.svg or soak.svg in a temporary folder
# unless set). Ctrl-C ends the load early and shows what was measured. Fails when a promise is not kept.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
case ${1:-load} in
load) users=${USERS:-1000} duration=${DURATION:-600} warm_up=${WARM_UP:-30} flat= ;;
soak) users=${USERS:-300} duration=${DURATION:-3600} warm_up=${WARM_UP:-300} flat=--flat ;;
*) echo "usage: scripts/load.sh load|soak" >&2; exit 2 ;;
esac
plot=${PLOT:-${TMPDIR:-/tmp}/outcry-${1:-load}.svg}
work=$(mktemp -d)
chmod 711 "$work"
data=$work/data
echo "Starting a marketplace of its own; ${users} users, $((warm_up + duration)) s …"
# All users come from one address, which the services would soon refuse. In a process group of its own the marketplace
# does not hear Ctrl-C: it is looked at once more after the load, and stopped then.
perl -e 'setpgrp(0, 0); exec @ARGV or die "$ARGV[0]: $!\n"' "$here/outcry" up --no-rate-limit --data-dir "$data" \
    --base-port "${OUTCRY_TEST_BASE_PORT:-26440}" >"$work/log" 2>&1 &
outcry=$!
trap 'kill -INT $outcry 2>/dev/null; wait $outcry || true; rm -rf "$work"' EXIT
until [ -f "$data/endpoints.json" ]; do
    kill -0 "$outcry" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done

"$here/outcry" bench browse --users "$users" --duration "$duration" --warm-up "$warm_up" $flat --svg "$plot" \
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
[ ! -f "$plot" ] || printf '\nThe curves are in %s.\n' "$plot"
exit "$failed"
