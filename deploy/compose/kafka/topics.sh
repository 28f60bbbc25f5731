#!/bin/sh
# Creates the topics and the access rules, the same as deploy/local/src/kafka/access.rs names. Services create neither.
# Running it again changes nothing.
set -eu

week_ms=604800000
month_ms=2592000000

topics() { /opt/kafka/bin/kafka-topics.sh --bootstrap-server kafka:9092 --command-config /run/outcry/client.properties "$@"; }
acls() { /opt/kafka/bin/kafka-acls.sh --bootstrap-server kafka:9092 --command-config /run/outcry/client.properties "$@" >/dev/null; }

# topic NAME PARTITIONS RETENTION_MS
topic() {
    topics --create --if-not-exists --topic "$1" --partitions "$2" --replication-factor 1 --config "retention.ms=$3"
}

# rules SERVICE OWN_TOPIC READ_TOPIC…: writes and reads its own topic and its dead letters, reads what it consumes, and
# uses consumer groups and transactional ids that begin with its own name.
rules() {
    service=$1 own=$2
    shift 2
    principal="User:CN=$service"
    acls --add --allow-principal "$principal" --operation Write --operation Describe --topic "$own" --topic "$service.dlq"
    reads="--topic $own --topic $service.dlq"
    for read in "$@"; do reads="$reads --topic $read"; done
    # shellcheck disable=SC2086 # the list is split on purpose
    acls --add --allow-principal "$principal" --operation Read --operation Describe $reads
    acls --add --allow-principal "$principal" --operation Read --operation Describe --group "$service" \
        --resource-pattern-type prefixed
    acls --add --allow-principal "$principal" --operation Write --operation Describe --transactional-id "$service" \
        --resource-pattern-type prefixed
    echo "rules of $service"
}

for context in listing bidding settlement; do
    topic "outcry.$context.v1" 12 "$week_ms"
    topic "$context-service.dlq" 3 "$month_ms"
done

rules listing-service outcry.listing.v1 outcry.bidding.v1 outcry.settlement.v1
rules bidding-service outcry.bidding.v1 outcry.listing.v1 outcry.settlement.v1
rules settlement-service outcry.settlement.v1 outcry.listing.v1 outcry.bidding.v1
