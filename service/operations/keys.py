"""What `noces keys` does."""

from pathlib import Path
from typing import Any

from events.sqlite import SqliteFile
from service.auth import parse_duration
from service.clock import now
from service.master import rotate
from service.operations.reach import answered, client
from service.settings import Settings, SettingsError, keys_path
from service.vault import STEPS


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


async def rotate_master(settings: Settings, out: Path | None) -> int:
    """How many keys were wrapped anew. Raises StoreError `locked` while a server runs."""
    path = keys_path(settings)
    if not path.exists():
        raise SettingsError(f"There are no keys at {path}; start the service once.")
    keys = await SqliteFile.open(path, migrations=STEPS, clock=now)
    try:
        return await rotate(settings, keys, out)
    finally:
        await keys.close()
