"""Forgetting: somebody's name, or a text, is gone from every file and every answer, and nothing that was proven changes."""

import json
import random

import pytest

from domain import events as e
from domain.types import Sealed
from service.personal import ERASED
from service.vault import ORGANISATION_KEY
from tests.service.senders import SERVICE, add_source, incident
from tests.service.story import power_struggle
from tests.service.test_personal import everything_in
from tests.service.world import (
    client,
    delivered,
    every_event,
    get,
    head,
    make_key,
    open_partnership,
    problem,
    say,
    settings_of,
    started,
)  # fmt: skip

NAME = "Agnès Quillfeather"
OTHER = "Bruno Taffarel"
TEXT = "Xylophone consultants were asked to leave the steering committee"


def traces(folder, *texts):
    """Which of the texts stand in some file of the folder, in any way they could be written."""
    raw = everything_in(folder)
    spelled = {
        form for text in texts for form in (text.encode(), json.dumps(text)[1:-1].encode(), text.encode("utf-16-le"))
    }
    return sorted(form for form in spelled if form in raw)


async def raw_key(services, holder):
    """The wrapped key as it lies in the file, which must be gone as well."""
    rows = await services.vault._file.query("SELECT wrapped FROM vault WHERE holder = ?", (holder,))
    return rows[0][0] if rows else None


async def tell(services, http, clock):
    """One partnership that names two people and holds two texts, by a caller and by a sender."""
    opened = (await open_partnership(http))["id"]
    fact = {"type": "contact.designated", "side": "client", "person": NAME, "role": "CIO"}
    first = await http.post(f"/v1/partnerships/{opened}/facts", json=fact, headers={"Idempotency-Key": "first"})
    assert first.status_code == 201, first.text
    await say(http, opened, "contact.designated", side="client", person=OTHER, role="CTO")
    await say(http, opened, "contact.designated", side="client", person=NAME.upper(), role="CFO")
    await say(http, opened, "advice.given", advice="a1", text=TEXT)
    await say(http, opened, "advice.given", advice="a2", text="Another text")
    await http.put(f"/v1/partnerships/{opened}/links/pagerduty/service/{SERVICE}")
    source = await add_source(http, "pagerduty", clock)
    named = await delivered(
        services, http, await source.post(incident(1, title=f"Raised by {NAME}", priority={"summary": "P1"}))
    )
    other = await delivered(
        services, http, await source.post(incident(2, title="Nobody's", priority={"summary": "P1"}))
    )
    unknown = await delivered(services, http, await source.post(incident(3, title=f"For {NAME}", service="PNONE")))
    person = (await http.post("/v1/persons/find", json={"name": NAME.lower()})).json()
    return opened, person["id"], {"named": named["id"], "other": other["id"], "unknown": unknown["id"]}, first


async def test_an_erased_person_is_in_no_answer_and_no_file(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            opened, person, deliveries, first = await tell(services, http, clock)
            wrapped = await raw_key(services, person)
            assert wrapped in everything_in(tmp_path)
            entries = await services.query("SELECT position, entry FROM events ORDER BY position")
            before = await get(http, f"/v1/partnerships/{opened}")
            answer = (await http.post(f"/v1/persons/{person}/erase")).json()
            assert answer["id"] == person
            assert answer["deliveries"] == 2
            event = await get(http, f"/v1/events/{answer['position']}")
            assert (event["type"], event["data"], event["actor"]) == (
                "person.erased",
                {"person": person},
                (await get(http, "/v1/me"))["key"],
            )
            # Every entry is byte for byte what it was, and so is what follows from them.
            assert (await services.query("SELECT position, entry FROM events ORDER BY position"))[
                : len(entries)
            ] == entries
            assert await get(http, f"/v1/partnerships/{opened}") == before
            told = await every_event(http)
            shown = [each["data"]["person"] for each in told if each["type"] == "contact.designated"]
            assert shown == [ERASED, OTHER, ERASED]
            assert wrapped not in everything_in(tmp_path)
            assert not traces(tmp_path, NAME, NAME.upper(), NAME.lower())
            assert [each["data"].get("text") for each in told if each["type"] == "crisis.opened"] == [
                ERASED,
                "Nobody's",
            ]
            assert [each["type"] for each in told if each["type"].endswith(".erased")] == [
                "text.erased",
                "person.erased",
            ]
            whole = [await get(http, f"/v1/inbox/{each}") for each in deliveries.values()]
            assert NAME not in json.dumps([told, whole], ensure_ascii=False)
            assert [bool(each["purged_at"]) for each in whole] == [True, False, True]
            assert [each["status"] for each in whole] == ["applied", "applied", "failed"]
            again = await http.post(
                f"/v1/partnerships/{opened}/facts", headers={"Idempotency-Key": "first"},
                json={"type": "contact.designated", "side": "client", "person": NAME, "role": "CIO"},
            )  # fmt: skip
            assert again.headers["idempotency-replayed"] == "true"
            assert again.json()["events"][0]["position"] == first.json()["events"][0]["position"]
            assert again.json()["events"][0]["data"]["person"] == ERASED
            problem(await http.post("/v1/persons/find", json={"name": NAME}), 404, "not_found")
            assert (await get(http, f"/v1/persons/{person}"))["erased_at"] == answer["erased_at"]
            export = await get(http, f"/v1/persons/{person}/export")
            assert export["names"] == []
            assert {each["value"] for each in export["events"]} == {ERASED}
    assert wrapped not in everything_in(tmp_path)
    assert not traces(tmp_path, NAME, NAME.upper(), NAME.lower())
    async with started(settings_of(tmp_path), clock) as services, client(services, key) as http:
        assert await every_event(http) == told
        assert (await http.post("/v1/rebuild")).status_code == 403
        assert not traces(tmp_path, NAME, NAME.upper(), NAME.lower())


async def test_erasing_again_says_the_same_and_writes_nothing(http, services, clock):
    _, person, _, _ = await tell(services, http, clock)
    first = (await http.post(f"/v1/persons/{person}/erase")).json()
    before = await head(services)
    second = (await http.post(f"/v1/persons/{person}/erase")).json()
    assert (second["position"], second["erased_at"]) == (first["position"], first["erased_at"])
    assert await head(services) == before


async def test_the_same_name_told_later_is_another_person(http, services, clock):
    opened, person, _, _ = await tell(services, http, clock)
    await http.post(f"/v1/persons/{person}/erase")
    await say(http, opened, "contact.designated", side="client", person=NAME, role="CIO")
    found = (await http.post("/v1/persons/find", json={"name": NAME})).json()
    assert found["id"] != person
    assert found["events"] == 1
    told = await every_event(http, type="contact.designated")
    assert [each["data"]["person"] for each in told] == [ERASED, OTHER, ERASED, NAME]


async def test_a_text_is_forgotten_by_its_event_and_no_other_is(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        _, person, _, _ = await tell(services, http, clock)
        event, other = [each for each in await every_event(http) if each["type"] == "advice.given"]
        wrapped = await raw_key(services, event["id"])
        answer = (await http.post(f"/v1/events/{event['position']}/erase")).json()
        assert answer["id"] == event["id"]
        assert (await get(http, f"/v1/events/{event['position']}"))["data"]["text"] == ERASED
        assert (await get(http, f"/v1/events/{other['position']}"))["data"]["text"] == "Another text"
        assert wrapped not in everything_in(tmp_path)
        assert await raw_key(services, person) is not None
        before = await head(services)
        assert (await http.post(f"/v1/events/{event['position']}/erase")).json()["position"] == answer["position"]
        for position in (1, 999_999, "x", 0):
            problem(await http.post(f"/v1/events/{position}/erase"), 404, "not_found")
        assert await head(services) == before


async def test_an_erasure_that_a_crash_cut_short_is_finished_at_the_next_start(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            _, person, deliveries, _ = await tell(services, http, clock)
            kept, services.persons._purge_person = services.persons._purge_person, _crash
            with pytest.raises(AssertionError):
                await get(await _post(http, f"/v1/persons/{person}/erase"), "/v1/me")
            services.persons._purge_person = kept
            assert await raw_key(services, person) is not None
    async with started(settings_of(tmp_path), clock) as services, client(services, key) as http:
        assert await raw_key(services, person) is None
        assert not traces(tmp_path, NAME)
        assert (await get(http, f"/v1/inbox/{deliveries['named']}"))["purged_at"]


async def _crash(*_):
    raise OSError("the power went out")


async def _post(http, path):
    answer = await http.post(path)
    assert answer.status_code == 500
    raise AssertionError


async def test_an_access_request_tells_every_value_and_where_it_stands(http, services, clock):
    opened, person, deliveries, _ = await tell(services, http, clock)
    export = await get(http, f"/v1/persons/{person}/export")
    assert export["names"] == sorted([NAME, NAME.upper()])
    told = {(each["type"], each["field"], each["value"], each["stream"]) for each in export["events"]}
    stream = f"partnership-{opened}"
    assert told == {
        ("contact.designated", "person", NAME, stream), ("contact.designated", "person", NAME.upper(), stream),
        ("crisis.opened", "text", f"Raised by {NAME}", stream),
    }  # fmt: skip
    assert export["deliveries"] == sorted([deliveries["named"], deliveries["unknown"]])
    listed = (await get(http, "/v1/persons"))["items"]
    assert {each["id"]: each["events"] for each in listed}[person] == 2
    assert NAME not in json.dumps(listed)


async def test_people_are_listed_page_by_page(http):
    opened = (await open_partnership(http))["id"]
    for number in range(5):
        await say(http, opened, "contact.designated", side="client", person=f"Person {number}", role="CIO")
    first = await get(http, "/v1/persons", limit=3)
    rest = await get(http, "/v1/persons", limit=3, cursor=first["next"])
    ids = [each["id"] for each in (*first["items"], *rest["items"])]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5
    assert rest["next"] is None


async def test_a_purged_delivery_is_still_known_and_never_runs_again(http, services, clock):
    opened = (await open_partnership(http))["id"]
    await http.put(f"/v1/partnerships/{opened}/links/pagerduty/service/{SERVICE}")
    await say(http, opened, "contact.designated", side="client", person=NAME, role="CIO")
    source = await add_source(http, "pagerduty", clock)
    raw = incident(1, title=f"Raised by {NAME}", priority={"summary": "P1"})
    first = await delivered(services, http, await source.post(raw))
    person = (await http.post("/v1/persons/find", json={"name": NAME})).json()["id"]
    await http.post(f"/v1/persons/{person}/erase")
    before = await head(services)
    again = await source.post(raw)
    assert (again.status_code, again.json()["inbox"]) == (200, first["id"])
    problem(await http.post(f"/v1/inbox/{first['id']}/replay"), 409, "purged")
    await http.post("/v1/inbox/replay", json={"status": "applied"})
    await services.inbox.idle()
    assert await head(services) == before


async def test_a_sealed_value_opens_in_its_own_event_and_field_alone(services):
    await services.vault.new_organisation("acme")
    vault = services.vault
    sealed, rows = await vault.seal("acme", "evt_1", e.ContactDesignated(side="client", person=NAME, role="CIO"))
    await vault.keep(rows)
    value = sealed.person
    assert vault.open("acme", "evt_1", "person", value) == NAME
    for event, field in (("evt_2", "person"), ("evt_1", "role")):
        assert vault.open("acme", event, field, value) == ERASED
    assert vault.open("acme", "evt_1", "person", Sealed(p=value.p, c=value.c[:-2] + "AA")) == ERASED


async def test_keys_are_durable_before_the_entries_that_need_them(services, http):
    """A batch whose keys cannot be written is not written at all."""
    opened = (await open_partnership(http))["id"]
    before = await head(services)
    await services.vault._file.alone(lambda database: database.execute("ALTER TABLE vault RENAME TO away"))
    body = {"type": "contact.designated", "side": "client", "person": NAME, "role": "CIO"}
    assert (await http.post(f"/v1/partnerships/{opened}/facts", json=body)).status_code == 500
    assert await head(services) == before
    plain = {"type": "incident.raised", "incident": "i", "priority": 2}
    assert (await http.post(f"/v1/partnerships/{opened}/facts", json=plain)).status_code == 201
    await services.vault._file.alone(lambda database: database.execute("ALTER TABLE away RENAME TO vault"))
    assert (await http.post(f"/v1/partnerships/{opened}/facts", json=body)).status_code == 201


async def test_the_log_file_holds_no_key(http, services, tmp_path, clock):
    await tell(services, http, clock)
    names = {row[0] for row in await services.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert not names & {"vault", "people"}
    wrapped = [row[0] for row in await services.vault._file.query("SELECT wrapped FROM vault")]
    assert len(wrapped) >= 5
    log = b"".join(path.read_bytes() for path in tmp_path.glob("noces.db*"))
    assert not [each for each in wrapped if each in log]
    assert await raw_key(services, ORGANISATION_KEY) is not None


async def test_a_text_that_was_handed_on_is_forgotten_wherever_it_stands(http, keyed):
    opened = await power_struggle(http)
    force = {"force": {"to": "power_sharing", "reason": TEXT}}
    override = (await http.post(f"/v1/partnerships/{opened}/transitions", json=force)).json()["id"]
    entered = (await (await keyed()).post(f"/v1/overrides/{override}/approve")).json()["events"][1]
    assert entered["data"]["reason"] == TEXT
    assert (await http.post(f"/v1/events/{entered['position']}/erase")).status_code == 200
    told = [each["data"]["reason"] for each in await every_event(http) if each["data"].get("reason")]
    assert told.count(ERASED) == 2
    assert TEXT not in told


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_is_erased_in_any_order_nobody_else_is(http, services, seed):
    chance = random.Random(seed)
    opened = (await open_partnership(http))["id"]
    names = [f"Person {number}" for number in range(6)]
    for name in chance.choices(names, k=20):
        await say(http, opened, "contact.designated", side="client", person=name, role="CIO")
    told = [each["data"]["person"] for each in await every_event(http, type="contact.designated")]
    gone = chance.sample(sorted(set(told)), 3)
    for name in gone:
        person = (await http.post("/v1/persons/find", json={"name": name})).json()["id"]
        assert (await http.post(f"/v1/persons/{person}/erase")).status_code == 200
    after = [each["data"]["person"] for each in await every_event(http, type="contact.designated")]
    assert after == [ERASED if name in gone else name for name in told]
