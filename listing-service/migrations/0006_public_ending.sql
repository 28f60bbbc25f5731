-- no-transaction
CREATE INDEX CONCURRENTLY listing_public_ending ON listing (sort_ends_at, id) WHERE sequence > 0;
