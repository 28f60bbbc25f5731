"""What the generated requests find in the marketplace: lots of every format and sales in every state, of the very people
in whose name the requests are sent."""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

ROLES = ("seller", "bidder", "admin")
CONVERGES_WITHIN_S = 60


class Marketplace:
    """A running marketplace, used by one person of each role."""

    def __init__(self, here, data):
        with open(f"{data}/endpoints.json", encoding="utf-8") as file:
            self.endpoints = json.load(file)
        self.context = ssl.create_default_context(cafile=self.endpoints["ca_file"])
        self.tokens = {role: self._token(here, data, role) for role in ROLES}

    @staticmethod
    def _token(here, data, role):
        command = [f"{here}/outcry", "token", "--data-dir", data, "--sub", f"api-{role}", "--role", role, "--ttl", "2h"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def ask(self, role, method, service, path, body=None):
        """Sends a request; anything but a success ends the run."""
        headers = {"authorization": f"Bearer {self.tokens[role]}", "idempotency-key": str(uuid.uuid4())}
        content = None
        if body is not None:
            headers["content-type"], content = "application/json", json.dumps(body).encode()
        request = urllib.request.Request(self.endpoints[service] + path, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise SystemExit(f"{method} {path} was answered {refusal.code}: {refusal.read()!r}") from refusal

    def until(self, what, ask, holds):
        """Asks until the answer is as wanted."""
        deadline = time.monotonic() + CONVERGES_WITHIN_S
        while True:
            try:
                answer = ask()
            except SystemExit as fault:
                answer = str(fault)
            if not isinstance(answer, str) and holds(answer):
                return answer
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {CONVERGES_WITHIN_S} s: {what}; at last {answer}")
            time.sleep(0.2)

    def lists(self, form, lasts_s, starts_in_s=None):
        """Lists and publishes a lot, and waits until bidding knows it."""
        now = datetime.now(timezone.utc)
        starts_at = None if starts_in_s is None else (now + timedelta(seconds=starts_in_s)).isoformat()
        ends_at = (now + timedelta(seconds=(starts_in_s or 0) + lasts_s)).isoformat()
        body = {"title": "A lot of the API tests", "category": "tests", "currency": "USD", "format": form,
                "starts_at": starts_at, "ends_at": ends_at}
        lot = self.ask("seller", "POST", "listing", "/v1/listings", body)["id"]
        self.ask("seller", "POST", "listing", f"/v1/listings/{lot}/publish")
        state = "open" if starts_in_s is None else "scheduled"
        self.until(f"the auction is {state}", lambda: self.ask("bidder", "GET", "bidding", f"/v1/auctions/{lot}"),
                   lambda auction: auction["status"] == state)
        return lot

    def bids(self, lot, amount):
        """Bids; the bid's id."""
        return self.ask("bidder", "POST", "bidding", f"/v1/auctions/{lot}/bids", {"max_amount": amount})["bid_id"]

    def settlement_of(self, lot):
        """The settlement of a lot that was sold."""
        page = self.until("the lot is sold", lambda: self.ask("admin", "GET", "settlement",
                          f"/v1/settlements?auction_id={lot}"), lambda page: page["items"])
        return page["items"][0]["id"]

    def acts(self, role, settlement, action, body, state):
        """Acts on a settlement, and waits for the state that follows."""
        self.ask(role, "POST", "settlement", f"/v1/settlements/{settlement}/{action}", body)
        return self.until(f"the settlement is {state}", lambda: self.ask("admin", "GET", "settlement",
                          f"/v1/settlements/{settlement}"), lambda sale: sale["status"] == state)


SOFT_CLOSE = {"mode": "off"}
ENGLISH = {"kind": "english", "start_price": 100, "increments": "ebay-us", "soft_close": SOFT_CLOSE}
BUY_NOW = ENGLISH | {"buy_now_price": 5_000}
SEALED = {"kind": "sealed_first_price", "start_price": 100}
VICKREY = {"kind": "vickrey", "start_price": 100}
DUTCH = {"kind": "dutch", "start_price": 5_000, "floor_price": 1_000, "step": 10, "step_every_s": 3_600}
UNITS = {"kind": "uniform_multi_unit", "start_price": 100, "quantity": 5, "increments": "ebay-us",
         "soft_close": SOFT_CLOSE, "decline_within_s": 604_800}
DAYS_S = 20 * 86_400
PAY = {"payment_method": "pm_card_visa"}
SHIP = {"carrier": "UPS", "tracking_number": "1Z999AA10123456784"}


def prepare(market):
    """Brings about what the requests are to find. Ids by the name of what they are."""
    # Short ones first: they end while the others are made.
    sales = []
    for _ in range(6):
        sales.append(market.lists(ENGLISH, 15))
        market.bids(sales[-1], 12_000)
    unsold = market.lists(ENGLISH, 6)
    lots = [market.lists(form, DAYS_S) for form in (ENGLISH, BUY_NOW, SEALED, VICKREY, DUTCH, UNITS)]
    lots.append(market.lists(ENGLISH, DAYS_S, starts_in_s=86_400))
    bids = [market.bids(lot, 10_000) for lot in (lots[0], lots[2])]
    units = {"max_amount": 9_000, "quantity": 3}
    bids.append(market.ask("bidder", "POST", "bidding", f"/v1/auctions/{lots[5]}/bids", units)["bid_id"])
    drafts = []
    for form in (ENGLISH, UNITS):
        ends_at = (datetime.now(timezone.utc) + timedelta(days=20)).isoformat()
        body = {"title": "A draft of the API tests", "category": "tests", "currency": "USD", "format": form, "ends_at": ends_at}
        drafts.append(market.ask("seller", "POST", "listing", "/v1/listings", body)["id"])

    settlements = [market.settlement_of(lot) for lot in sales]
    _, escrowed, shipped, disputed, completed, cancelled = settlements
    for settlement in (escrowed, shipped, disputed, completed):
        market.acts("bidder", settlement, "pay", PAY, "escrowed")
    for settlement in (shipped, disputed, completed):
        market.acts("seller", settlement, "ship", SHIP, "shipped")
    market.acts("bidder", disputed, "dispute", {"reason": "The glass is broken."}, "disputed")
    paid = market.acts("bidder", completed, "receive", {}, "completed")
    market.ask("bidder", "POST", "settlement", f"/v1/settlements/{cancelled}/cancel", {})
    return {
        "lots": lots + sales + [unsold],
        "closed": sales + [unsold],
        "listings": drafts + lots + [unsold],
        "bids": bids,
        "settlements": settlements,
        "payouts": [paid["payout_id"]],
        "people": ["api-seller", "api-bidder"],
    }
