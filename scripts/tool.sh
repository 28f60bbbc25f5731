#!/bin/sh
# tool.sh NAME: prints the folder of a cargo tool of the one version that the project uses. It is compiled into the cache
# folder the first time, with the versions of its own lock file.
set -eu
name=$1
case $name in
cargo-cyclonedx) version=0.5.9 ;;
cargo-deny) version=0.20.2 ;;
cargo-fuzz) version=0.13.2 ;;
cargo-machete) version=0.9.2 ;;
*) echo "tool.sh: no version is set for $name" >&2; exit 2 ;;
esac
tools=${OUTCRY_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/outcry/tools}
folder=$tools/$name-$version
if [ ! -x "$folder/bin/$name" ]; then
    echo "compiling $name $version into $folder: once, and it takes some minutes" >&2
    # A place of its own: another call may be compiling, too, and must not find its work removed. Both bring the same.
    mkdir -p "$tools"
    build=$(mktemp -d "$tools/build.XXXXXX")
    trap 'rm -rf "$build"' EXIT
    trap 'exit 130' INT TERM
    # They run for moments: compiling them quickly saves more than optimising them.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_TARGET_DIR=$build \
        cargo install --quiet --locked --root "$folder" "$name@$version" >&2
fi
echo "$folder/bin"
