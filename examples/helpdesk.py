"""The tickets of a software house's help desk (XES): a customer and the house are a partnership.

    python examples/helpdesk.py helpdesk_italian.xes.gz --key ...

Read twice, as a stream: once to know each customer's first and last trace, once to tell the tickets.
"""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from examples.files import opened
from examples.sending import Fact, Link, Opening, Sender, run
from examples.xes import Trace, read_traces

PROVIDER = "Italian software house"
RESOLVED = "Resolve ticket"
NEEDED = ("concept:name", "time:timestamp", "customer")
PRIORITY = 3
"""Of every ticket: the log's levels are numbered without an order (`Value 1`, `Value 2`)."""
SILENCE = timedelta(days=180)
"""After so long without a trace, a separation is presumed."""


class Life(NamedTuple):
    """A customer's first and last trace in the log."""

    first: datetime
    last: datetime


def send(path: Path, sender: Sender) -> datetime:
    """Tell every ticket, then who fell silent; the end of the log."""
    lives = read_lives(path)
    if not lives:
        raise ValueError(f"{path} holds no ticket.")
    end = max(life.last for life in lives.values())
    for customer, life in lives.items():
        sender.open(Opening(customer, PROVIDER, life.first, link_of(customer)))
    for ticket in tickets(path):
        for fact in facts(ticket):
            sender.tell(fact)
    for customer, life in lives.items():
        if end - life.last >= SILENCE:
            presume(sender, customer, life.last + SILENCE)
    return end


def tickets(path: Path) -> Iterator[Trace]:
    """The tickets of a log, those without an event left out. Raises ValueError where an event says too little."""
    with opened(path) as source:
        for ticket in read_traces(source):
            missing = [name for event in ticket.events for name in NEEDED if name not in event]
            if missing:
                raise ValueError(f"An event of ticket {ticket.name!r} has no {missing[0]}.")
            if ticket.events:
                yield ticket


def read_lives(path: Path) -> dict[str, Life]:
    """Customer -> first and last trace, whatever it is a trace of."""
    lives: dict[str, Life] = {}
    for ticket in tickets(path):
        for event in ticket.events:
            at, customer = moment(event), event["customer"]
            life = lives.get(customer, Life(at, at))
            lives[customer] = Life(min(life.first, at), max(life.last, at))
    return lives


def moment(event: dict[str, str]) -> datetime:
    """When an event happened. Raises ValueError where its instant has no offset."""
    at = datetime.fromisoformat(event["time:timestamp"])
    if at.tzinfo is None:
        raise ValueError(f"The instant {event['time:timestamp']!r} has no offset; XES wants one.")
    return at


def link_of(customer: str) -> Link:
    """What the log calls the partnership."""
    return Link("helpdesk", "customer", customer)


def facts(ticket: Trace) -> Iterator[Fact]:
    """Raised with the first event, resolved, and reopened wherever it is resolved once more.

    A ticket belongs to the customer that its first event names. `Closed` follows by itself 15 days after the last
    resolution and tells nothing new.
    """
    link, name = link_of(ticket.events[0]["customer"]), ticket.name
    yield _fact(link, name, "raised", ticket.events[0], 0, priority=PRIORITY)
    solved = [number for number, event in enumerate(ticket.events) if event["concept:name"] == RESOLVED]
    for count, number in enumerate(solved):
        if count:
            yield _fact(link, name, "reopened", ticket.events[solved[count - 1] + 1], count)
        yield _fact(link, name, "resolved", ticket.events[number], count)


def _fact(link: Link, ticket: str, what: str, event: dict[str, str], count: int, **fields: int) -> Fact:
    key = f"helpdesk/{ticket}/{what}/{count}"
    return Fact(link, key, f"incident.{what}", moment(event), {"incident": ticket, **fields})


def presume(sender: Sender, customer: str, at: datetime) -> None:
    """Ask for the separation of a customer who is silent."""
    text = f"Presumed: nothing was heard of {customer} for {SILENCE.days} days."
    wanted = {"trigger": "separate", "side": "client", "reason": "other", "text": text}
    sender.ask(link_of(customer), f"helpdesk/{customer}/separate", at, **wanted)


if __name__ == "__main__":
    sys.exit(run(send, __doc__))
