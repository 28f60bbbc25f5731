#!/bin/sh
# What `make test` proves, stage by stage: a stage that fails does not keep the others from running, and the summary
# names each. `test.sh "WORKSPACE …" "PROGRAM …" [docker]`; with `docker`, only what needs Docker.
set -u
workspaces=$1 programs=$2 only=${3:-all}
suite=testcontainers-suite
summary='' failed=0 all_begun=$(date +%s)
export SQLX_OFFLINE=true OUTCRY_PROFILE=debug
trap 'exit 130' INT TERM

note() {
    summary="$summary
$(printf '%-9s %5s  %s' "$1" "$2" "$3")"
}

# stage NAME DIRECTORY COMMAND …
stage() {
    name=$1 directory=$2
    shift 2
    printf '\n== %s\n' "$name"
    begun=$(date +%s)
    if (cd "$directory" && "$@"); then result=ok; else result=FAILED failed=1; fi
    note "$result" "$(($(date +%s) - begun)) s" "$name"
}

# each NAME "DIRECTORY …" COMMAND …
each() {
    name_of_all=$1 directories=$2
    shift 2
    for each_directory in $directories; do
        stage "$name_of_all $each_directory" "$each_directory" "$@"
    done
}

# Requests of every kind, of each API in each role: few of them here, many by `make test-api`.
api_part() {
    printf '\n== %s\n' "property-based API tests"
    begun=$(date +%s)
    OUTCRY_API_EXAMPLES=${OUTCRY_API_EXAMPLES:-5} scripts/api-tests.sh
    case $? in
    0) note ok "$(($(date +%s) - begun)) s" 'property-based API tests' ;;
    3) note 'LEFT OUT' '' 'property-based API tests: they need Python 3.11 or newer with venv' ;;
    *) note FAILED "$(($(date +%s) - begun)) s" 'property-based API tests'; failed=1 ;;
    esac
}

docker_part() {
    if docker info >/dev/null 2>&1; then
        stage "end to end, in containers" "$suite" cargo test --locked --test containers
        return
    fi
    note 'LEFT OUT' '' 'end to end, in containers: no Docker daemon answers'
    printf '\n%s\n' '********************************************************************************' \
        'LEFT OUT: everything that needs Docker, because no Docker daemon answers here.' \
        '********************************************************************************'
}

if [ "$only" = all ]; then
    each formatting "$workspaces" cargo fmt --all --check
    each clippy "$workspaces" cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
    each build "$programs" cargo build --locked --bins
    for workspace in $(echo " $workspaces " | sed "s| $suite | |"); do
        case $workspace in
        *-service) stage "tests $workspace" "$workspace" ../scripts/with-infrastructure.sh \
            cargo test --locked --workspace --all-features ;;
        *) stage "tests $workspace" "$workspace" cargo test --locked --workspace --all-features ;;
        esac
    done
    if [ -z "${OUTCRY_STRIPE_MOCK:-}" ] && ! command -v stripe-mock >/dev/null && ! command -v go >/dev/null; then
        note 'LEFT OUT' '' 'the Stripe adapter against stripe-mock: neither stripe-mock nor Go is here'
    fi
    [ ! -d "$suite" ] || stage "end to end, on this machine" "$suite" \
        cargo test --locked --lib --test structure --test released --test suite --test resilience
    [ ! -d "$suite" ] || stage "faults under load, a few of them" "$suite" \
        env OUTCRY_CHAOS=short cargo test --locked --test chaos
    api_part
fi
[ ! -d "$suite" ] || docker_part

printf '\n== Summary%s\n%s s in all\n' "$summary" "$(($(date +%s) - all_begun))"
[ "$failed" -eq 0 ] && echo 'All is well.' || echo 'Something FAILED, see above.'
exit "$failed"
