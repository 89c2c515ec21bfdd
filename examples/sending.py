"""What every program here shares: partnerships found or opened, facts told in batches, and all of it counted.

Everything sent can be sent again: partnerships are found by their link, facts and transitions by their key.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import httpx

Json = str | int | float | bool | None

BATCH = 2_000
"""Lines of one import."""
REASONS = 5
"""How many of the refusals are told."""
BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
TRIES = 10
"""How often a server that is busy is asked before its answer is taken."""


class SendError(Exception):
    """The server answered something that no later line could mend."""


class Link(NamedTuple):
    """What the log itself calls a partnership."""

    system: str
    kind: str
    external_id: str


class Opening(NamedTuple):
    """A partnership as its first trace in the log tells it."""

    client: str
    partner: str
    opened_at: datetime
    link: Link


class Fact(NamedTuple):
    """A fact of a partnership; the same key is the same fact, however often it is sent."""

    link: Link
    key: str
    type: str
    occurred_at: datetime
    fields: Mapping[str, Json]


class Sender:
    """Sends to one server with one key, and counts what became of it."""

    def __init__(self, http: httpx.Client, *, batch: int = BATCH) -> None:
        self._http = http
        self._batch = batch
        self._lines: list[Fact] = []
        self.partnerships: dict[Link, str] = {}
        self.counts: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.reasons: list[str] = []

    def open(self, opening: Opening) -> None:
        """Find the partnership of a link, or open it. Raises SendError."""
        body = {
            "client": opening.client, "partner": opening.partner, "opened_at": opening.opened_at.isoformat(),
            "links": [opening.link._asdict()],
        }  # fmt: skip
        answer = self._post("/v1/partnerships?if_exists=return", json.dumps(body))
        if not answer.is_success:
            raise SendError(told(answer))
        self.counts["opened" if answer.status_code == httpx.codes.CREATED else "found"] += 1
        self.partnerships[opening.link] = answer.json()["id"]

    def tell(self, fact: Fact) -> None:
        """Tell a fact with the next batch. Raises SendError."""
        self._lines.append(fact)
        if len(self._lines) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Tell what waits. Raises SendError."""
        sent, self._lines = self._lines, []
        if not sent:
            return
        answer = self._post("/v1/facts", "\n".join(map(_line, sent)), kind="application/x-ndjson")
        if not answer.is_success:
            raise SendError(told(answer))
        *refused, summary = (json.loads(line) for line in answer.text.splitlines())
        for name in ("accepted", "repeated", "refused"):
            self.counts[name] += summary[name]
        for each in refused:
            self._explain(f"{sent[each['line'] - 1].key}: {each['code']}: {each['detail']}")

    def ask(self, link: Link, key: str, at: datetime, **wanted: Json) -> None:
        """Ask for a transition, after the facts that were told before it. Raises SendError."""
        self.flush()
        body = json.dumps({**wanted, "occurred_at": at.isoformat()})
        answer = self._post(f"/v1/partnerships/{self.partnerships[link]}/transitions", body, key=key)
        if answer.status_code in (httpx.codes.CONFLICT, httpx.codes.UNPROCESSABLE_ENTITY):
            self.counts["refused"] += 1
            self._explain(f"{key}: {told(answer)}")
        elif not answer.is_success:
            raise SendError(told(answer))
        else:
            self.counts["repeated" if "Idempotency-Replayed" in answer.headers else "accepted"] += 1

    def stages(self, as_of: datetime) -> Counter[str]:
        """Stage, and what overlaps with it -> how many of the partnerships stood so at an instant. Raises SendError."""
        found: Counter[str] = Counter()
        for identifier in self.partnerships.values():
            answer = self._http.get(f"/v1/partnerships/{identifier}", params={"as_of": as_of.isoformat()})
            if not answer.is_success:
                raise SendError(told(answer))
            state = answer.json()
            found[state["outcome"] or state["stage"]] += 1
            found.update(f"{flag} (flag)" for flag in state["flags"])
            found.update(f"{stage} (overlapping)" for stage in state["overlapping"])
        return found

    def _post(self, path: str, body: str, *, kind: str = "application/json", key: str = "") -> httpx.Response:
        headers = {"Content-Type": kind} | ({"Idempotency-Key": key} if key else {})
        left = TRIES
        while True:
            left -= 1
            answer = self._http.post(path, content=body.encode(), headers=headers)
            if answer.status_code not in BUSY or not left:
                return answer
            time.sleep(float(answer.headers.get("Retry-After", "1")))

    def _explain(self, reason: str) -> None:
        if len(self.reasons) < REASONS:
            self.reasons.append(reason)


def _line(fact: Fact) -> str:
    at = {"link": fact.link._asdict(), "key": fact.key, "type": fact.type, "occurred_at": fact.occurred_at.isoformat()}
    return json.dumps({**at, **fact.fields})


def told(answer: httpx.Response) -> str:
    """What a server that refused says for itself."""
    try:
        problem = answer.json()
        return f"{problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.request.method} {answer.request.url} was answered with status {answer.status_code}."


def report(sender: Sender, as_of: datetime) -> str:
    """What was sent, what was left out and why, and what came of it."""
    counts = sender.counts
    lines = [
        f"partnerships: {counts['opened']} opened, {counts['found']} found",
        f"facts and transitions: {counts['accepted']} accepted, {counts['repeated']} repeated, {counts['refused']} refused",
        *(f"  refused {reason}" for reason in sender.reasons),
        *(f"left out: {count} {what}" for what, count in sender.left_out.most_common()),
        f"as of {as_of:%Y-%m-%d}:",
        *(f"  {count:6,}  {stage}" for stage, count in sender.stages(as_of).most_common()),
    ]
    return "\n".join(lines)


def run(send: Callable[[Path, Sender], datetime], about: str) -> int:
    """Run a program on the command line: what it reads, to which server, with which key; the exit status.

    `send` tells a sender what a file or folder holds, and answers the instant at which that log ends.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("path", type=Path, help="what is read, packed with gzip or not")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the running server (default: %(default)s)")
    parser.add_argument("--key", required=True, help="a key of it with the scopes read, write and transitions")
    asked = parser.parse_args()
    with httpx.Client(base_url=asked.url, headers={"Authorization": f"Bearer {asked.key}"}, timeout=60) as http:
        sender = Sender(http)
        try:
            end = send(asked.path, sender)
            sender.flush()
            print(report(sender, end))
        except (SendError, OSError, ValueError, httpx.HTTPError) as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 1
    return 1 if sender.counts["refused"] else 0
