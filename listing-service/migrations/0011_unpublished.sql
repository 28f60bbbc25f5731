-- no-transaction
-- And what was never published, by its seller.
CREATE INDEX CONCURRENTLY listing_unpublished ON listing (seller, created_at DESC, id DESC) WHERE sequence = 0;
