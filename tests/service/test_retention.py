"""Retention: old bodies are forgotten, new ones kept, and what was known stays known."""

from tests.service.senders import SERVICE, add_source, incident
from tests.service.test_personal import everything_in
from tests.service.world import client, delivered, get, head, make_key, open_partnership, settings_of, started


async def test_bodies_are_forgotten_after_their_days_and_a_repetition_still_does_nothing(tmp_path, clock):
    async with (
        started(settings_of(tmp_path, inbox_days=30), clock) as services,
        client(services, await make_key(services)) as http,
    ):
        opened = (await open_partnership(http))["id"]
        await http.put(f"/v1/partnerships/{opened}/links/pagerduty/service/{SERVICE}")
        source = await add_source(http, "pagerduty", clock)
        raw = incident(1)
        first = await delivered(services, http, await source.post(raw))
        sealed = (await services.query("SELECT body FROM inbox"))[0][0]
        clock.pass_by(days=29)
        second = await delivered(services, http, await source.post(incident(2)))
        assert await services.retention.look() == 0
        clock.pass_by(days=1, seconds=1)
        assert await services.retention.look() == 1
        assert await services.retention.look() == 0
        old, new = [await get(http, f"/v1/inbox/{each['id']}") for each in (first, second)]
        assert (old["body"], old["headers"], bool(old["purged_at"]), old["status"]) == ("", [], True, "applied")
        assert new["body"]
        assert new["purged_at"] is None
        before = await head(services)
        again = await source.post(raw)
        assert (again.status_code, again.json()["inbox"]) == (200, first["id"])
        await services.inbox.idle()
        assert await head(services) == before
        await services.store.forget()
    assert sealed not in everything_in(tmp_path)


async def test_without_a_limit_nothing_is_forgotten(http, services, clock):
    source = await add_source(http, "pagerduty", clock)
    kept = await delivered(services, http, await source.post(incident(1)))
    clock.pass_by(days=4_000)
    assert await services.retention.look() == 0
    assert (await get(http, f"/v1/inbox/{kept['id']}"))["body"]
