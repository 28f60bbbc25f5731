#!/bin/sh
# with-infrastructure.sh COMMAND …: runs the command beside a PostgreSQL and a Kafka of its own, told where they are by
# OUTCRY_TEST_DATABASE_URL, OUTCRY_TEST_KAFKA_BROKERS and OUTCRY_TEST_KAFKA_TLS_DIR; both are thrown away afterwards.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
base=${OUTCRY_TEST_BASE_PORT:-24440}
work=$(mktemp -d)
chmod 711 "$work"
data=$work/data
"$here/outcry" up --infrastructure-only --data-dir "$data" --base-port "$base" >"$work/log" 2>&1 &
outcry=$!
trap 'kill -INT $outcry 2>/dev/null; wait $outcry || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
until [ -f "$data/endpoints.json" ]; do
    kill -0 "$outcry" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done
mkdir "$work/tls"
cp "$data/ca.pem" "$data"/tls/*-service*.pem "$work/tls"
password=$(cat "$data/secrets/postgres-listing-superuser")
OUTCRY_TEST_DATABASE_URL="postgres://outcry:$password@127.0.0.1:$((base + 31))/postgres?sslmode=verify-full&sslrootcert=$data/ca.pem"
OUTCRY_TEST_KAFKA_BROKERS=127.0.0.1:$((base + 20))
OUTCRY_TEST_KAFKA_TLS_DIR=$work/tls
export OUTCRY_TEST_DATABASE_URL OUTCRY_TEST_KAFKA_BROKERS OUTCRY_TEST_KAFKA_TLS_DIR
"$@"
