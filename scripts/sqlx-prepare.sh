#!/bin/sh
# Checks the services' SQL against real databases and writes it to .sqlx, so that a build needs no database.
# The databases are those of `outcry up --infrastructure-only`, in a directory that is thrown away.
set -eu
command -v sqlx >/dev/null 2>&1 || {
    echo 'sqlx-prepare needs sqlx-cli: cargo install sqlx-cli --no-default-features --features rustls,postgres' >&2
    exit 1
}
work=$(mktemp -d)
chmod 711 "$work"
./outcry up --infrastructure-only --data-dir "$work/data" --base-port "${OUTCRY_BASE_PORT:-9440}" &
outcry=$!
trap 'kill -INT $outcry; wait $outcry; rm -rf "$work"' EXIT
until [ -f "$work/data/endpoints.json" ]; do
    kill -0 "$outcry"
    sleep 0.2
done
for service in "$@"; do
    name=${service%-service}
    url=$(sed -n "s/.*\"$name\": \"\(postgres:[^\"]*\)\".*/\1/p" "$work/data/endpoints.json")
    (cd "$service" && export DATABASE_URL="$url" SQLX_OFFLINE=false &&
        sqlx migrate run --source migrations &&
        cargo sqlx prepare --workspace -- --all-targets)
done
