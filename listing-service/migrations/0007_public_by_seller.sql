-- no-transaction
CREATE INDEX CONCURRENTLY listing_public_seller ON listing (seller, created_at DESC, id DESC) WHERE sequence > 0;
