#!/usr/bin/env bash
# Fills the volumes under /state, one for each container, so that a container sees its own secrets only.
# What exists and is valid for another 30 days is kept, so running it again is harmless.
set -euo pipefail
umask 077

authority=/state/authority
days=365
renew_before_s=$((30 * 24 * 3600))

say() { printf 'bootstrap: %s\n' "$*"; }
secret() { openssl rand -hex 32; }
base64url() { base64 -w0 | tr '+/' '-_' | tr -d '='; }
valid() { [ -s "$1" ] && openssl x509 -in "$1" -noout -checkend "$renew_before_s" >/dev/null; }

# The certificate authority. Everything it signed is made again when it is made again.
if ! valid "$authority/ca.pem"; then
    say "making the development certificate authority"
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$authority/ca-key.pem"
    openssl req -x509 -new -key "$authority/ca-key.pem" -days "$days" -subj "/CN=Outcry development CA" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -out "$authority/ca.pem"
fi

# The key that signs access tokens, and its public half as a JSON Web Key Set (RFC 8037: an Ed25519 public key
# is the last 32 bytes of its DER form).
if [ ! -s "$authority/signing-key.pem" ]; then
    say "making the development signing key"
    openssl genpkey -quiet -algorithm ED25519 -out "$authority/signing-key.pem"
fi
public=$(openssl pkey -in "$authority/signing-key.pem" -pubout -outform DER | tail -c 32 | base64url)
kid=outcry-development-$(printf %s "$public" | sha256sum | cut -c 1-16)
printf '{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"%s","x":"%s"}]}\n' "$kid" "$public" \
    >"$authority/jwks.json"

# certificate PARTY NAME…: a key and a certificate with the party as its common name, in the party's volume. Everyone
# gets both usages: services are servers of HTTPS and clients of Kafka, the broker is a client of itself.
certificate() {
    local party=$1 directory=/state/$1 name names=""
    shift
    if valid "$directory/cert.pem" && openssl verify -CAfile "$authority/ca.pem" "$directory/cert.pem" >/dev/null 2>&1; then
        return
    fi
    say "making the certificate of $party"
    for name in "$@"; do names=$names,DNS:$name; done
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$directory/key.pem"
    openssl req -new -key "$directory/key.pem" -subj "/CN=$party" -out /tmp/request.pem
    openssl x509 -req -in /tmp/request.pem -CA "$authority/ca.pem" -CAkey "$authority/ca-key.pem" -days "$days" \
        -extfile <(printf '%s\n' "subjectAltName=IP:127.0.0.1,DNS:localhost$names" "basicConstraints=critical,CA:FALSE" \
            "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth") \
        -out "$directory/cert.pem" 2>/dev/null
    cat "$directory/key.pem" "$directory/cert.pem" >"$directory/keystore.pem"
}

# own PARTY UID: nobody but that user reads the volume.
own() {
    cp "$authority/ca.pem" "/state/$1/ca.pem"
    chown -R "$2:$2" "/state/$1"
    chmod -R u=rwX,go= "/state/$1"
}

for context in listing bidding settlement; do
    service=$context-service
    database=postgres-$context
    certificate "$database" "$database"
    [ -s "/state/$database/password" ] || secret >"/state/$database/password"
    own "$database" 999

    certificate "$service" "$service"
    cp "$authority/jwks.json" "/state/$service/jwks.json"
    printf 'postgres://%s:%s@%s:5432/%s?sslmode=verify-full&sslrootcert=/run/outcry/ca.pem\n' \
        "$context" "$(cat "/state/$database/password")" "$database" "$context" >"/state/$service/database-url"
    if [ "$context" = bidding ] && [ ! -s "/state/$service/alias-secret" ]; then
        secret >"/state/$service/alias-secret"
    fi
    # Results are held against this key: it stays the same for as long as the volume does.
    if [ "$context" = bidding ] && [ ! -s "/state/$service/receipt-key.pem" ]; then
        openssl genpkey -quiet -algorithm ED25519 -out "/state/$service/receipt-key.pem"
    fi
    own "$service" 10001
done

certificate broker kafka
own broker 1000

# The operator makes topics and access rules, and nothing else uses this certificate.
certificate operator
cat >/state/operator/client.properties <<'PROPERTIES'
security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location=/run/outcry/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=/run/outcry/ca.pem
PROPERTIES
own operator 1000

# The simulated payment gateway's journal lives outside the service, as a real gateway would.
chown 10001:10001 /state/gateway
chmod 0700 /state/gateway
say "ready"
