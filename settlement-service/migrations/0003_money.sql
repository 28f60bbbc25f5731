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
