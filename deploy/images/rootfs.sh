#!/bin/sh
# Lays out all that a service's image holds: rootfs.sh BINARY NAME FOLDER puts BINARY into FOLDER/usr/local/bin/NAME, beside
# the C libraries that it is linked with, the public authorities, and the few files by which names and users are looked
# up. No shell, no package manager, no program but the one, nothing set-user-id. It runs in a stage of the image's build.
set -eu
binary=$1 name=$2 root=$3

install -D -m 0755 "$binary" "$root/usr/local/bin/$name"

libraries=$(ldd "$binary")
case $libraries in *'not found'*) printf '%s\n' "$libraries" >&2; exit 1 ;; esac
for library in $(printf '%s\n' "$libraries" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }'); do
    # The linker is found by its own path, the others where it looks for them.
    install -D -m 0755 "$library" "$root$library"
done

install -D -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
install -D -m 0644 /etc/os-release "$root/etc/os-release"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
printf 'outcry:x:10001:10001::/:/nonexistent\n' >"$root/etc/passwd"
printf 'outcry:x:10001:\n' >"$root/etc/group"
install -d -m 1777 "$root/tmp"

# By these, scanners know which Debian packages the files are of, and of which version; and their licences go with them.
for package in libc6 libgcc-s1 ca-certificates; do
    dpkg-query --status "$package" >/dev/null 2>&1 || continue
    install -d "$root/var/lib/dpkg/status.d"
    dpkg-query --status "$package" >"$root/var/lib/dpkg/status.d/$package"
    copyright=/usr/share/doc/$package/copyright
    [ ! -e "$copyright" ] || install -D -m 0644 "$copyright" "$root$copyright"
done
