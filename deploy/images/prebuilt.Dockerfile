# A service's image from a binary that was built already; otherwise the same image as <service>/Dockerfile makes.
# It is for places where no Rust image can be pulled. deploy/images/build.sh --prebuilt calls it with a context that
# holds nothing but rootfs.sh and the stripped binary, renamed to "service".
ARG RUNTIME_IMAGE=debian:bookworm-slim
FROM ${RUNTIME_IMAGE} AS rootfs
RUN test -s /etc/ssl/certs/ca-certificates.crt \
    || (apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*)
ARG SERVICE
COPY rootfs.sh service /
# ENTRYPOINT and HEALTHCHECK cannot name an argument.
RUN /rootfs.sh /service "${SERVICE}" /rootfs && ln -s "${SERVICE}" /rootfs/usr/local/bin/service

FROM scratch
COPY --from=rootfs /rootfs /

ARG SERVICE
ARG VERSION=0.0.0-dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Outcry ${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

USER 10001:10001
EXPOSE 8443 9443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/local/bin/service", "health"]
ENTRYPOINT ["/usr/local/bin/service"]
CMD ["serve"]
