#!/bin/sh
# supply-chain.sh "WORKSPACE …" "SERVICE …": what Outcry is made of, and whether it may be. Licences, bans and sources of all
# dependencies, known weaknesses of them, dependencies that nobody uses, a list of all parts of each service (CycloneDX),
# and what is in the images. The tools are compiled into the cache folder the first time. A stage that fails does not keep
# the others from running, and the summary names each.
#
# The list of known weaknesses (RustSec) is fetched. Where that cannot be, the stage is left out, loudly;
# OUTCRY_ADVISORIES=required makes that a failure, and =off does not try.
set -u
cd "$(dirname "$0")/.." || exit 1
workspaces=$1 services=$2
advisories=${OUTCRY_ADVISORIES:-if-possible}
advisories_within_s=60
summary='' failed=0 left_out=''
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# What the fuzzer is made of is not shipped, and still runs on our machines.
all=''
for workspace in $workspaces; do
    all="$all $workspace"
    [ ! -f "$workspace/fuzz/Cargo.toml" ] || all="$all $workspace/fuzz"
done

note() {
    summary="$summary
$(printf '%-9s %5s  %s' "$1" "$2" "$3")"
}

stage() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    begun=$(date +%s)
    if "$@"; then result=ok; else result=FAILED failed=1; fi
    note "$result" "$(($(date +%s) - begun)) s" "$name"
}

leave_out() {
    note 'LEFT OUT' '' "$1"
    left_out="$left_out
LEFT OUT: $1"
}

use() {
    folder=$(scripts/tool.sh "$1") || return 1
    PATH=$folder:$PATH
}

# deny [OPTION …] check CHECK …: in every workspace; it finds deny.toml above them.
deny() {
    use cargo-deny || return 1
    denied=0
    for each in $all; do
        printf '%-26s ' "$each"
        cargo deny --manifest-path "$each/Cargo.toml" --locked --log-level error "$@" || denied=1
    done
    return "$denied"
}

fetch_advisories() {
    use cargo-deny || return 1
    limit=''
    ! command -v timeout >/dev/null || limit="timeout $advisories_within_s"
    # shellcheck disable=SC2086 # the command is split on purpose
    GIT_TERMINAL_PROMPT=0 $limit cargo deny --manifest-path event-contracts/Cargo.toml --log-level error fetch db \
        >"$work/fetch" 2>&1
}

# Fetched once, not once for each workspace.
known_weaknesses() {
    if ! fetch_advisories; then
        cat "$work/fetch"
        return 1
    fi
    deny --offline check advisories
}

unused() {
    use cargo-machete || return 1
    # shellcheck disable=SC2086 # the list is split on purpose
    cargo machete --with-metadata $workspaces >"$work/unused" 2>&1
    status=$?
    cat "$work/unused"
    # It passes over what it cannot read, and calls that no failure.
    [ "$status" -eq 0 ] && ! grep -q '^error when handling' "$work/unused"
}

stage 'licences, bans and sources' deny check licenses bans sources
case $advisories in
required) stage 'known weaknesses' known_weaknesses ;;
off) leave_out 'known weaknesses: OUTCRY_ADVISORIES=off' ;;
*)
    if fetch_advisories; then
        stage 'known weaknesses' deny --offline check advisories
    else
        leave_out 'known weaknesses: the list of them (RustSec) cannot be fetched from here'
    fi
    ;;
esac
stage 'dependencies that nobody uses' unused
# shellcheck disable=SC2086 # likewise
stage 'the parts of each service (SBOM)' scripts/sbom.sh $services

images=''
for service in $services; do
    ! docker image inspect "outcry/$service:dev" >/dev/null 2>&1 || images="$images outcry/$service:dev"
done
if [ -n "$images" ]; then
    # shellcheck disable=SC2086 # likewise
    stage 'what is in the images' scripts/scan-image.sh $images
elif docker info >/dev/null 2>&1; then
    leave_out 'what is in the images: there are none; deploy/images/build.sh makes them'
else
    leave_out 'what is in the images: no Docker daemon answers'
fi

line='********************************************************************************'
[ -z "$left_out" ] || printf '\n%s%s\n%s\n' "$line" "$left_out" "$line"
printf '\n== Supply chain%s\n' "$summary"
[ "$failed" -eq 0 ] && echo 'All is well.' || echo 'Something FAILED, see above.'
exit "$failed"
