#!/bin/sh
# Measures the built marketplace on this machine: starts one of its own, runs every load of `outcry bench` (each for
# SECONDS_EACH, 20 unless set; the sagas beside WAITING and FINISHED settlements, 100000 and 0 unless set), and throws it
# away. Fails when a checker finds something.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
seconds=${SECONDS_EACH:-20}
work=$(mktemp -d)
chmod 711 "$work"
data=$work/data
# The payment gateway takes its time, as a real one does, and its disk is not ours.
export OUTCRY_SIMULATED_GATEWAY_FAULTS=slow_ms=5 OUTCRY_SIMULATED_GATEWAY_DURABLE=false
"$here/outcry" up --no-rate-limit --data-dir "$data" --base-port "${OUTCRY_TEST_BASE_PORT:-26440}" >"$work/log" 2>&1 &
outcry=$!
trap 'kill -INT $outcry 2>/dev/null; wait $outcry || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
until [ -f "$data/endpoints.json" ]; do
    kill -0 "$outcry" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done

failed=0
measure() {
    "$here/outcry" bench "$@" --data-dir "$data" || failed=1
}
measure bids --connections 256 --duration "$seconds"
measure bids --hot --connections 256 --duration "$seconds"
measure bids --think 1000 --connections 1000 --duration "$seconds" --no-yardstick
measure stream --listeners 1000 --duration "$seconds"
measure bids --overload --duration "$seconds" --no-yardstick
measure sagas --waiting "${WAITING:-100000}" --finished "${FINISHED:-0}"
exit "$failed"
