"""run.py HERE DATA WORK: Schemathesis against a running marketplace, each API in each role, and a table at the end.
Environment: OUTCRY_API_EXAMPLES (30 for each operation), OUTCRY_API_SEED (repeats a run), OUTCRY_API_ONLY (some of the runs,
for example `bidding-seller settlement-admin`)."""

import json
import os
import subprocess
import sys
import time

import lots

SERVICES = ("listing", "bidding", "settlement")
EXAMPLES = os.environ.get("OUTCRY_API_EXAMPLES", "30")
SEED = os.environ.get("OUTCRY_API_SEED", "")
ONLY = os.environ.get("OUTCRY_API_ONLY", "").split()
ENDS_WITHIN_S = 1_800
HERE, DATA, WORK = sys.argv[1:4]

# Which parameters are taken from what is really there, and how often; else they are made up.
IDS = {
    "listing": {"path.id": "listings", "query.seller": "people"},
    "bidding": {"path.id": "lots", "path.bid": "bids"},
    "settlement": {"path.id": "settlements", "path.sub": "people", "query.auction_id": "lots", "query.seller": "people"},
}
# How a request that no schema allows is refused: as Schemathesis knows it, and by 412 (an If-Match that is no version of ours
# names none, RFC 9110 §13.1.1) or 413 (longer than any body may be). Never by 5xx.
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429]
# How one without a header that it needs is refused: If-Match by 428 (RFC 6585 §3), all others by these.
NEEDED = [400, 401, 403, 404, 415, 422, 428]


def config(service, found):
    """The configuration of one API: what is there to be found, how requests are sent."""
    named = "".join(f"[dictionaries.{name}]\nvalues = {json.dumps(ids)}\n" for name, ids in found.items())
    bound = "".join(f'"{parameter}" = {{ dictionary = "{name}", probability = 0.7 }}\n'
                    for parameter, name in IDS[service].items())
    streams = ""
    if service == "bidding":
        # The stream of an auction that goes on does not end.
        streams = """[[operations]]
include-operation-id = "streamAuction"
parameters = { "path.id" = { dictionary = "closed", probability = 1.0 } }
"""
    return f"""
hooks = "{HERE}/scripts/api-tests/hooks.py"
continue-on-failure = true
max-stream-events = 3
request-timeout = 20.0
# A connection that was idle for some seconds is closed, perhaps just when it is to be used again.
request-retries = 2
[generation]
max-examples = {EXAMPLES}
[checks]
negative_data_rejection.expected-statuses = {json.dumps(REFUSALS)}
missing_required_header.expected-statuses = {json.dumps(NEEDED)}
[auth.openapi.bearer]
bearer = "${{OUTCRY_API_TOKEN}}"
{named}
[parameters]
{bound}
{streams}
"""


def tested(market, service, role):
    """Runs one API in one role; its report."""
    name = f"{service}-{role}"
    print(f"\n== {service} as {role}", flush=True)
    command = [
        os.path.join(os.path.dirname(sys.executable), "st"), "--config-file", f"{WORK}/{service}.toml", "run",
        f"{HERE}/{service}-service/openapi.json", "--url", market.endpoints[service],
        "--tls-verify", market.endpoints["ca_file"], "--report", "json", "--report-json-path", f"{WORK}/{name}.json",
    ]
    command += ["--seed", SEED] if SEED else []
    environment = os.environ | {"OUTCRY_API_TOKEN": market.tokens[role]}
    ended = subprocess.run(command, cwd=WORK, env=environment, timeout=ENDS_WITHIN_S, check=False)
    with open(f"{WORK}/{name}.json", encoding="utf-8") as file:
        report = json.load(file)
    # A run that stopped early has shown nothing of the rest.
    sound = ended.returncode == 0 and report["complete"] and report["operations"]["tested"] == report["operations"]["selected"]
    return report, sound


def main():
    """Everything."""
    market = lots.Marketplace(HERE, DATA)
    found = lots.prepare(market)
    rows, failed = [], False
    for service in SERVICES:
        with open(f"{WORK}/{service}.toml", "w", encoding="utf-8") as file:
            file.write(config(service, found))
        for role in lots.ROLES:
            if ONLY and f"{service}-{role}" not in ONLY:
                continue
            began = time.monotonic()
            report, sound = tested(market, service, role)
            failed |= not sound
            rows.append((service, role, report["operations"]["tested"], report["test_cases"]["generated"],
                         report["test_cases"]["unique_failures"], len(report["errors"]), report["seed"],
                         time.monotonic() - began, "ok" if sound else "FAILED"))
    print("\n== Summary: property-based API tests\n")
    print(f"{'API':<11} {'as':<7} {'operations':>10} {'requests':>9} {'failures':>9} {'errors':>7} {'seconds':>8}  result (seed)")
    for service, role, operations, cases, failures, errors, seed, seconds, result in rows:
        print(f"{service:<11} {role:<7} {operations:>10} {cases:>9} {failures:>9} {errors:>7} {seconds:>8.0f}  {result} ({seed})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
