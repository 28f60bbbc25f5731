-- Second chances, and lots that are listed again.

ALTER TABLE listing
    ADD COLUMN second_chance_days  integer CHECK (second_chance_days IN (1, 3, 5, 7)),
    -- The listing that repeats this one.
    ADD COLUMN relisted_as         uuid,
    -- By settlement's clock: a lot may have several sales, one after the other, and the latest word counts.
    ADD COLUMN sale_status_at      timestamptz,
    -- Until when the next contender may take a second chance.
    ADD COLUMN second_chance_until timestamptz;

-- A lot is listed again once, whoever asks, and however often.
CREATE UNIQUE INDEX listing_relisted ON listing (relisted_from) WHERE relisted_from IS NOT NULL;
