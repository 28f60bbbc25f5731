-- no-transaction
-- What ends next of what is still live: without the status in the index, such a list reads every lot that ever ended.
-- Lots are written meanwhile, so it is one statement outside of a transaction. It does not say IF NOT EXISTS: what a run
-- that failed left behind is not valid, and has to be dropped before the next (docs/operations/running.md).
CREATE INDEX CONCURRENTLY listing_status_ending ON listing (status, sort_ends_at, id);
