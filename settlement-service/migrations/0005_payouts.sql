-- Sellers are paid for many settlements at once: a payout has the gateway's call and the ledger's entry of all of them.

CREATE TABLE payout (
    id        uuid        PRIMARY KEY,
    seller_id text        NOT NULL,
    amount    bigint      NOT NULL CHECK (amount > 0),
    currency  text        NOT NULL,
    -- Settlements with their parts, which sum to the amount.
    items     jsonb       NOT NULL CHECK (jsonb_array_length(items) > 0),
    attempts  integer     NOT NULL CHECK (attempts > 0),
    made_at   timestamptz NOT NULL,
    state     jsonb       NOT NULL,
    status    text        NOT NULL GENERATED ALWAYS AS (state ->> 'status') STORED
        CHECK (status IN ('paying', 'paid', 'refused'))
);

-- What was paid one by one until now becomes a payout of its own, under the same id: keys and references stay.
INSERT INTO payout (id, seller_id, amount, currency, items, attempts, made_at, state)
SELECT s.id, s.seller_id, part.amount, s.currency,
       jsonb_build_array(jsonb_build_object('settlement_id', s.id,
           'amount', jsonb_build_object('amount', part.amount, 'currency', s.currency))),
       (s.attempts ->> 'pay_out')::integer, first.received_at,
       CASE
           WHEN whole ->> 'status' = 'completed' THEN jsonb_build_object('status', 'paid', 'paid_at', whole -> 'completed_at',
               'reference', coalesce((SELECT c.call -> 'status' -> 'reference' FROM gateway_call AS c
                   WHERE c.settlement_id = s.id AND c.call -> 'instruction' ->> 'operation' = 'pay_out'
                   ORDER BY (c.call ->> 'attempt')::integer DESC LIMIT 1), to_jsonb(''::text)))
           WHEN s.status = 'needs_operator' THEN jsonb_build_object('status', 'refused', 'refused_at', s.state -> 'since',
               'decline', jsonb_build_object('code', 'refused', 'message', s.state ->> 'reason'))
           ELSE jsonb_build_object('status', 'paying')
       END
FROM settlement AS s,
     LATERAL (SELECT CASE s.status WHEN 'needs_operator' THEN s.state -> 'stuck' ELSE s.state END AS whole) AS found,
     LATERAL (SELECT (whole -> 'split' -> 'payout' ->> 'amount')::bigint AS amount) AS part,
     LATERAL (SELECT (whole ->> 'received_at')::timestamptz AS received_at) AS first
WHERE whole ->> 'status' IN ('received', 'completed') AND s.attempts ? 'pay_out' AND part.amount > 0;

UPDATE settlement AS s
SET state = s.state || jsonb_build_object('owed', jsonb_build_object('in', 'within', 'payout_id', s.id))
WHERE s.status = 'received';
UPDATE settlement AS s
SET state = jsonb_set(s.state, '{stuck,owed}', jsonb_build_object('in', 'within', 'payout_id', s.id))
WHERE s.status = 'needs_operator' AND s.state -> 'stuck' ->> 'status' = 'received';
UPDATE settlement AS s SET state = s.state || jsonb_build_object('payout_id', s.id)
WHERE s.status = 'completed' AND EXISTS (SELECT FROM payout WHERE payout.id = s.id);
UPDATE settlement SET attempts = attempts - 'pay_out' WHERE attempts ? 'pay_out';

-- A call, and an entry of the ledger, is for a settlement or for a payout. Entries of before stay as they are.
ALTER TABLE gateway_call ALTER COLUMN settlement_id DROP NOT NULL, ADD COLUMN payout_id uuid REFERENCES payout;
UPDATE gateway_call SET payout_id = settlement_id, settlement_id = NULL,
    call = (call - 'settlement_id') || jsonb_build_object('payout_id', settlement_id)
WHERE call -> 'instruction' ->> 'operation' = 'pay_out';
ALTER TABLE gateway_call ADD CHECK (num_nonnulls(settlement_id, payout_id) = 1);
CREATE INDEX gateway_call_payout ON gateway_call (payout_id) WHERE payout_id IS NOT NULL;

ALTER TABLE ledger_transaction ALTER COLUMN settlement_id DROP NOT NULL, ADD COLUMN payout_id uuid REFERENCES payout,
    ADD CHECK (num_nonnulls(settlement_id, payout_id) = 1);

-- What waits for a seller's next payout.
CREATE INDEX settlement_owed ON settlement (seller_id, currency, id)
    WHERE status = 'received' AND state -> 'owed' ->> 'in' = 'waiting';
