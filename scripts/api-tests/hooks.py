"""Where Schemathesis takes a check to say more than an OpenAPI document can. Every check is on for every operation. Of one,
"valid by its schema, so it is accepted", these refusals are no failure, each for the reason beside it. They are named as
narrowly as the services name them: by the problem's type, or by the member that was refused."""

import json
import re
import uuid

import schemathesis
from schemathesis.openapi.checks import JsonSchemaError, RejectedPositiveData

# Refusals that depend on what was there before, by the problem's type.
TYPES = {
    "precondition-failed": "versions are drawn: If-Match names another one than there is",
    "bid-too-low": "the lowest next bid is the auction's, and it rises",
    "max-not-raised": "a maximum is only ever raised, by a bidder who leads",
    "webhook-signature": "only the payment gateway can sign what it sends",
    "webhook-stale": "likewise",
}

# Faults of members that only a rule can find, by operation and by a pattern of the member's pointer.
TERMS = {
    "/(starts|ends)_at": "lies in the future, some time apart",
    "/currency": "is one of ISO 4217, not any three letters",
    "/format(/.*)?": "its amounts and seconds stand in relation to each other, presets need a currency with decimals",
    "/second_chance(_days)?": "1, 3, 5 or 7, only with a second chance, only where there is a next bidder",
}
MEMBERS = {
    "createListing": TERMS,
    "reviseListing": TERMS,
    "publishListing": TERMS,
    "listListings": {
        r"\?cursor": "is opaque: only the service makes one, for one order",
        r"\?q": "has a word to find, also on each side of `or`, by the rules of a search and not of a pattern",
    },
    "listBids": {r"\?cursor": "is opaque: only the service makes one"},
    "listSettlements": {r"\?cursor": "is opaque: only the service makes one"},
    "getStatement": {r"\?cursor": "is opaque: only the service makes one", r"\?currency": "is one of ISO 4217"},
    "placeBid": {"/quantity": "at most the units of the lot", "/max_amount": "at most what the lot's increments leave room for"},
    "resolveSettlement": {"/amount": "goes with a part refund and nothing else", "/note": "is needed outside a dispute"},
}

# JSON Schema calls 31.0 an integer; the services take amounts and counts without a fraction only, lest one be rounded.
FRACTION = re.compile(r"invalid type: floating point `-?\d+\.0`, expected .*")


def is_a_rule(operation, problem):
    """Whether a refusal of a valid request follows from a rule that no document can hold."""
    kind = problem.get("type", "").removeprefix("urn:outcry:problem:")
    if kind != "validation":
        return kind in TYPES
    known = MEMBERS.get(operation, {})
    faults = problem.get("errors") or []
    by_rule = [fault for fault in faults
               if FRACTION.match(fault["detail"]) or any(re.fullmatch(pattern, fault["pointer"]) for pattern in known)]
    return bool(faults) and len(by_rule) == len(faults)


@schemathesis.hook
def before_call(_context, case, **_kwargs):
    """Makes a well-formed idempotency key a fresh one: under a key that was drawn before, another body is refused, rightly, and
    nothing else would be seen of the operation."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch("[!-~]{1,255}", key):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.hook
def filter_failure(_context, failure, case, response):
    """Keeps a failure, unless a rule explains it."""
    # An OpenAPI 3.1 document describes the data of a stream's events; Schemathesis takes that for the event as a whole (id,
    # event, data), as OpenAPI 3.2 has it. The suite checks the data of every event that it reads.
    if isinstance(failure, JsonSchemaError) and failure.title == "SSE event violates schema":
        return False
    if not isinstance(failure, RejectedPositiveData):
        return True
    try:
        problem = json.loads(response.text)
    except ValueError:
        return True
    return not is_a_rule(case.operation.definition.raw.get("operationId"), problem)
