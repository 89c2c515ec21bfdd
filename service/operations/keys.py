"""What `noces keys` does."""

from typing import Any

from service.app import now
from service.auth import parse_duration
from service.operations.reach import answered, client
from service.settings import Settings


async def create_key(settings: Settings, **wanted: Any) -> Any:  # noqa: ANN401  # click's options in, JSON out
    """A new key: `{"id", "key"}`."""
    body: dict[str, Any] = {"scopes": [each for each in wanted["scopes"].split(",") if each]}
    body |= {name: wanted[name] for name in ("side", "name", "requests_per_minute") if wanted.get(name)}
    if wanted.get("partnerships"):
        body["partnerships"] = list(wanted["partnerships"])
    if wanted.get("expires"):
        body["expires_at"] = (now() + parse_duration(wanted["expires"])).isoformat()
    async with client(settings, wanted.get("organisation")) as http:
        return answered(await http.post("/v1/keys", json=body))


async def list_keys(settings: Settings, organisation: str | None) -> list[dict[str, Any]]:
    """The organisation's keys."""
    async with client(settings, organisation) as http:
        found: list[dict[str, Any]] = answered(await http.get("/v1/keys?limit=500"))["items"]
        return found


async def revoke_key(settings: Settings, organisation: str | None, key: str) -> None:
    """End a key."""
    async with client(settings, organisation) as http:
        answered(await http.delete(f"/v1/keys/{key}"))
