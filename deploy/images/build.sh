#!/usr/bin/env bash
# Builds Outcry's images with the local Docker.
#
#   deploy/images/build.sh [--prebuilt] [--profile release|dev] [--tag TAG] [NAME…]
#
# NAME is listing-service, bidding-service, settlement-service, bootstrap (the compose stack's key maker),
# postgres or kafka (stand-ins for the official images where those cannot be pulled). Without a NAME the three
# services are built. --prebuilt takes their binaries from ${CARGO_TARGET_DIR:-target} instead of compiling in Docker.
# Images are named outcry/NAME:TAG, TAG is "dev" unless given. BUILDER_IMAGE and RUNTIME_IMAGE replace the base images.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
images=$root/deploy/images
tag=dev
profile=release
prebuilt=false
names=()

fail() { printf 'images: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

while [ $# -gt 0 ]; do
    case $1 in
        --prebuilt) prebuilt=true ;;
        --profile) profile=${2:?--profile needs release or dev}; shift ;;
        --tag) tag=${2:?--tag needs a name}; shift ;;
        -h | --help) usage; exit 0 ;;
        listing-service | bidding-service | settlement-service | bootstrap | postgres | kafka) names+=("$1") ;;
        *) usage >&2; fail "unknown argument: $1" ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=(listing-service bidding-service settlement-service)

docker info >/dev/null 2>&1 || fail "no Docker daemon answers; start Docker and try again"
if [ -z "${RUNTIME_IMAGE:-}" ]; then
    "$images/base.sh" debian:bookworm-slim
fi

revision=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
arguments=(--build-arg "RUNTIME_IMAGE=${RUNTIME_IMAGE:-debian:bookworm-slim}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version_of() { awk -F'"' '/^version *=/ { print $2; exit }' "$root/$1/Cargo.toml"; }

compile() {
    docker build "${arguments[@]}" ${BUILDER_IMAGE:+--build-arg "BUILDER_IMAGE=$BUILDER_IMAGE"} \
        --build-arg "VERSION=$(version_of "$1")" --build-arg "REVISION=$revision" \
        -f "$root/$1/Dockerfile" -t "outcry/$1:$tag" "$root"
}

package() {
    local directory=$profile target=${CARGO_TARGET_DIR:-$root/target}
    [ "$profile" = dev ] && directory=debug
    case $target in /*) ;; *) target=$root/$target ;; esac
    local binary=$target/$directory/$1
    [ -x "$binary" ] || fail "$binary is missing; build it first: cargo build --bin $1"
    mkdir -p "$work/$1"
    strip -o "$work/$1/service" "$binary"
    cp "$images/rootfs.sh" "$work/$1/"
    docker build "${arguments[@]}" --build-arg "SERVICE=$1" \
        --build-arg "VERSION=$(version_of "$1")" --build-arg "REVISION=$revision" \
        -f "$images/prebuilt.Dockerfile" -t "outcry/$1:$tag" "$work/$1"
}

for name in "${names[@]}"; do
    case $name in
        bootstrap)
            docker build "${arguments[@]}" -t "outcry/$name:$tag" "$root/deploy/compose/bootstrap" ;;
        postgres)
            docker build "${arguments[@]}" -f "$images/postgres.Dockerfile" -t "outcry/postgres:$tag" "$images" ;;
        kafka)
            # Fetched here and not in the build, so that this machine's proxies and authorities count.
            maven=${MAVEN_URL:-https://repo1.maven.org/maven2}
            "$images/kafka-jars.sh" "$maven" "$root/deploy/local/kafka.lock" "$work/kafka/libs"
            "$images/kafka-jars.sh" "$maven" "$images/kafka-tools.lock" "$work/kafka/tools"
            cp "$images/kafka-run.sh" "$work/kafka/"
            docker build "${arguments[@]}" -f "$images/kafka.Dockerfile" -t "outcry/kafka:$tag" "$work/kafka" ;;
        *)
            if $prebuilt; then package "$name"; else compile "$name"; fi ;;
    esac
done
