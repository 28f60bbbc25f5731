-- Auctions, their bids and events, and what makes their service reliable: outbox, inbox, idempotency
-- keys, the relay's lease.

CREATE TABLE auction (
    id       uuid        PRIMARY KEY,
    terms    jsonb       NOT NULL,
    sequence bigint      NOT NULL CHECK (sequence >= 0),
    -- What changes with a bid; no index names it, so that an update stays on its page (HOT).
    snapshot jsonb       NOT NULL,
    -- When it is next to be opened or closed.
    due_at   timestamptz
) WITH (fillfactor = 70);

CREATE INDEX auction_due ON auction (due_at) WHERE due_at IS NOT NULL;

-- Accepted bids with their hidden maxima: never changed, never removed.
CREATE TABLE bid (
    auction_id uuid        NOT NULL REFERENCES auction,
    sequence   bigint      NOT NULL,
    id         uuid        NOT NULL,
    bidder     text        NOT NULL,
    max        bigint      NOT NULL,
    outcome    text        NOT NULL,
    price      bigint      NOT NULL,
    placed_at  timestamptz NOT NULL,
    PRIMARY KEY (auction_id, sequence)
);

-- Every event of an auction, for streams and history; the outbox has those that wait to be published.
CREATE TABLE event (
    auction_id uuid        NOT NULL REFERENCES auction,
    sequence   bigint      NOT NULL,
    at         timestamptz NOT NULL,
    what       jsonb       NOT NULL,
    PRIMARY KEY (auction_id, sequence)
);

CREATE TABLE suspended_bidder (
    bidder text PRIMARY KEY
);

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
