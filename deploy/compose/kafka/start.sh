#!/bin/sh
# Formats the empty data directory, then becomes the broker. Further arguments (--override NAME=VALUE) are the broker's.
set -eu
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id b3V0Y3J5LWNvbXBvc2UtMQ \
    --config /etc/outcry/server.properties
exec /opt/kafka/bin/kafka-server-start.sh /etc/outcry/server.properties "$@"
