-- Reconciliation: one row, by which the instances agree on who compares the ledger with the gateway's list, and all of
-- them know what the last comparison came to.
CREATE TABLE reconciliation (
    single        boolean     PRIMARY KEY DEFAULT true CHECK (single),
    -- Until then nobody else begins.
    claimed_until timestamptz NOT NULL,
    finished_at   timestamptz,
    differences   bigint
);
