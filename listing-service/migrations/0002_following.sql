-- Pauses and cancellations are shown; and a bid costs little here: its row is rewritten in place.

ALTER TABLE listing
    ADD COLUMN paused_at           timestamptz,
    ADD COLUMN cancelled_by        text CHECK (cancelled_by IN ('seller', 'operator')),
    ADD COLUMN cancellation_reason text;
UPDATE listing SET cancelled_by = 'seller' WHERE status = 'cancelled';

-- The price is the one column that each bid changes and a list sorts by. In a table of its own its index is the only
-- one that a bid touches: the listing's row has none that changes and stays on its page (HOT), if there is room.
CREATE TABLE listing_by_price (
    listing_id uuid   PRIMARY KEY REFERENCES listing,
    sort_price bigint NOT NULL
) WITH (fillfactor = 80);
INSERT INTO listing_by_price SELECT id, sort_price FROM listing;
CREATE INDEX listing_by_price_order ON listing_by_price (sort_price, listing_id);

DROP INDEX listing_price;
ALTER TABLE listing DROP COLUMN sort_price;
ALTER TABLE listing SET (fillfactor = 70);
ALTER TABLE inbox SET (fillfactor = 70);
-- Ids are compared as bytes: no language's rules are asked.
ALTER TABLE inbox ALTER COLUMN source TYPE text COLLATE "C", ALTER COLUMN key TYPE text COLLATE "C";
