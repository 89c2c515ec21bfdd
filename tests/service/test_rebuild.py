"""Rebuild: read models come out of the log as they are live, and what was tampered with is told and replaced."""

import asyncio

import pytest
import pytest_asyncio

from domain import events as e
from events.codec import encode_entry
from events.envelope import NewEvent
from service.projections.all import LISTED, PROJECTIONS, REBUILT
from tests.events.golden import example
from tests.service.senders import LINKS, add_source, incident
from tests.service.story import power_struggle, worked_example
from tests.service.world import NOON, OPERATOR, client, get, head, make_key, open_partnership, say


@pytest_asyncio.fixture
async def operator(services):
    async with client(services, services.keys.run_token, **{"noces-organisation": "acme"}) as http:
        yield http


@pytest_asyncio.fixture
async def lived(http, keyed, services, clock):
    """A log in which every read model has something: links, overrides, keys, sources, two organisations."""
    opened = await worked_example(http, links=[LINKS["pagerduty"]])
    struggling = await power_struggle(http)
    body = {"force": {"to": "power_sharing", "reason": "The board decided"}}
    override = (await http.post(f"/v1/partnerships/{struggling}/transitions", json=body)).json()["id"]
    second = await keyed()
    assert (await second.post(f"/v1/overrides/{override}/approve")).status_code == 201
    await http.post(f"/v1/partnerships/{opened}/transitions", json=body)
    source = await add_source(http, "pagerduty", clock)
    removed = await add_source(http, "stripe", clock)
    await http.delete(f"/v1/sources/{removed.id}")
    await http.put(f"/v1/partnerships/{opened}/links/jira/project/NP")
    await http.delete(f"/v1/partnerships/{opened}/links/jira/project/NP")
    await say(http, opened, "contact.designated", side="client", person="Agnès Martin", role="CIO")
    text = await say(http, opened, "advice.given", advice="a-erased", text="Buy less")
    await http.post(f"/v1/events/{text['events'][0]['position']}/erase")
    await source.post(incident(1))
    await services.inbox.idle()
    await open_partnership(await keyed(organisation="other"))
    return opened


async def tables(services):
    return {name: sorted(map(repr, await services.query(f"SELECT * FROM {name}"))) for name in (*REBUILT, "due")}


async def tamper(services, sql):
    await services.store.alone(lambda database: database.execute(sql))


async def test_the_rebuilt_tables_equal_the_live_ones(operator, lived, services):
    before = await tables(services)
    assert all(before[name] for name in REBUILT)
    told = (await operator.post("/v1/rebuild")).json()
    events = await head(services) + await head(services, "other")
    assert told == {"events": events, "equal": True, "different": []}
    assert await tables(services) == before


@pytest.mark.parametrize(
    ("table", "sql"),
    [
        ("partnerships", "UPDATE partnerships SET stage = 'commitment'"),
        ("partnerships", "DELETE FROM partnerships"),
        ("partnerships", "INSERT INTO partnerships VALUES ('acme', 'pn_ghost', 'A', 'B', 'honeymoon', NULL, 0, 0)"),
        ("links", "UPDATE links SET partnership = 'pn_ghost'"),
        ("overrides", "DELETE FROM overrides"),
        ("keys", "UPDATE keys SET scopes = '[\"read\"]'"),
        ("sources", "UPDATE sources SET removed_at = NULL"),
        ("person_events", "DELETE FROM person_events"),
        ("erased", "DELETE FROM erased"),
    ],
)
async def test_what_was_tampered_with_is_told_and_replaced(operator, lived, services, table, sql):
    before = await tables(services)
    await tamper(services, sql)
    assert await tables(services) != before
    told = (await operator.post("/v1/rebuild")).json()
    assert (told["equal"], told["different"]) == (False, [table])
    assert await tables(services) == before
    assert (await operator.post("/v1/rebuild")).json()["equal"]


async def test_when_time_owes_something_is_found_again(operator, http, services, clock):
    opened = (await open_partnership(http, opened_at="2026-05-01T00:00:00Z"))["id"]
    await say(http, opened, "cadence.agreed", level="operational", every_days=7)
    before = await tables(services)
    await tamper(services, "DELETE FROM due")
    await operator.post("/v1/rebuild")
    assert await tables(services) == before
    clock.pass_by(days=12)
    assert await services.time.look() == 1


async def test_a_key_that_was_given_more_in_the_table_loses_it_again(operator, services):
    text = await make_key(services, ["read"])
    await tamper(services, 'UPDATE keys SET scopes = \'["admin", "read"]\'')
    async with client(services, text) as http:
        assert (await get(http, "/v1/me"))["scopes"] == ["admin", "read"]
        await operator.post("/v1/rebuild")
        assert (await get(http, "/v1/me"))["scopes"] == ["read"]


async def test_writers_wait_while_it_runs_and_lose_nothing(operator, http, services):
    opened = (await open_partnership(http))["id"]

    async def write(number):
        return await say(http, opened, "incident.raised", incident=f"i{number}", priority=1)

    told = await asyncio.gather(*(write(number) for number in range(50)), operator.post("/v1/rebuild"))
    assert told[-1].status_code == 200
    assert (await operator.post("/v1/rebuild")).json()["equal"]
    events = (await get(http, f"/v1/partnerships/{opened}/events", type="incident.raised", limit=500))["items"]
    assert len(events) == 50


async def test_an_empty_log_is_rebuilt_to_nothing(operator, services):
    told = (await operator.post("/v1/rebuild")).json()
    assert (told["equal"], told["events"]) == (True, await head(services))


@pytest.mark.parametrize("kind", [kind for kind in e.ALL.values() if kind not in LISTED], ids=lambda kind: kind.type)
def test_an_event_that_no_read_model_lists_changes_none(kind):
    data = example(kind)
    recorded = encode_entry(NewEvent(id="evt_1", data=data, occurred_at=NOON), OPERATOR, "partnership-pn_1", 1, NOON, 1)
    assert [change for each in PROJECTIONS for change in each("acme", recorded, data)] == []
