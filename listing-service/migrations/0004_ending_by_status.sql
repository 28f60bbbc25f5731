-- What ends next of what is still live: without the status in the index, such a list reads every lot that ever ended.
CREATE INDEX listing_status_ending ON listing (status, sort_ends_at, id);
