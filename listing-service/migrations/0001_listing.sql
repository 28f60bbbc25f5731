-- Listings, and what makes their service reliable: outbox, inbox, idempotency keys, the relay's lease.

CREATE TABLE listing (
    id                        uuid        PRIMARY KEY,
    seller                    text        NOT NULL,
    version                   bigint      NOT NULL CHECK (version > 0),
    sequence                  bigint      NOT NULL CHECK (sequence >= 0),
    status                    text        NOT NULL
        CHECK (status IN ('draft', 'scheduled', 'live', 'sold', 'unsold', 'cancelled')),
    title                     text        NOT NULL,
    description               text        NOT NULL,
    category                  text        NOT NULL,
    currency                  text        NOT NULL,
    format                    jsonb       NOT NULL,
    starts_at                 timestamptz,
    ends_at                   timestamptz NOT NULL,
    second_chance             boolean     NOT NULL,
    relisted_from             uuid,
    published_at              timestamptz,
    opens_at                  timestamptz,
    closes_at                 timestamptz,
    price                     bigint,
    bid_count                 bigint      NOT NULL DEFAULT 0,
    cancellation_requested_at timestamptz,
    sale_status               text,
    created_at                timestamptz NOT NULL,
    updated_at                timestamptz NOT NULL,
    -- What lists sort by and search in.
    sort_ends_at  timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(closes_at, ends_at)) STORED,
    sort_price    bigint      NOT NULL GENERATED ALWAYS AS (coalesce(price, (format ->> 'start_price')::bigint)) STORED,
    words         tsvector    NOT NULL GENERATED ALWAYS AS
        (to_tsvector('english', title) || to_tsvector('english', left(description, 10000))) STORED
);

CREATE INDEX listing_newest     ON listing (created_at DESC, id DESC);
CREATE INDEX listing_ending     ON listing (sort_ends_at, id);
CREATE INDEX listing_price      ON listing (sort_price, id);
CREATE INDEX listing_seller     ON listing (seller, created_at DESC, id DESC);
CREATE INDEX listing_category   ON listing (category, created_at DESC, id DESC);
CREATE INDEX listing_status     ON listing (status, created_at DESC, id DESC);
CREATE INDEX listing_words      ON listing USING gin (words);

-- Rows appear with the effect they tell of and go once the broker has them.
CREATE TABLE outbox (
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

-- One relay publishes at a time; the epoch fences off one that lost its lease without noticing.
CREATE TABLE relay_lease (
    name       text        PRIMARY KEY,
    holder     uuid        NOT NULL,
    epoch      bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Of every aggregate elsewhere, the last event that had its effect here.
CREATE TABLE inbox (
    source        text        NOT NULL,
    key           text        NOT NULL,
    last_sequence bigint      NOT NULL,
    last_event_id uuid        NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, key)
);

-- Failed attempts at an event outlive the process: after too many it is a dead letter.
CREATE TABLE inbox_failure (
    event_id  uuid        PRIMARY KEY,
    attempts  integer     NOT NULL,
    reason    text        NOT NULL,
    buried    boolean     NOT NULL DEFAULT false,
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE idempotency (
    principal   text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    answer      jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
