"""What `noces persons` does."""

from typing import Any

from service.operations.reach import answered, client
from service.settings import Settings


async def find(settings: Settings, organisation: str | None, name: str) -> Any:  # noqa: ANN401  # JSON
    """The person of a name."""
    async with client(settings, organisation) as http:
        return answered(await http.post("/v1/persons/find", json={"name": name}))


async def export(settings: Settings, organisation: str | None, person: str) -> Any:  # noqa: ANN401  # JSON
    """All that is held of a person."""
    async with client(settings, organisation) as http:
        return answered(await http.get(f"/v1/persons/{person}/export"))


async def erase(settings: Settings, organisation: str | None, person: str) -> Any:  # noqa: ANN401  # JSON
    """Forget a person."""
    async with client(settings, organisation) as http:
        return answered(await http.post(f"/v1/persons/{person}/erase"))


async def erase_text(settings: Settings, organisation: str | None, position: int) -> Any:  # noqa: ANN401  # JSON
    """Forget the free text of an event."""
    async with client(settings, organisation) as http:
        return answered(await http.post(f"/v1/events/{position}/erase"))
