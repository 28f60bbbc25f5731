-- The yardstick's tables: what a bid writes in the service's database, with the same columns, indexes and room for updates.

CREATE SCHEMA bench_yardstick;

CREATE TABLE bench_yardstick.auction (
    id       uuid        PRIMARY KEY,
    terms    jsonb       NOT NULL,
    sequence bigint      NOT NULL,
    snapshot jsonb       NOT NULL,
    due_at   timestamptz
) WITH (fillfactor = 70);
CREATE INDEX auction_due ON bench_yardstick.auction (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE bench_yardstick.decision (
    auction_id uuid        NOT NULL,
    sequence   bigint      NOT NULL,
    number     bigint      NOT NULL,
    at         timestamptz NOT NULL,
    bid_id     uuid,
    what       json        NOT NULL,
    hash       bytea       NOT NULL,
    PRIMARY KEY (auction_id, sequence, number)
);

CREATE TABLE bench_yardstick.outbox (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    topic       text        NOT NULL,
    key         text        NOT NULL,
    sequence    bigint      NOT NULL,
    time        timestamptz NOT NULL,
    traceparent text,
    data        jsonb       NOT NULL
);

CREATE TABLE bench_yardstick.idempotency (
    principal   text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    answer      jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_age ON bench_yardstick.idempotency (created_at);
