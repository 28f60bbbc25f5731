#!/bin/sh
# Fetches the jars of a lock file into a folder and checks their sums: kafka-jars.sh MAVEN_URL LOCK_FILE FOLDER
set -eu
url=$1 lock=$2 folder=$3
mkdir -p "$folder"
lists=$(mktemp -d)
trap 'rm -rf "$lists"' EXIT
# A line of the lock file is a SHA-256, two spaces, group:artifact:version.
awk -v url="$url" -v lists="$lists" '!/^#/ && NF == 2 {
    split($2, part, ":")
    jar = part[2] "-" part[3] ".jar"
    gsub(/\./, "/", part[1])
    printf "url = %s/%s/%s/%s/%s\noutput = %s\n", url, part[1], part[2], part[3], jar, jar >(lists "/urls")
    printf "%s  %s\n", $1, jar >(lists "/sums")
}' "$lock"
cd "$folder"
curl --fail --silent --show-error --location --retry 5 --parallel --parallel-max 8 --config "$lists/urls"
sha256sum --quiet --check "$lists/sums"
