# Apache Kafka on Debian's Java, a stand-in for the apache/kafka image where no image can be pulled: the jars of
# deploy/local/kafka.lock, the official image's command names under /opt/kafka/bin, user id 1000.
# deploy/images/build.sh kafka fetches the jars, checks their sums and calls it with a context that holds them.
ARG RUNTIME_IMAGE=debian:bookworm-slim
FROM ${RUNTIME_IMAGE}
RUN mkdir -p /usr/share/man/man1 \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/*

COPY libs /opt/kafka/libs
COPY tools /opt/kafka/tools
COPY kafka-run.sh /opt/kafka/bin/
RUN cd /opt/kafka/bin \
    && for name in kafka-storage kafka-server-start kafka-topics kafka-acls; do ln -s kafka-run.sh "$name.sh"; done \
    && groupadd --gid 1000 appuser \
    && useradd --uid 1000 --gid 1000 --no-create-home --shell /bin/sh appuser \
    && install -d -o 1000 -g 1000 /var/lib/kafka/data
USER 1000:1000
VOLUME /var/lib/kafka/data
EXPOSE 9092
