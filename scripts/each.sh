#!/bin/sh
# each.sh "DIRECTORY …" COMMAND …: runs the command in each directory that is a workspace, one line a stage.
set -eu
directories=$1
shift
for directory in $directories; do
    [ -f "$directory/Cargo.toml" ] || continue
    printf '\n== %s: %s\n' "$directory" "$*"
    (cd "$directory" && "$@")
done
