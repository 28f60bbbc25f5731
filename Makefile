# The project's commands. `make` alone lists them.

SERVICES   = listing-service bidding-service settlement-service
PROGRAMS   = $(SERVICES) deploy/local
CANDIDATES = event-contracts $(PROGRAMS) testcontainers-suite
WORKSPACES = $(patsubst %/Cargo.toml,%,$(wildcard $(addsuffix /Cargo.toml,$(CANDIDATES))))

export SQLX_OFFLINE ?= true

.PHONY: help run build test test-full test-docker test-api chaos planted fuzz bench load soak coverage supply-chain fmt lint sqlx-prepare preflight

help: ## lists these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name does; do printf '  make %-14s %s\n' "$$name" "$$does"; done

run: build ## builds and starts the marketplace, runs the demo, stays up until Ctrl-C (ARGS="--base-port 9440")
	@exec ./outcry up --demo $(ARGS)

build: preflight ## builds the services and the outcry program for use
	@scripts/each.sh "$(PROGRAMS)" cargo build --release --locked --bins

test: preflight ## runs the tests; what cannot run here (no Docker, no Python 3.11) is left out, loudly
	@scripts/test.sh "$(WORKSPACES)" "$(PROGRAMS)"

test-full: preflight ## as test, with many more seeds and every crash point (OUTCRY_SEEDS, PROPTEST_CASES; an hour more)
	@OUTCRY_SEEDS="$${OUTCRY_SEEDS:-200000}" PROPTEST_CASES="$${PROPTEST_CASES:-5000}" OUTCRY_CRASH_POINTS=all \
		scripts/test.sh "$(WORKSPACES)" "$(PROGRAMS)"

test-docker: preflight ## proves only what needs Docker
	@scripts/test.sh "$(WORKSPACES)" "$(PROGRAMS)" docker

test-api: preflight ## makes requests of every kind to the three APIs (Schemathesis; OUTCRY_API_EXAMPLES for each operation)
	@scripts/each.sh "$(PROGRAMS)" cargo build --locked --bins
	@OUTCRY_PROFILE=debug scripts/api-tests.sh

fuzz: preflight ## arbitrary inputs for all that reads what strangers send (FUZZ_SECONDS=60 each; FUZZ="settlement-service/money")
	@scripts/fuzz.sh $(FUZZ)

chaos: build ## faults of every kind on a marketplace under load, and what users saw of each
	@cd testcontainers-suite && OUTCRY_CHAOS=all cargo test --release --locked --test chaos -- $(ARGS)

planted: preflight ## known bugs, built in one after the other: does make chaos notice each? (PLANTED="outbox-bidding")
	@scripts/planted.sh $(PLANTED)

bench: build ## measures bids, streams and sales on this machine beside the bare database, and checks that nothing is lost (SECONDS_EACH, WAITING, FINISHED)
	@scripts/bench.sh

load: build ## 1,000 users browse, bid, sell and settle for 10 minutes; fails when a promise is not kept (LOAD_USERS, LOAD_MINUTES, PLOT)
	@scripts/load.sh load

soak: build ## the same for 60 minutes, in which memory, tables, p95 and p99 have to stay as they were (SOAK_USERS, SOAK_MINUTES, PLOT)
	@scripts/load.sh soak

coverage: preflight ## how much of the business logic the tests cover
	@scripts/coverage.sh $(SERVICES)

supply-chain: preflight ## licences, sources, weaknesses, unused dependencies, lists of parts (SBOM), what is in the images
	@scripts/supply-chain.sh "$(WORKSPACES)" "$(SERVICES)"

fmt: ## formats the code
	@scripts/each.sh "$(WORKSPACES)" cargo fmt --all

lint: preflight ## clippy, with warnings as errors
	@scripts/each.sh "$(WORKSPACES)" cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

sqlx-prepare: preflight ## writes the checked SQL of the services (.sqlx) after a change of it
	@scripts/sqlx-prepare.sh $(SERVICES)

preflight:
	@scripts/preflight.sh
