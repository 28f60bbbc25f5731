#!/bin/sh
# Makes sure of the tools that building and running need: a Rust that is new enough, a C and C++ compiler, make, perl, Java
# 17 or newer. What is missing, but for Rust, is installed by apt-get or brew, after saying so; where that cannot be, one sentence
# names the command.
set -eu

java_min=17
# As all workspaces say.
rust_min=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "$0")/../event-contracts/Cargo.toml")

java_works() {
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" java /opt/homebrew/opt/openjdk@$java_min/bin/java \
        /usr/local/opt/openjdk@$java_min/bin/java; do
        [ -n "$java" ] || continue
        version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p;q') || continue
        [ "${version:-0}" -ge "$java_min" ] && return 0
    done
    return 1
}

# Of 1.97.0-nightly and 1.97.0-beta.2 the first two numbers count, as they do for cargo.
rust_works() {
    version=$(printf '%s\n' "$rust_said" | sed -n 's/^rustc \([0-9][0-9]*\.[0-9][0-9]*\)\..*/\1/p')
    [ -n "$version" ] || return 1
    min_minor=${rust_min#*.}
    min_minor=${min_minor%%.*}
    [ "${version%.*}" -gt "${rust_min%%.*}" ] ||
        { [ "${version%.*}" -eq "${rust_min%%.*}" ] && [ "${version#*.}" -ge "$min_minor" ]; }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

give_up() {
    echo "outcry needs $missing: $1" >&2
    exit 1
}

# The oldest Java of this Debian or Ubuntu that is new enough.
java_package() {
    for release in 17 21 25; do
        if apt-cache show "openjdk-$release-jre-headless" >/dev/null 2>&1; then break; fi
    done
    echo "openjdk-$release-jre-headless"
}

install_by_apt() {
    packages=$(printf '%s' "$missing" | sed 's/cc/gcc libc6-dev/; s/Java/java/')
    if ! as_root true 2>/dev/null; then
        give_up "apt-get install $(printf '%s' "$packages" | sed "s/java/$(java_package)/") (as root)"
    fi
    echo "Fetching the package lists"
    as_root apt-get update -qq
    packages=$(printf '%s' "$packages" | sed "s/java/$(java_package)/")
    echo "Installing by apt-get: $packages"
    # shellcheck disable=SC2086 # the list is split on purpose
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

install_by_brew() {
    case " $missing " in *" cc "* | *" g++ "* | *" make "*) give_up "xcode-select --install" ;; esac
    packages=$(printf '%s' "$missing" | sed "s/Java/openjdk@$java_min/")
    echo "Installing by brew: $packages"
    # shellcheck disable=SC2086 # the list is split on purpose
    brew install --quiet $packages
}

find_missing() {
    missing=
    for tool in cc g++ make perl; do
        command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
    done
    java_works || missing="$missing Java"
    missing=${missing# }
}

command -v cargo >/dev/null 2>&1 || {
    missing="Rust $rust_min or newer"
    give_up "install it as https://rustup.rs says, and open a new shell"
}
rust_said=$("${RUSTC:-rustc}" --version 2>&1) || true
rust_works || {
    missing="Rust $rust_min or newer"
    give_up "rustc --version says \"$rust_said\"; run rustup update, or install Rust as https://rustup.rs says"
}
find_missing
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null 2>&1; then
    install_by_apt
elif command -v brew >/dev/null 2>&1; then
    install_by_brew
else
    give_up "install them with your system's package manager (Java: $java_min or newer)"
fi
find_missing
[ -z "$missing" ] || give_up "it could not be installed; install it by hand"
