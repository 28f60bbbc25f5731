#!/usr/bin/env bash
# Makes sure that the image debian:bookworm-slim (or the one named as the first argument) exists on this machine.
# It is used as it is when present, pulled when a registry can be reached, else built from Debian's packages
# by debootstrap (about half a minute; needs root or sudo).
set -euo pipefail

image=${1:-debian:bookworm-slim}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
security_mirror=${DEBIAN_SECURITY_MIRROR:-http://deb.debian.org/debian-security}

say() { printf 'base image: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

docker info >/dev/null 2>&1 || fail "no Docker daemon answers; start Docker and try again"

if docker image inspect "$image" >/dev/null 2>&1; then
    say "$image is here"
    exit 0
fi
if timeout 300 docker pull --quiet "$image" >/dev/null 2>&1; then
    say "$image was pulled"
    exit 0
fi

command -v debootstrap >/dev/null 2>&1 ||
    fail "$image cannot be pulled, and debootstrap is not installed to build it (apt-get install debootstrap)"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || fail "$image cannot be pulled; building it needs root: run this once as root"
    as_root=(sudo -n)
fi

say "$image cannot be pulled; building it from $mirror"
work=$(mktemp -d)
trap '"${as_root[@]}" rm -rf --one-file-system "$work"' EXIT
root=$work/root

if ! "${as_root[@]}" debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    fail "debootstrap failed; its last lines stand above"
fi

"${as_root[@]}" tee "$root/etc/apt/sources.list" >/dev/null <<SOURCES
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $security_mirror bookworm-security main
SOURCES
"${as_root[@]}" chroot "$root" sh -c 'apt-get -qq update && apt-get -qq -y upgrade' >"$work/log" 2>&1 ||
    say "the newest security updates could not be had; going on with the release's packages"

# What the slim variant leaves out.
"${as_root[@]}" sh -c "
    cd '$root' &&
    rm -rf usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/* usr/share/groff/* usr/share/lintian/* \
           var/cache/apt/* var/lib/apt/lists/* var/log/* tmp/* &&
    : >etc/machine-id &&
    rm -f etc/hostname etc/resolv.conf"
"${as_root[@]}" tee "$root/etc/dpkg/dpkg.cfg.d/slim" >/dev/null <<'SLIM'
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
SLIM

"${as_root[@]}" tar --numeric-owner -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
say "$image was built ($(docker image inspect --format '{{.Size}}' "$image" | awk '{ printf "%d MB", $1 / 1000000 }'))"
