"""The service as the tests run it: a clock to set, clients with keys of any kind, and the words most of them say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec
from litestar.types import ASGIApp

from events.envelope import Context
from service.api.serving import build
from service.app import running
from service.auth import SCOPES, NewKey
from service.services import Services
from service.settings import Settings

PARTNERS = map("Logiciels {}".format, count(1))
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
OPERATOR = Context(actor="system")
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


class Time:
    """A clock that stands until somebody moves it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **parts: float) -> datetime:
        self.now += timedelta(**parts)
        return self.now


def settings_of(folder: Path, **chosen: Any) -> Settings:
    """Settings of a service in a folder, whose own clock looks only when it is told to."""
    usual = {"public_base_url": "https://noces.example", "organisation": "acme", "clock_seconds": 86_400.0}
    return Settings(database=f"sqlite:///{folder}/noces.db", **{**usual, **chosen})


@asynccontextmanager
async def started(settings: Settings, clock: Time) -> AsyncIterator[Services]:
    """Running services with the settings' organisation in them."""
    async with running(settings, clock) as services:
        await services.create_organisation(settings.organisation)
        yield services


@asynccontextmanager
async def client(
    services: Services, text: str, app: ASGIApp | None = None, **headers: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application inside this process, with a key."""
    transport = httpx.ASGITransport(app=app or build(services))  # type: ignore[arg-type]
    known = {"Authorization": f"Bearer {text}", **headers}
    async with httpx.AsyncClient(transport=transport, base_url=services.settings.base_url, headers=known) as http:
        yield http


async def make_key(services: Services, scopes: Sequence[str] = SCOPES, organisation: str = "", **chosen: Any) -> str:
    """The text of a new key."""
    organisation = organisation or services.settings.organisation
    await services.create_organisation(organisation)
    _, text = await services.keys.create(organisation, NewKey(scopes=tuple(scopes), **chosen), OPERATOR)
    assert text is not None
    return text


async def head(services: Services, organisation: str = "") -> int:
    """The position of the log's newest event."""
    return (await services.store.head(organisation or services.settings.organisation)).position


async def open_partnership(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A new partnership, observed since it was opened."""
    opened_at = fields.setdefault("opened_at", "2020-01-10T00:00:00Z")
    body = {"client": "Atelier Nord", "partner": next(PARTNERS), "observed_since": opened_at[:10], **fields}
    answer = await http.post("/v1/partnerships", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def say(http: httpx.AsyncClient, identifier: str, type: str, at: str | None = None, **fields: Any) -> Any:
    """The answer to one recorded fact."""
    body = {"type": type, **({} if at is None else {"occurred_at": instant(at)}), **fields}
    answer = await http.post(f"/v1/partnerships/{identifier}/facts", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def say_all(http: httpx.AsyncClient, identifier: str, at: str, facts: Sequence[Mapping[str, Any]]) -> Any:
    """The answer to facts of one instant, recorded together."""
    body = [{"occurred_at": instant(at), **fact} for fact in facts]
    answer = await http.post(f"/v1/partnerships/{identifier}/facts", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def ask(
    http: httpx.AsyncClient, identifier: str, trigger: str, at: str | None = None, **fields: Any
) -> httpx.Response:
    """The response to a transition that was asked for."""
    body = {"trigger": trigger, **({} if at is None else {"occurred_at": instant(at)}), **fields}
    return await http.post(f"/v1/partnerships/{identifier}/transitions", json=body)


async def get(http: httpx.AsyncClient, path: str, **query: Any) -> Any:
    """The JSON that an address answers."""
    answer = await http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def every_event(http: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """All events of a feed, page by page."""
    found: list[dict[str, Any]] = []
    after = 0
    while page := (told := await get(http, "/v1/events", after=after, limit=500, **query))["items"]:
        found += page
        after = told["position"]
    return found


def instant(at: str) -> str:
    """A day as its first instant; an instant as it is."""
    return at if "T" in at else f"{at}T00:00:00Z"


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, which is checked to be one."""
    assert (answer.status_code, answer.headers.get("content-type")) == (status, "application/problem+json"), answer.text
    found: dict[str, Any] = answer.json()
    assert found["code"] == code, found
    assert found["status"] == status
    assert found["type"].endswith(f"/{code}")
    assert found["instance"] == answer.headers["x-request-id"]
    assert found["title"]
    assert found["detail"].endswith((".", "?"))
    return found


def lines_of(raw: bytes) -> list[Any]:
    """The values of NDJSON."""
    return [msgspec.json.decode(line) for line in raw.splitlines()]


async def delivered(services: Services, http: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """What became of a delivery once the inbox has looked at it."""
    assert answer.status_code in (200, 202), answer.text
    await services.inbox.idle()
    found: dict[str, Any] = await get(http, f"/v1/inbox/{answer.json()['inbox']}")
    return found


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    """Wait for what happens in the background; the patience is only ever used up where it never does."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)
