-- no-transaction
CREATE INDEX CONCURRENTLY listing_public_cancelled_ending ON listing (sort_ends_at, id)
    WHERE sequence > 0 AND status = 'cancelled';
