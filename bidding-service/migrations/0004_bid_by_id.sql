-- no-transaction
-- Whoever takes a bid back names it by its id, and without an index that look-up reads the auction's whole log. Ids are
-- UUIDv7 by the clock that decides, and the log is only ever added to, so the ids lie in it nearly in order: a block range
-- index leads to the few hundred blocks to be looked through, has some thousandth of the size of a tree, and costs an insert
-- next to nothing. A tree would cost every bid an entry of its own, thousands a second, for a question that is seldom asked.
-- What came since the last summary, a minute or so, is looked through as well. Only bids are in it: a search for what is no
-- bid would find some in every range.
-- Made while bids are written, so it is one statement outside of a transaction (docs/operations/running.md).
CREATE INDEX CONCURRENTLY decision_by_bid ON decision USING brin (bid_id) WITH (autosummarize = on)
    WHERE bid_id IS NOT NULL;
