#!/bin/sh
# api-tests.sh: property-based tests of the three HTTP APIs. It starts a marketplace of its own, lets Schemathesis make
# requests of every documented operation as a seller, a bidder and an operator, and throws the marketplace away. Every
# check is on; scripts/api-tests/hooks.py says which refusals are no failure and why. OUTCRY_API_EXAMPLES is the number of
# examples for each operation (30 unless set), OUTCRY_API_SEED repeats a run, OUTCRY_API_ONLY="bidding-seller" makes only
# that one. Exit code 3: there is no Python to run it with.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
tests=$here/scripts/api-tests

python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null &&
        "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    printf '%s\n' '********************************************************************************' \
        'LEFT OUT: the property-based API tests. They need Python 3.11 or newer with its venv' \
        '(on Debian: apt-get install python3-venv).' \
        '********************************************************************************'
    exit 3
fi

# One environment for each set of pinned packages, kept between runs.
pins=$(cksum <"$tests/requirements.txt" | cut -d ' ' -f 1)
environment=${XDG_CACHE_HOME:-$HOME/.cache}/outcry/api-tests-$pins
if [ ! -f "$environment/complete" ]; then
    echo "installing Schemathesis into $environment"
    rm -rf "$environment"
    "$python" -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$tests/requirements.txt"
    touch "$environment/complete"
fi

export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
chmod 711 "$work"
data=$work/data
"$here/outcry" up --no-rate-limit --data-dir "$data" --base-port "${OUTCRY_TEST_BASE_PORT:-25440}" >"$work/log" 2>&1 &
outcry=$!
trap 'kill -INT $outcry 2>/dev/null; wait $outcry || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
until [ -f "$data/endpoints.json" ]; do
    kill -0 "$outcry" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done
"$environment/bin/python" "$tests/run.py" "$here" "$data" "$work"
