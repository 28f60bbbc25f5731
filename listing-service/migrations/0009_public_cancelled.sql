-- no-transaction
-- Of the statuses only this one has both: what was cancelled, and drafts that were. The others find all by listing_status.
CREATE INDEX CONCURRENTLY listing_public_cancelled ON listing (created_at DESC, id DESC)
    WHERE sequence > 0 AND status = 'cancelled';
