"""Forcing a stage takes two actors, and the log names both."""

from tests.service.story import power_struggle
from tests.service.world import client, get, head, problem


async def test_a_forced_stage_has_both_actors_in_the_log(http, services):
    """A key that made the other is another actor: `key.created` tells who made whom."""
    asked = (await get(http, "/v1/me"))["key"]
    opened = await power_struggle(http)
    force = {"force": {"to": "power_sharing", "reason": "Agreed in the room"}}
    before = await head(services)
    override = (await http.post(f"/v1/partnerships/{opened}/transitions", json=force)).json()["id"]
    problem(await http.post(f"/v1/overrides/{override}/approve"), 403, "same_actor")
    made = (await http.post("/v1/keys", json={"scopes": ["transitions:override"]})).json()
    async with client(services, made["key"]) as other:
        assert (await other.post(f"/v1/overrides/{override}/approve")).status_code == 201
    events = (await get(http, "/v1/events", after=before))["items"]
    told = [(each["type"], each["actor"]) for each in events if each["type"].partition(".")[0] in ("override", "key")]
    assert told == [("override.requested", asked), ("key.created", asked), ("override.approved", made["id"])]
    assert next(each for each in events if each["type"] == "key.created")["data"]["key"] == made["id"]


async def test_a_key_that_was_rotated_is_still_the_same_actor(http, services):
    opened = await power_struggle(http)
    force = {"force": {"to": "power_sharing", "reason": "Agreed in the room"}}
    override = (await http.post(f"/v1/partnerships/{opened}/transitions", json=force)).json()["id"]
    rotated = (await http.post(f"/v1/keys/{(await get(http, '/v1/me'))['key']}/rotate")).json()
    async with client(services, rotated["key"]) as again:
        problem(await again.post(f"/v1/overrides/{override}/approve"), 403, "same_actor")
