"""HubSpot, PagerDuty and Stripe as senders: bodies with the shapes they post, signed as their own pages say."""

import base64
import hashlib
import hmac
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

SAMPLES = Path(__file__).parents[2] / "service" / "connectors" / "samples"
SECRET = "not-so-secret"
SERVICE, DEAL, CUSTOMER = "PSVC007", "90210001", "cus_Noces0001"
LINKS = {
    "hubspot": {"system": "hubspot", "kind": "deal", "external_id": DEAL},
    "pagerduty": {"system": "pagerduty", "kind": "service", "external_id": SERVICE},
    "stripe": {"system": "stripe", "kind": "customer", "external_id": CUSTOMER},
}


def body_of(name: str, **replaced: str) -> bytes:
    """A sample's body, with some of its texts replaced."""
    raw = (SAMPLES / f"{name}.json").read_text(encoding="utf-8")
    for old, new in replaced.items():
        raw = raw.replace(old, new)
    return raw.encode()


def deal(number: int, kind: str = "deal.creation", at: int = 1767605400250, **fields: Any) -> dict[str, Any]:
    """One event of HubSpot about one deal."""
    known = {"eventId": number, "subscriptionId": 1, "portalId": 7, "occurredAt": at, "attemptNumber": 0}
    return {**known, "subscriptionType": kind, "objectId": number, **fields}


def incident(number: int, kind: str = "incident.triggered", service: str = SERVICE, **fields: Any) -> bytes:
    """One event of PagerDuty about one incident."""
    known = {"id": f"PINC{number}", "title": "Orders cannot be placed", "service": {"id": service}, "urgency": "high"}
    event = {"id": f"01EVT{kind}{number}", "event_type": kind, "occurred_at": "2026-02-03T04:05:06.789Z"}
    at = {"occurred_at": fields.pop("at")} if "at" in fields else {}
    return json.dumps({"event": {**event, **at, "data": {**known, **fields}}}).encode()


def signed(sender: str, url: str, body: bytes, now: datetime, secret: str = SECRET) -> dict[str, str]:
    """The headers that prove a delivery."""
    seconds = int(now.timestamp())
    match sender:
        case "pagerduty":
            return {"X-PagerDuty-Signature": f"v1={_hex(secret, body)}"}
        case "stripe":
            return {"Stripe-Signature": f"t={seconds},v1={_hex(secret, f'{seconds}.'.encode() + body)}"}
        case _:
            stamp = str(seconds * 1_000)
            digest = hmac.digest(secret.encode(), b"POST" + url.encode() + body + stamp.encode(), "sha256")
            proof = base64.b64encode(digest).decode()
            return {"X-HubSpot-Signature-v3": proof, "X-HubSpot-Request-Timestamp": stamp}


def _hex(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class Sender:
    """One source with its sender: what it posts is signed and goes to the address that the source was given."""

    def __init__(self, http: httpx.AsyncClient, name: str, source: dict[str, str], now: Any) -> None:
        self.http = http
        self.name = name
        self.id = source["id"]
        self.url = source["url"]
        self.now = now

    async def post(self, body: Any, secret: str = SECRET, **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        proof = signed(self.name, self.url, raw, self.now(), secret)
        nobody = {"Authorization": "", "Content-Type": "application/json"}
        return await self.http.post(self.url, content=raw, headers={**nobody, **proof, **headers})


async def add_source(http: httpx.AsyncClient, name: str, now: Any, **fields: Any) -> Sender:
    """A new source and its sender."""
    answer = await http.post("/v1/sources", json={"connector": name, "name": name, "secrets": [SECRET], **fields})
    assert answer.status_code == 201, answer.text
    return Sender(http, name, answer.json(), now)
