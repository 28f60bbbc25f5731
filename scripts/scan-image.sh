#!/bin/sh
# scan-image.sh IMAGE …: proves of each image, by its settings and by the files that a container of it would see, that it
# does not run as root and holds no shell, no interpreter, no package manager, no file that is set-user-id or has a
# capability, none that everybody may write, and no private key. Every fault is told; one is enough to fail.
set -eu
[ $# -gt 0 ] || { echo 'scan-image.sh IMAGE …' >&2; exit 2; }

shells='sh|bash|dash|ash|rbash|zsh|ksh|mksh|csh|tcsh|fish|busybox|toybox'
interpreters='python[0-9.]*|perl[0-9.]*|ruby[0-9.]*|node|lua[0-9.]*|awk|[gm]awk|sed'
managers='apt|apt-get|apt-cache|aptitude|dpkg|apk|rpm|yum|dnf|microdnf|zypper|pacman|pip[0-9.]*|npm|cargo|gem'
fetchers='curl|wget|nc|ncat|netcat|socat|ssh|scp|su|sudo|gdb|strace'

work=$(mktemp -d)
: >"$work/faults"
container=''
forget() {
    [ -z "$container" ] || docker rm "$container" >/dev/null
    container=''
}
trap 'forget; chmod -R u+w "$work"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fault() { printf '  %s\n' "$*" | tee -a "$work/faults"; }

# The lines on standard input are files that must not be there.
none() { while read -r file; do fault "$1: $file"; done; }

# A file or link of one of these names.
named() { (cd "$work/files" && find . ! -type d | grep -E "/($1)\$" || true); }

with_mode() { (cd "$work/files" && find . ! -type l ! \( -type d -perm -1000 \) -perm "-$1"); }

scan() {
    image=$1
    container=$(docker create "$image" none)
    docker export --output "$work/files.tar" "$container"
    forget
    # Nobody else can enter $work, so what is set-user-id in it harms nobody.
    mkdir "$work/files"
    tar -C "$work/files" --no-same-owner -xpf "$work/files.tar"
    # These are Docker's own, in every container.
    (cd "$work/files" && rm -rf .dockerenv dev proc sys etc/hostname etc/hosts etc/resolv.conf etc/mtab)

    user=$(docker image inspect --format '{{.Config.User}}' "$image")
    case $user in
    '' | 0 | 0:* | root | root:*) fault "it runs as root: USER is '$user'" ;;
    *[!0-9:]*) fault "USER is '$user': a name, of which nobody can tell from outside whether it is root's" ;;
    esac
    case $(docker image inspect --format '{{.Config.Env}}' "$image") in
    *PASSWORD* | *SECRET* | *TOKEN*) fault 'its environment has a secret' ;;
    esac
    named "$shells" | none 'a shell'
    named "$interpreters" | none 'an interpreter'
    named "$managers" | none 'a package manager'
    named "$fetchers" | none 'a tool for intruders'
    with_mode 4000 | none 'set-user-id'
    with_mode 2000 | none 'set-group-id'
    with_mode 0002 | none 'everybody may write'
    # Capabilities are in the archive's own headers.
    grep -a -o 'SCHILY.xattr.security.capability' "$work/files.tar" | none 'a file with a capability'
    (cd "$work/files" && find . -type f -size -64k -exec grep -lE -e '-----BEGIN [A-Z ]*PRIVATE KEY' {} +) |
        none 'a private key'

    files=$(find "$work/files" -type f | wc -l)
    size=$(docker image inspect --format '{{.Size}}' "$image")
    printf '%s: user %s, %s files, %s MB\n' "$image" "$user" "$files" "$((size / 1000000))"
    chmod -R u+w "$work/files"
    rm -rf "$work/files"
}

for image in "$@"; do scan "$image"; done
if [ -s "$work/faults" ]; then
    echo "$(wc -l <"$work/faults") fault(s) in the images, see above"
    exit 1
fi
echo 'The images are as they should be.'
