#!/usr/bin/env bash
# Prints a development access token: token.sh --sub alice --role seller [--role bidder] [--ttl-s 3600]
set -euo pipefail

authority=/state/authority
subject=""
ttl_s=3600
roles=""

fail() { printf 'token: %s\n' "$*" >&2; exit 2; }
base64url() { base64 -w0 | tr '+/' '-_' | tr -d '='; }

while [ $# -gt 0 ]; do
    case $1 in
        --sub) subject=${2:?--sub needs a name} ;;
        --role)
            case ${2:?--role needs a name} in
                seller | bidder | admin) roles=$roles,\"$2\" ;;
                *) fail "--role is seller, bidder or admin" ;;
            esac ;;
        --ttl-s) ttl_s=${2:?--ttl-s needs a number of seconds} ;;
        *) fail "unknown argument: $1" ;;
    esac
    shift 2
done
[[ $subject =~ ^[A-Za-z0-9._@:-]{1,128}$ ]] || fail "--sub takes 1 to 128 letters, digits and . _ @ : -"
[[ $ttl_s =~ ^[1-9][0-9]{0,6}$ ]] || fail "--ttl-s takes a number of seconds"
[ -s "$authority/signing-key.pem" ] || fail "there is no signing key yet; start the stack first"

kid=$(grep -o '"kid":"[^"]*"' "$authority/jwks.json" | cut -d '"' -f 4)
now_s=$(date +%s)
header=$(printf '{"alg":"EdDSA","typ":"JWT","kid":"%s"}' "$kid" | base64url)
claims=$(printf '{"iss":"https://outcry.local/development","aud":"outcry","sub":"%s","iat":%d,"exp":%d,"roles":[%s]}' \
    "$subject" "$now_s" "$((now_s + ttl_s))" "${roles#,}" | base64url)
# Ed25519 signs a message as a whole, so openssl wants a file and not a pipe.
printf '%s.%s' "$header" "$claims" >/tmp/signed
signature=$(openssl pkeyutl -sign -rawin -inkey "$authority/signing-key.pem" -in /tmp/signed | base64url)
printf '%s.%s.%s\n' "$header" "$claims" "$signature"
