-- no-transaction
-- What was never published is its seller's alone, but it stood in the same indexes as what everybody sees: a page read the
-- drafts of all others to leave them out. From here on what was ever published has indexes of its own (migrations 5 to 10).
-- Instances of before read by listing_newest, listing_ending, listing_seller and listing_category still.
-- One statement each, outside of a transaction, as in migration 4.
CREATE INDEX CONCURRENTLY listing_public_newest ON listing (created_at DESC, id DESC) WHERE sequence > 0;
