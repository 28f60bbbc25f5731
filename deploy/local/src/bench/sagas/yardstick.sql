-- The yardstick's tables: those of the service itself, with their columns, checks and indexes, and without their foreign
-- keys and triggers, which would only make it slower.

CREATE SCHEMA bench_sagas;

CREATE TABLE bench_sagas.inbox              (LIKE inbox INCLUDING ALL);
CREATE TABLE bench_sagas.settlement         (LIKE settlement INCLUDING ALL);
CREATE TABLE bench_sagas.gateway_call       (LIKE gateway_call INCLUDING ALL);
CREATE TABLE bench_sagas.payout             (LIKE payout INCLUDING ALL);
CREATE TABLE bench_sagas.ledger_transaction (LIKE ledger_transaction INCLUDING ALL);
CREATE TABLE bench_sagas.ledger_posting     (LIKE ledger_posting INCLUDING ALL);
CREATE TABLE bench_sagas.outbox             (LIKE outbox INCLUDING ALL);
CREATE TABLE bench_sagas.idempotency        (LIKE idempotency INCLUDING ALL);
