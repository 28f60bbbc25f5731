-- Settlements, the calls they have planned, the ledger, and what makes their service reliable: outbox, inbox,
-- idempotency keys, the relay's lease.

CREATE TABLE settlement (
    id             uuid        PRIMARY KEY,
    auction_id     uuid        NOT NULL,
    seller_id      text        NOT NULL,
    buyer_id       text        NOT NULL,
    amount         bigint      NOT NULL CHECK (amount > 0),
    currency       text        NOT NULL,
    terms          jsonb       NOT NULL,
    started_at     timestamptz NOT NULL,
    payment_due_at timestamptz NOT NULL,
    sequence       bigint      NOT NULL CHECK (sequence > 0),
    attempts       jsonb       NOT NULL,
    -- Where it stands, with the data of that state.
    state          jsonb       NOT NULL,
    status         text        NOT NULL GENERATED ALWAYS AS (state ->> 'status') STORED
        CHECK (status IN ('awaiting_payment', 'authorizing', 'authorized', 'escrowed', 'shipped', 'received',
                          'completed', 'refunding', 'refunded', 'failed', 'needs_operator')),
    -- The timer: when time alone moves it on.
    due_at         timestamptz,
    -- W3C trace context of the request or event that last moved it: what the worker does belongs to that trace.
    traceparent    text,
    CHECK (seller_id <> buyer_id),
    UNIQUE (auction_id, buyer_id)
);

CREATE INDEX settlement_due    ON settlement (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX settlement_seller ON settlement (seller_id, id DESC);
CREATE INDEX settlement_buyer  ON settlement (buyer_id, id DESC);
CREATE INDEX settlement_status ON settlement (status, id DESC);

-- What the gateway was or is to be told. A lease is nothing but a later due time; what is over is not due.
CREATE TABLE gateway_call (
    key           text        PRIMARY KEY,
    settlement_id uuid        NOT NULL REFERENCES settlement,
    call          jsonb       NOT NULL,
    due_at        timestamptz
);

CREATE INDEX gateway_call_due        ON gateway_call (due_at, key) WHERE due_at IS NOT NULL;
CREATE INDEX gateway_call_settlement ON gateway_call (settlement_id);

-- The ledger: double entry. A transaction is posted once by its reference, balances, and stays as it is.
CREATE TABLE ledger_transaction (
    reference     text        PRIMARY KEY,
    settlement_id uuid        NOT NULL REFERENCES settlement,
    kind          text        NOT NULL CHECK (kind IN ('captured', 'released', 'paid_out', 'refunded')),
    at            timestamptz NOT NULL,
    -- How many postings it has: none can be added later.
    lines         smallint    NOT NULL CHECK (lines > 1)
);

CREATE TABLE ledger_posting (
    reference text     NOT NULL REFERENCES ledger_transaction,
    line      smallint NOT NULL,
    account   text     NOT NULL
        CHECK (account IN ('bidder', 'gateway_clearing', 'escrow', 'seller_payable', 'platform_revenue')),
    owner     text,
    currency  text     NOT NULL,
    debit     bigint   NOT NULL CHECK (debit >= 0),
    credit    bigint   NOT NULL CHECK (credit >= 0),
    PRIMARY KEY (reference, line),
    CHECK ((debit = 0) <> (credit = 0)),
    CHECK ((owner IS NOT NULL) = (account IN ('bidder', 'seller_payable')))
);

CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM ledger_posting WHERE reference = NEW.reference)
        <> (SELECT lines FROM ledger_transaction WHERE reference = NEW.reference)
        OR EXISTS (SELECT FROM ledger_posting WHERE reference = NEW.reference
                   GROUP BY currency HAVING sum(debit) <> sum(credit))
    THEN
        RAISE EXCEPTION 'the ledger transaction % does not balance', NEW.reference USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER ledger_transaction_balances AFTER INSERT ON ledger_transaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();
CREATE CONSTRAINT TRIGGER ledger_posting_balances AFTER INSERT ON ledger_posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balances();

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: a mistake is put right by a further transaction'
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_transaction_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_posting_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_posting
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- Rows appear with the effect they tell of and go once the broker has them.
CREATE TABLE outbox (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    topic       text        NOT NULL,
    key         text        NOT NULL,
    sequence    bigint      NOT NULL,
    time        timestamptz NOT NULL,
    traceparent text,
    data        jsonb       NOT NULL
);

-- One relay publishes at a time; the epoch fences off one that lost its lease without noticing.
CREATE TABLE relay_lease (
    name       text        PRIMARY KEY,
    holder     text        NOT NULL,
    epoch      bigint      NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Of every aggregate elsewhere, the last event that had its effect here.
CREATE TABLE inbox (
    source        text        NOT NULL,
    key           text        NOT NULL,
    last_sequence bigint      NOT NULL,
    last_event_id uuid        NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, key)
);

-- Failed attempts at an event outlive the process: after too many it is a dead letter.
CREATE TABLE inbox_failure (
    event_id  uuid        PRIMARY KEY,
    attempts  integer     NOT NULL,
    reason    text        NOT NULL,
    buried    boolean     NOT NULL DEFAULT false,
    failed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE idempotency (
    principal   text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    answer      jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
