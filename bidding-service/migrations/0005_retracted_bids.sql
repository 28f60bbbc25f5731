-- no-transaction
-- Which of these bids were taken back? A page of the history asks that of its own bids, and reads the retractions that name
-- them, however many others the auction has. What is no bid is said in other words than in `decision_besides_bids`, so that this
-- index alone fits the question: the planner, which goes by averages, cannot take that one. That one is the previous binary's,
-- and goes with a later migration. Nothing waits to be sorted in (fastupdate): a retraction is rare, and each page would read
-- what waits.
-- Made while bids are written, so it is one statement outside of a transaction (docs/operations/running.md).
CREATE INDEX CONCURRENTLY decision_retracted ON decision USING gin (((record #> '{decided,gone}')::jsonb))
    WITH (fastupdate = off) WHERE num_nulls(bid_id) = 1;
