#!/bin/sh
# planted.sh [NAME …]: can `make chaos` fail? Builds each bug of testcontainers-suite/planted (all unless named, for example
# `outbox-bidding`) into a copy of what is committed here, one after the other, and runs the trial that has to notice it.
# A bug that nobody notices is a failure; so is one that cannot be built in any more. Takes one to three minutes for each, and
# at first as long as the services take to compile. The copy is thrown away; what is built goes to a folder of its own
# (CARGO_TARGET_DIR, or target/planted), so that no program with a bug in it is left where others are started from.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
trial_within_s=600
work=$(mktemp -d) || exit 1
copy=$work/outcry
trap 'git worktree remove --force "$copy" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/planted"
export SQLX_OFFLINE=true OUTCRY_PROFILE=debug OUTCRY_CHAOS=all

summary='' failed=0
note() {
    summary="$summary
$(printf '%-9s %5s  %s' "$1" "$2" "$3")"
    [ "$1" = noticed ] || failed=1
}

# field NAME PATCH: what the head of the patch says.
field() { sed -n "s/^$1: //p" "$2"; }

# passes TRIAL LOG
passes() { (cd "$copy/testcontainers-suite" && timeout "$trial_within_s" cargo test --locked --test chaos -- "$1") >"$2" 2>&1; }

plant() {
    patch=testcontainers-suite/planted/$1.patch log=$work/$1.log begun=$(date +%s)
    if [ ! -f "$patch" ]; then
        note FAILED '' "$1: there is no such bug"
        return
    fi
    what=$(field What "$patch") service=$(field Service "$patch") trial=$(field Trial "$patch")
    printf '\n== %s, in %s: %s …\n' "$what" "$service" "$trial"
    if ! git -C "$copy" apply "$root/$patch" || ! (cd "$copy/$service" && cargo build --locked --bins); then
        note FAILED '' "$1: it cannot be built in"
    elif passes "$trial" "$log"; then
        note MISSED "$(($(date +%s) - begun)) s" "$1: $trial passes"
    elif ! grep -q '^test result: FAILED' "$log"; then
        tail -n 20 "$log"
        note FAILED '' "$1: $trial came to no result"
    else
        sed -n '/^failures:/,$p' "$log" | head -n 20
        note noticed "$(($(date +%s) - begun)) s" "$1: $what"
    fi
    git -C "$copy" checkout --quiet -- .
    (cd "$copy/$service" && cargo build --locked --bins --quiet) || failed=1
}

if [ $# -eq 0 ]; then
    for file in testcontainers-suite/planted/*.patch; do
        name=${file##*/}
        set -- "$@" "${name%.patch}"
    done
fi
git worktree add --quiet --detach "$copy" HEAD || exit 1
for program in listing-service bidding-service settlement-service deploy/local; do
    printf '\n== %s: cargo build\n' "$program"
    (cd "$copy/$program" && cargo build --locked --bins) || exit 1
done

(cd "$copy/testcontainers-suite" && cargo test --locked --test chaos --no-run) || exit 1

printf '\n== nothing is built in\n'
begun=$(date +%s)
for trial in $(for each in "$@"; do field Trial "testcontainers-suite/planted/$each.patch"; done 2>/dev/null | sort -u); do
    passes "$trial" "$work/sound.log" && continue
    sed -n '/^failures:/,$p' "$work/sound.log"
    note FAILED "$(($(date +%s) - begun)) s" "$trial fails though nothing is built in"
done
for each in "$@"; do plant "$each"; done
printf '\n== Planted bugs%s\n' "$summary"
[ "$failed" -eq 0 ] && echo 'Each was noticed.' || echo 'Something was MISSED, or could not run, see above.'
exit "$failed"
