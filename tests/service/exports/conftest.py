"""One log with everything that an export must bear, told once, and all exports of it."""

from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from service.exports.cloudevents import cloudevents
from service.exports.extract import extract_of
from service.exports.ocel_json import ocel_json
from service.exports.ocel_sqlite import write_ocel_sqlite
from service.exports.xes import xes
from tests.service.story import honeymoon, worked_example
from tests.service.world import (
    Time,
    client,
    every_event,
    make_key,
    open_partnership,
    say,
    say_all,
    settings_of,
    started,
)

NAME = "Agnès Quillfeather"
TEXT = 'Xylophones & "trumpets" <were> promised:\n\tby \x01\x1b\ufffe\U0001f3ba in May'
CLIENT = 'Müller & Söhne <GmbH>, "Nord"'
PIECES = {"cloudevents": cloudevents, "ocel-json": ocel_json, "xes": xes}


class Exported(NamedTuple):
    """What is in the log, and its exports by (form, whether personal values are opened, rows at once)."""

    events: list[dict]
    ids: tuple[str, str, str]
    retracted: str
    pieces: dict[tuple[str, bool, int], bytes]
    sqlite: dict[bool, Path]


async def joined(pieces):
    return b"".join([piece async for piece in pieces])


async def story(http):
    """Three partnerships, two of one client; a person, texts, a retraction, late facts, two facts about one object."""
    first = await worked_example(http, client=CLIENT, partner="Rapide SI")
    second = await honeymoon(http, client=CLIENT, partner="Lente SARL")
    third = (await open_partnership(http, client="Atelier Nord", critical=True))["id"]
    await say(http, second, "contact.designated", "2020-03-01", side="client", person=NAME, role="CIO")
    held = {"level": "strategic", "on_date": "2020-03-02", "attendees": [NAME, "Bruno Taffarel"], "hours": 1.5}
    await say(http, second, "meeting.held", "2020-03-02", **held)
    await say(http, second, "invoice.issued", "2020-03-03", invoice="f1", amount=100_00, currency="EUR")
    await say(http, second, "incident.raised", "2020-03-04", incident="i/1", priority=2)
    await say(http, second, "incident.resolved", "2020-03-05T10:00:00.123456Z", incident="i/1", within_sla=True)
    await say(http, second, "crisis.opened", "2020-03-06", crisis="k", severity=2, text=TEXT)
    await say(http, second, "promise.revised", "2020-03-07", promise="p1", promised=45, reason="Late")
    # Told late: it occurred before most of what is there already.
    amended = {"contract": "c1", "starts_on": "2020-02-01", "ends_on": "2024-01-31", "amount": 5, "currency": "EUR"}
    await say(http, second, "contract.amended", "2020-02-02", **amended)
    told = await say(http, second, "incident.raised", "2020-03-08", incident="nowhere", priority=1)
    wrong = told["events"][0]["id"]
    await say(http, second, "fact.retracted", event=wrong, reason="It was elsewhere")
    await say_all(http, third, "2020-03-01", [{"type": "invoice.overdue", "invoice": "unknown"}])
    return (first, second, third), wrong


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    async with started(settings_of(folder), Time()) as services, client(services, await make_key(services)) as http:
        ids, retracted = await story(http)
        pieces, files = {}, {}
        for opener in (None, services.vault):
            extract = await extract_of(services.query, "acme", (), opener)
            for extract.size in (2_000, 3):
                for form, told in PIECES.items():
                    pieces[form, opener is not None, extract.size] = await joined(told(extract))
            files[opener is not None] = folder / f"{opener is not None}.sqlite"
            await write_ocel_sqlite(extract, files[opener is not None])
        return Exported(await every_event(http), ids, retracted, pieces, files)


@pytest.fixture
def told(exported):
    """The events that lives consist of, in the order of the log."""
    return [each for each in exported.events if is_told(each, exported)]


def is_told(event, exported):
    system = ("stage.", "transition.", "link.", "policy.", "key.", "override.")
    fact = "partnership" in event and not event["type"].startswith(system) and event["type"] != "fact.retracted"
    return (fact or event["type"] == "stage.entered") and event["id"] != exported.retracted
