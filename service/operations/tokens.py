"""What `noces log token` does."""

from typing import Any

from service.auth import parse_duration
from service.clock import now
from service.operations.log import address
from service.operations.reach import answered, client
from service.settings import Settings


async def create_token(settings: Settings, organisation: str | None, name: str, expires: str | None) -> dict[str, str]:
    """A new token: `{"id", "token", "prefix"}`."""
    body = {"name": name}
    if expires:
        body["expires_at"] = (now() + parse_duration(expires)).isoformat()
    async with client(settings, organisation) as http:
        made: dict[str, str] = answered(await http.post(f"{address(settings, organisation)}/tokens", json=body))
        return made


async def list_tokens(settings: Settings, organisation: str | None) -> list[dict[str, Any]]:
    """The log's tokens."""
    async with client(settings, organisation) as http:
        told = answered(await http.get(f"{address(settings, organisation)}/tokens?limit=500"))
        found: list[dict[str, Any]] = told["items"]
        return found


async def revoke_token(settings: Settings, organisation: str | None, token: str) -> None:
    """End a token."""
    async with client(settings, organisation) as http:
        answered(await http.delete(f"{address(settings, organisation)}/tokens/{token}"))
