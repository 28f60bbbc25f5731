-- One log of decisions per auction takes the place of separate tables of bids and events; the outbox only
-- points into it. Auctions of before have no log that could be proved, and are not taken over.

DO $$
BEGIN
    IF EXISTS (SELECT FROM auction) THEN
        RAISE EXCEPTION 'this database holds auctions from before the decision log; start with a new database (locally: another --data-dir)';
    END IF;
END
$$;

DROP TABLE bid, event, outbox;

-- Every decision that had an effect, in a hash chain; private, because it has the bidders' maxima. Never changed, never removed.
CREATE TABLE decision (
    auction_id uuid        NOT NULL,
    -- The number of the auction's last event after it: where a stream goes on.
    sequence   bigint      NOT NULL,
    -- 1, 2, 3 … in the auction.
    number     bigint      NOT NULL,
    at         timestamptz NOT NULL,
    -- The bid, where the decision accepted one.
    bid_id     uuid,
    -- json and not jsonb: the text is hashed, and never searched.
    record     json        NOT NULL,
    link       bytea       NOT NULL,
    PRIMARY KEY (auction_id, sequence, number)
);

-- The snapshot is rewritten with every bid: as text it is neither parsed nor rebuilt by the database.
ALTER TABLE auction DROP COLUMN sequence, ALTER COLUMN terms TYPE json, ALTER COLUMN snapshot TYPE json;

-- Decisions with events that wait for the broker.
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    auction_id  uuid   NOT NULL,
    sequence    bigint NOT NULL,
    number      bigint NOT NULL,
    traceparent text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- Answers come in the order of time: a block range index finds the old ones, and costs a bid nothing.
ALTER TABLE idempotency ALTER COLUMN answer TYPE json;
DROP INDEX idempotency_age;
CREATE INDEX idempotency_age ON idempotency USING brin (created_at) WITH (autosummarize = on);

-- Times in which no auction took bids.
CREATE TABLE halt (
    number bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    by     text        NOT NULL CHECK (by IN ('operator', 'downtime')),
    reason text        NOT NULL,
    since  timestamptz NOT NULL,
    until  timestamptz CHECK (until > since)
);
-- One pause at a time.
CREATE UNIQUE INDEX halt_lasting ON halt ((true)) WHERE until IS NULL;

-- One row: when an instance was last seen, and how often the halts have changed.
CREATE TABLE house (
    one     boolean     PRIMARY KEY DEFAULT true CHECK (one),
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    halts   bigint      NOT NULL DEFAULT 0
);
INSERT INTO house DEFAULT VALUES;
