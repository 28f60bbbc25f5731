-- Fees: what a sale costs its parties, kept with its settlement, and the ledger's accounts for it.

ALTER TABLE settlement ADD COLUMN quote jsonb;

-- Settlements that began before have their commission by the rate of their terms, rounded half to even, and no
-- premium and no tax.
UPDATE settlement SET quote = jsonb_build_object(
    'schedule', format('default-%s-bps', terms ->> 'commission'), 'currency', currency,
    'hammer', amount, 'premium', 0, 'tax', 0,
    'commission', (SELECT floor + CASE WHEN rest > 5000 OR (rest = 5000 AND floor % 2 = 1) THEN 1 ELSE 0 END
                   FROM (SELECT div(exact, 10000)::bigint AS floor, mod(exact, 10000) AS rest
                         FROM (SELECT amount::numeric * (terms ->> 'commission')::numeric AS exact) AS product) AS parts));

ALTER TABLE settlement ALTER COLUMN quote SET NOT NULL;

ALTER TABLE ledger_posting DROP CONSTRAINT ledger_posting_account_check;
ALTER TABLE ledger_posting ADD CONSTRAINT ledger_posting_account_check CHECK (account IN
    ('bidder', 'gateway_clearing', 'escrow', 'seller_payable', 'platform_revenue', 'fees', 'tax'));

-- A correction is a reversal: the same lines, turned round. A transaction is reversed at most once.
ALTER TABLE ledger_transaction
    ADD COLUMN reverses text UNIQUE,
    ADD COLUMN reason   text,
    ADD CHECK ((reverses IS NULL) = (reason IS NULL));

-- The moment of a posting's transaction, for sums and statements that read no more than they have to.
ALTER TABLE ledger_posting ADD COLUMN at timestamptz;
ALTER TABLE ledger_posting DISABLE TRIGGER ledger_posting_stays;
UPDATE ledger_posting AS line SET at = entry.at FROM ledger_transaction AS entry WHERE entry.reference = line.reference;
ALTER TABLE ledger_posting ENABLE TRIGGER ledger_posting_stays;
ALTER TABLE ledger_posting ALTER COLUMN at SET NOT NULL;

CREATE INDEX ledger_posting_seller ON ledger_posting (owner, currency, at, reference, line) INCLUDE (debit, credit)
    WHERE account = 'seller_payable';
CREATE INDEX ledger_posting_at ON ledger_posting USING brin (at) WITH (pages_per_range = 32, autosummarize = on);

-- The books are closed now and then: what all accounts came to until a moment, before which nothing is posted any
-- more. A trial balance has to sum only what came after.
CREATE TABLE ledger_closing (
    until    timestamptz NOT NULL,
    account  text        NOT NULL,
    currency text        NOT NULL,
    debit    numeric     NOT NULL,
    credit   numeric     NOT NULL,
    PRIMARY KEY (until, account, currency)
);
CREATE TRIGGER ledger_closing_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_closing
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- Postings come with their transaction, in the database transaction that adds it, or not at all. So it is enough to
-- look at the whole when the transaction is committed, once and not for each line. The foreign key would say less,
-- and checking it takes the right to update, which nobody has here.
CREATE FUNCTION ledger_comes_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added LEFT JOIN ledger_transaction AS entry ON entry.reference = added.reference
               WHERE entry.xmin IS DISTINCT FROM pg_current_xact_id()::xid OR entry.at IS DISTINCT FROM added.at)
    THEN
        RAISE EXCEPTION 'a posting comes with its ledger transaction and not later' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_posting_comes_whole AFTER INSERT ON ledger_posting REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_comes_whole();
DROP TRIGGER ledger_posting_balances ON ledger_posting;
ALTER TABLE ledger_posting DROP CONSTRAINT ledger_posting_reference_fkey;

CREATE OR REPLACE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM ledger_posting WHERE reference = NEW.reference) <> NEW.lines
        OR EXISTS (SELECT FROM ledger_posting WHERE reference = NEW.reference
                   GROUP BY currency HAVING sum(debit) <> sum(credit))
    THEN
        RAISE EXCEPTION 'the ledger transaction % does not balance', NEW.reference USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.reverses IS NOT NULL
        AND EXISTS (SELECT FROM ledger_posting WHERE reference IN (NEW.reference, NEW.reverses)
                    GROUP BY account, owner, currency HAVING sum(debit) <> sum(credit))
    THEN
        RAISE EXCEPTION 'the ledger transaction % does not undo %', NEW.reference, NEW.reverses
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.at < (SELECT max(until) FROM ledger_closing) THEN
        RAISE EXCEPTION 'the ledger transaction % lies before the last closing of the books', NEW.reference
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

-- Append-only by permission, too, and so is the audit trail: not even the tables' owner has the right to change them, unless it gives it to
-- itself. The triggers refuse whoever has it. A role that owns nothing can do neither; see the README.
DO $$
DECLARE
    ledger record;
BEGIN
    FOR ledger IN SELECT format('%I.%I', schemaname, tablename) AS name, tableowner FROM pg_tables
        WHERE schemaname = current_schema() AND tablename IN ('ledger_transaction', 'ledger_posting', 'ledger_closing', 'operator_decision')
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM PUBLIC, %I', ledger.name, ledger.tableowner);
    END LOOP;
END $$;
