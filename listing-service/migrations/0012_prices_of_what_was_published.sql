-- The order of prices has what was ever published, and nothing else: before, it led through the drafts of all sellers. A
-- trigger adds to it, so that it is complete whichever version of the service publishes. Instances of before add drafts
-- still, which are passed over, and until they are replaced they miss the drafts that are not there.
CREATE FUNCTION listing_is_priced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO listing_by_price (listing_id, sort_price)
        VALUES (NEW.id, coalesce(NEW.price, (NEW.format ->> 'start_price')::bigint))
        ON CONFLICT (listing_id) DO NOTHING;
    RETURN NULL;
END $$;

-- Nobody writes listings from here to the commit: no draft is published unseen.
CREATE TRIGGER listing_is_priced AFTER INSERT OR UPDATE OF sequence ON listing
    FOR EACH ROW WHEN (NEW.sequence > 0) EXECUTE FUNCTION listing_is_priced();

DELETE FROM listing_by_price USING listing WHERE id = listing_id AND sequence = 0;
