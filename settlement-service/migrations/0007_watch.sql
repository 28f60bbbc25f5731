-- Signs of life of all instances, and what people got for the last outage: one row. While no instance showed life nobody
-- could pay, ship or complain.
CREATE TABLE watch (
    single      boolean     PRIMARY KEY DEFAULT true CHECK (single),
    -- None before the first instance begins.
    seen_at     timestamptz,
    -- In this time no deadline of a person's passes; none before the first outage.
    grace_since timestamptz,
    grace_until timestamptz,
    CHECK ((grace_since IS NULL) = (grace_until IS NULL))
);
INSERT INTO watch DEFAULT VALUES;
