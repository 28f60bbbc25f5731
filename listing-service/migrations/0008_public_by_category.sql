-- no-transaction
CREATE INDEX CONCURRENTLY listing_public_category ON listing (category, created_at DESC, id DESC) WHERE sequence > 0;
