"""Personal values: sealed before they reach the file, opened for readers, and lost without the key."""

import base64

import pytest

from domain.events import FACTS
from service.personal import ERASED, personal_fields
from service.settings import SettingsError
from tests.service.bodies import body_of
from tests.service.processes import free_port, noces
from tests.service.senders import SERVICE, add_source, incident
from tests.service.story import power_struggle
from tests.service.world import (
    ask,
    client,
    delivered,
    every_event,
    get,
    make_key,
    open_partnership,
    settings_of,
    started,
)

PERSONAL = sorted(kind for kind, fact in FACTS.items() if personal_fields(fact))
OTHER_KEY = base64.b64encode(b"k" * 32).decode()


def marked(kind):
    """A full body with a text in every personal field that occurs nowhere else, and those texts."""
    body = body_of(kind, full=True)
    texts = []
    for name, what in personal_fields(FACTS[kind]).items():
        text = f"Agnès-{what}-{kind}-{name}"
        many = isinstance(body[name], list)
        body[name] = [f"{text}-{number}" for number in range(len(body[name]))] if many else text
        texts += body[name] if many else [text]
    return body, texts


def everything_in(folder):
    """The bytes of every file in a folder."""
    return b"\x00".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


async def tell_everything(services, http, clock):
    """Record every personal field there is, and have a sender report one more; the texts of all."""
    opened = (await open_partnership(http))["id"]
    told = []
    for kind in PERSONAL:
        body, texts = marked(kind)
        if "promise" in body:
            body["promise"] = kind
        if kind == "fact.retracted":
            events = (await get(http, f"/v1/partnerships/{opened}/events"))["items"]
            body["event"] = next(each["id"] for each in events if each["type"] == "advice.given")
        answer = await http.post(f"/v1/partnerships/{opened}/facts", json=body)
        assert answer.status_code == 201, answer.text
        shown = answer.json()["events"][0]["data"]
        assert all(shown[name] == body[name] for name in personal_fields(FACTS[kind]))
        told += texts
    struggling = await power_struggle(http)
    force = {"to": "power_sharing", "reason": "Agnès-insists"}
    assert (await http.post(f"/v1/partnerships/{struggling}/transitions", json={"force": force})).status_code == 202
    assert (await ask(http, struggling, "separate", reason="cost", text="Agnès-leaves")).status_code == 201
    await http.put(f"/v1/partnerships/{opened}/links/pagerduty/service/{SERVICE}")
    source = await add_source(http, "pagerduty", clock)
    answer = await source.post(incident(1, title="Agnès-delivers", priority={"summary": "P1"}))
    assert (await delivered(services, http, answer))["status"] == "applied"
    return [*told, "Agnès-insists", "Agnès-leaves", "Agnès-delivers"]


async def test_no_name_and_no_text_stands_in_any_file(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services, client(services, await make_key(services)) as http:
        texts = await tell_everything(services, http, clock)
        live = everything_in(tmp_path)
        await services.store.writer.run(lambda database: database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        checkpointed = everything_in(tmp_path)
    closed = everything_in(tmp_path)
    assert len(texts) >= len(PERSONAL)
    for raw in (live, checkpointed, closed):
        assert b"partnership.opened" in raw or b"SQLite format 3" in raw
        assert "Agnès".encode() not in raw
        assert b"Agn\\u00e8s" not in raw
        assert not [text for text in texts if text.encode() in raw]


async def test_answers_show_what_was_told_also_after_a_restart(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        key = await make_key(services)
        async with client(services, key) as http:
            texts = await tell_everything(services, http, clock)
            before = await every_event(http)
    async with started(settings_of(tmp_path), clock) as services, client(services, key) as http:
        after = await every_event(http)
    assert after == before
    shown = str(after)
    assert not [text for text in texts if text not in shown]
    assert ERASED not in shown


async def test_one_person_has_one_id_in_the_log_however_the_name_is_written(http, services):
    opened = (await open_partnership(http))["id"]
    for name in ("Agnès Martin", "agnès martin", " Agne\u0300s Martin "):
        body = {"type": "contact.designated", "side": "client", "person": name}
        assert (await http.post(f"/v1/partnerships/{opened}/facts", json=body)).status_code == 201
    stored = await services.store.read_stream("acme", f"partnership-{opened}")
    people = {each.entry.split(b'"p":"')[1].split(b'"')[0] for each in stored if each.type == "contact.designated"}
    assert len(people) == 1
    shown = [each["data"]["person"] for each in await every_event(http, type="contact.designated")]
    assert shown == ["Agnès Martin", "agnès martin", " Agne\u0300s Martin "]


async def test_two_organisations_share_no_person(http, keyed, services):
    other = await keyed(organisation="other")
    for organisation, each in (("acme", http), ("other", other)):
        opened = (await open_partnership(each))["id"]
        body = {"type": "contact.designated", "side": "client", "person": "Agnès Martin"}
        assert (await each.post(f"/v1/partnerships/{opened}/facts", json=body)).status_code == 201
        assert organisation
    rows = await services.vault._file.query("SELECT organisation, digest, person FROM people ORDER BY organisation")
    assert [row[0] for row in rows] == ["acme", "other"]
    assert len({row[1] for row in rows}) == len({row[2] for row in rows}) == 2


async def test_the_same_text_twice_is_sealed_twice(http, services):
    opened = (await open_partnership(http))["id"]
    for advice in ("a", "b"):
        body = {"type": "advice.given", "advice": advice, "text": "Buy less"}
        assert (await http.post(f"/v1/partnerships/{opened}/facts", json=body)).status_code == 201
    stored = await services.store.read_log("acme", types=["advice.given"])
    sealed = {each.entry.split(b'"c":"')[1].split(b'"')[0] for each in stored.events}
    assert len(sealed) == 2


async def test_a_refused_command_leaves_no_key_behind(http, services):
    opened = (await open_partnership(http))["id"]
    before = await services.vault._file.query("SELECT count(*) FROM vault")
    body = {"type": "contact.designated", "side": "client", "person": "Nobody", "occurred_at": "2030-01-01T00:00:00Z"}
    assert (await http.post(f"/v1/partnerships/{opened}/facts", json=body)).status_code == 422
    assert await services.vault._file.query("SELECT count(*) FROM vault") == before
    del body["occurred_at"]
    told = (await http.post(f"/v1/partnerships/{opened}/facts", json=body)).json()
    assert told["events"][0]["data"]["person"] == "Nobody"


async def test_a_destroyed_key_leaves_a_tombstone_and_the_same_history(http, services):
    opened = (await open_partnership(http))["id"]
    body = {"type": "contact.designated", "side": "client", "person": "Agnès Martin", "role": "CIO"}
    await http.post(f"/v1/partnerships/{opened}/facts", json=body)
    path = f"/v1/partnerships/{opened}"
    before = (await get(http, path), await get(http, f"{path}/history"))
    await services.vault._file.alone(lambda database: database.execute("DELETE FROM vault WHERE holder LIKE 'per_%'"))
    services.vault._keys = type(services.vault._keys)(10)
    shown = (await get(http, f"{path}/events"))["items"][-1]
    assert shown["data"]["person"] == ERASED
    assert shown["data"]["role"] == "CIO"
    assert (await get(http, path), await get(http, f"{path}/history")) == before


# --- the master key ------------------------------------------------------------------------------------------------


async def test_another_master_key_is_refused_before_anything_is_served(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as services:
        await make_key(services)
    with pytest.raises(SettingsError, match="another master key"):
        async with started(settings_of(tmp_path, master_key=OTHER_KEY), clock):
            pass
    async with started(settings_of(tmp_path), clock):
        pass


def test_a_server_with_another_master_key_says_so_and_ends(serve):
    serve().terminate()
    server = serve(wait=False, master_key=OTHER_KEY)
    assert server.wait() == 1
    assert "another master key" in server.errors
    assert "Traceback" not in server.errors
    assert "listens" not in server.output


def test_a_command_with_another_master_key_says_so_and_ends(serve, tmp_path):
    serve().terminate()
    told = noces(
        "keys",
        "create",
        "--scopes",
        "read",
        "--database",
        f"sqlite:///{tmp_path}/noces.db",
        cwd=tmp_path,
        master_key=OTHER_KEY,
    )
    assert (told.returncode, told.stdout) == (1, "")
    assert "another master key" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("text", ["short", "!" * 44, base64.b64encode(b"k" * 31).decode(), " "])
def test_what_is_no_master_key_is_refused_in_one_sentence(tmp_path, text):
    told = noces(
        "serve",
        "--database",
        f"sqlite:///{tmp_path}/noces.db",
        "--port",
        str(free_port()),
        cwd=tmp_path,
        master_key=text,
    )
    assert told.returncode == 1
    assert "base64 of 32 bytes" in told.stderr
    assert text.strip() == "" or text not in told.stderr


async def test_the_master_key_is_made_once_and_only_its_owner_may_read_it(tmp_path, clock):
    async with started(settings_of(tmp_path), clock):
        made = (tmp_path / "master.key").read_text()
        assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    async with started(settings_of(tmp_path), clock):
        assert (tmp_path / "master.key").read_text() == made


def test_a_secret_of_the_settings_comes_from_a_file(tmp_path, serve):
    key = tmp_path / "secret"
    key.write_text(OTHER_KEY + "\n")
    server = serve(master_key_file=key)
    assert not (tmp_path / "master.key").exists()
    server.terminate()
    serve(master_key=OTHER_KEY)
