"""An HTTP client with an operator's rights: to the server that holds the file, else to one of its own in here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from events.lock import read_lock
from service.api.serving import build
from service.app import running
from service.auth import OPERATOR_HEADER
from service.errors import ServiceError
from service.settings import Settings

TIMEOUT = 600.0


@asynccontextmanager
async def client(settings: Settings, organisation: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client with an operator's rights, to the server that holds the database or to one inside this process."""
    held = read_lock(settings.database_path.absolute())
    name = {OPERATOR_HEADER: organisation or settings.organisation}
    if held is not None and "token" in held:
        headers = {"Authorization": f"Bearer {held['token']}", **name}
        async with reached(held["url"], headers, trust_env=False) as outside:
            yield outside
        return
    async with running(settings) as services:
        headers = {"Authorization": f"Bearer {services.keys.run_token}", **name}
        transport = httpx.ASGITransport(app=build(services))  # type: ignore[arg-type]  # the same protocol by another name
        async with httpx.AsyncClient(
            transport=transport, base_url=settings.base_url, headers=headers, timeout=TIMEOUT
        ) as inside:
            yield inside


@asynccontextmanager
async def reached(url: str, headers: dict[str, str], *, trust_env: bool) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of another process. Raises ServiceError `unavailable` when that one does not answer."""
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=trust_env) as outside:
        try:
            yield outside
        except httpx.TransportError as error:
            raise ServiceError("unavailable", f"The server at {url} does not answer: {error}.") from error


def answered(response: httpx.Response) -> Any:  # noqa: ANN401  # JSON of any shape
    """The answer's JSON. Raises ServiceError with the problem's own words."""
    if response.is_success:
        return response.json() if response.content else None
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    code, detail = (
        problem.get("code", "internal"),
        problem.get("detail", f"The server answered {response.status_code}."),
    )
    raise ServiceError(code, detail)
