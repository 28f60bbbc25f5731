-- The saga beyond its good path: disputes and the operator's decisions, second chances, strikes, holds that run out.

-- What of a settlement no query looks for: its kind, its succession, its dispute and whatever comes later.
ALTER TABLE settlement ADD COLUMN rest jsonb NOT NULL DEFAULT '{}';

ALTER TABLE settlement DROP CONSTRAINT settlement_status_check;
ALTER TABLE settlement ADD CONSTRAINT settlement_status_check
    CHECK (status IN ('awaiting_payment', 'authorizing', 'authorized', 'escrowed', 'shipped', 'disputed', 'received',
                      'completed', 'refunding', 'refunded', 'failed', 'needs_operator'));

-- Money that is held now also knows on which method and until when. What was held when this was migrated has the method
-- of its last authorization, and all the time a hold has.
UPDATE settlement AS s
SET state = s.state || jsonb_build_object(
    'method', (SELECT c.call -> 'instruction' ->> 'method' FROM gateway_call AS c
               WHERE c.settlement_id = s.id AND c.call -> 'instruction' ->> 'operation' = 'authorize'
               ORDER BY (c.call ->> 'attempt')::int DESC LIMIT 1),
    'expires_at', to_char(clock_timestamp() AT TIME ZONE 'UTC' + interval '7 days', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
WHERE s.status = 'authorized';

ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_transaction_kind_check;
ALTER TABLE ledger_transaction ADD CONSTRAINT ledger_transaction_kind_check
    CHECK (kind IN ('captured', 'released', 'paid_out', 'refunded', 'part_refunded'));

-- How people stand who ever got a strike.
CREATE TABLE standing (
    user_id         text        PRIMARY KEY,
    strikes         jsonb       NOT NULL,
    suspended_since timestamptz,
    sequence        bigint      NOT NULL CHECK (sequence >= 0),
    -- The timer: when time alone reinstates.
    due_at          timestamptz
);

CREATE INDEX standing_due ON standing (due_at, user_id) WHERE due_at IS NOT NULL;

-- The audit trail: what the operator decided about a settlement or a bidder, and why.
CREATE TABLE operator_decision (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    settlement_id uuid        REFERENCES settlement,
    bidder_id     text,
    operator_id   text        NOT NULL,
    decision      text        NOT NULL
        CHECK (decision IN ('retry', 'refund', 'part_refund', 'release', 'close', 'reinstate')),
    -- What of the price went back, minor units.
    amount        bigint,
    note          text,
    -- Where the settlement stood before.
    status        text,
    at            timestamptz NOT NULL,
    CHECK ((settlement_id IS NULL) = (bidder_id IS NOT NULL)),
    CHECK ((settlement_id IS NULL) = (status IS NULL)),
    CHECK ((decision = 'reinstate') = (bidder_id IS NOT NULL)),
    CHECK ((decision = 'part_refund') = (amount IS NOT NULL))
);

CREATE INDEX operator_decision_settlement ON operator_decision (settlement_id, id);

CREATE FUNCTION audit_trail_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER operator_decision_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_decision
    FOR EACH STATEMENT EXECUTE FUNCTION audit_trail_is_append_only();

-- What was told of an auction before its settlements were there: a buyer gave the award up, or, without a buyer, the
-- seller listed the lot again.
CREATE TABLE early (
    auction_id uuid        NOT NULL,
    buyer_id   text,
    told_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE NULLS NOT DISTINCT (auction_id, buyer_id)
);
CREATE INDEX early_age ON early (told_at);
