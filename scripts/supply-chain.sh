#!/bin/sh
# supply-chain.sh "WORKSPACE …" "SERVICE …": what Outcry is made of, and whether it may be. Licences, bans and sources of all
# dependencies, known weaknesses of them, dependencies that nobody uses, a list of all parts of each service (CycloneDX),
# and what is in the images. The tools are compiled into the cache folder the first time.
#
# The list of known weaknesses is fetched. Where that cannot be, it is left out and said so;
# OUTCRY_ADVISORIES=required makes that a failure.
set -u
cd "$(dirname "$0")/.." || exit 1
workspaces=$1 services=$2
advisories=${OUTCRY_ADVISORIES:-if-possible}
advisories_within_s=120
summary='' failed=0 left_out=''
trap 'exit 130' INT TERM

stage() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then result=ok; else result=FAILED failed=1; fi
    summary="$summary
$(printf '%-9s %s' "$result" "$name")"
}

left_out() {
    summary="$summary
LEFT OUT  $1"
    left_out="$left_out
LEFT OUT: $1"
}

deny() {
    for each in $workspaces; do
        printf '%s: ' "$each"
        cargo deny --manifest-path "$each/Cargo.toml" --locked --log-level error check --config deny.toml "$@" || return 1
    done
}

unused() {
    # shellcheck disable=SC2086 # the list is split on purpose
    cargo machete --with-metadata $workspaces
}

for tool in cargo-deny cargo-machete; do
    PATH=$(scripts/tool.sh "$tool"):$PATH || exit 1
done

stage 'licences, bans and sources' deny licenses bans sources
if [ "$advisories" = required ]; then
    stage 'known weaknesses' deny advisories
elif timeout "$advisories_within_s" cargo deny --manifest-path event-contracts/Cargo.toml --log-level off fetch db >/dev/null 2>&1; then
    stage 'known weaknesses' deny advisories
else
    left_out 'known weaknesses: the list of them (RustSec) cannot be fetched from here'
fi
stage 'dependencies that nobody uses' unused
# shellcheck disable=SC2086 # likewise
stage 'the parts of each service (SBOM)' scripts/sbom.sh $services

images=''
for service in $services; do
    docker image inspect "outcry/$service:dev" >/dev/null 2>&1 && images="$images outcry/$service:dev"
done
if [ -n "$images" ]; then
    # shellcheck disable=SC2086 # likewise
    stage 'what is in the images' scripts/scan-image.sh $images
elif docker info >/dev/null 2>&1; then
    left_out 'what is in the images: there are none; deploy/images/build.sh makes them'
else
    left_out 'what is in the images: no Docker daemon answers'
fi

[ -z "$left_out" ] || printf '\n%s%s\n%s\n' \
    '********************************************************************************' "$left_out" \
    '********************************************************************************'
printf '\n== Supply chain%s\n' "$summary"
exit "$failed"
