-- What a log has besides bids is little: retractions are found without reading the bids, and a bid's row is not in it.
CREATE INDEX decision_besides_bids ON decision (auction_id) WHERE bid_id IS NULL;
