#!/bin/sh
# Runs the Kafka program that it is called by the name of.
set -eu
classes='/opt/kafka/libs/*'
heap=-Xmx128m
level=WARN
case $(basename "$0") in
    kafka-storage.sh) main=kafka.tools.StorageTool ;;
    kafka-server-start.sh) main=kafka.Kafka heap=${KAFKA_HEAP_OPTS:--Xms256m -Xmx256m} level=INFO ;;
    kafka-topics.sh) main=org.apache.kafka.tools.TopicCommand classes="/opt/kafka/tools/*:$classes" ;;
    kafka-acls.sh) main=org.apache.kafka.tools.AclCommand classes="/opt/kafka/tools/*:$classes" ;;
    *) echo "$0 is called by no program's name" >&2; exit 2 ;;
esac
# shellcheck disable=SC2086 # the options are split on purpose
exec java $heap -XX:+UseSerialGC -Dorg.apache.logging.log4j.level=$level -cp "$classes" "$main" "$@"
