"""Health, metrics, documents and the machine itself."""

from typing import Any

from domain import machine
from domain.guards import REMEDIES
from domain.policy import GUARDS
from service import diagram
from service.api.route import PUBLIC, Answer, Call, Route
from service.errors import ServiceError
from service.telemetry import MEDIA_TYPE
from service.web import documentation


async def health(_: Call) -> Answer:
    """Whether the process answers."""
    return Answer(body={"status": "ok"})


async def ready(call: Call) -> Answer:
    """Whether the log can be read."""
    await call.services.query("SELECT 1")
    return Answer(body={"status": "ready"})


async def metrics(call: Call) -> Answer:
    """Metrics in Prometheus' text format."""
    return Answer(body=call.services.telemetry.text(), media_type=MEDIA_TYPE)


async def openapi(_: Call) -> Answer:
    """This document."""
    from service.openapi import openapi_bytes  # noqa: PLC0415  # it reads the routes, this one among them

    return Answer(body=openapi_bytes(), media_type="application/vnd.oai.openapi+json")


async def docs(_: Call) -> Answer:
    """The documentation for people, from this server alone."""
    return Answer(body=documentation.page(), media_type="text/html; charset=utf-8", headers=documentation.HEADERS)


async def docs_asset(call: Call) -> Answer:
    """A file of the documentation."""
    found = documentation.asset(call.path("name"))
    if found is None:
        raise ServiceError("not_found", f"There is no file {call.path('name')!r}.")
    return Answer(body=found[1], media_type=found[0], headers=documentation.HEADERS)


async def get_machine(call: Call) -> Answer:
    """The machine as data, or drawn: `text/vnd.mermaid`, `image/svg+xml`."""
    wanted = call.request.headers.get("accept", "")
    if "image/svg+xml" in wanted:
        return Answer(body=diagram.svg().encode(), media_type="image/svg+xml", headers={"Vary": "Accept"})
    if "text/vnd.mermaid" in wanted:
        return Answer(
            body=diagram.mermaid().encode(), media_type="text/vnd.mermaid; charset=utf-8", headers={"Vary": "Accept"}
        )
    return Answer(body=machine_view(), headers={"Vary": "Accept"})


def machine_view() -> dict[str, Any]:
    """Stages, triggers and guards as data."""
    return {
        "stages": [{"stage": stage, "labels": labels} for stage, labels in machine.LABELS.items()],
        "states": list(machine.STATES),
        "triggers": [
            {
                "trigger": trigger.name, "decided_by": trigger.decided_by, "needs": trigger.needs,
                "guards": list(GUARDS[trigger.name]),
                "arrows": [
                    {"from": arrow.source, "to": arrow.target, "came_from": arrow.came_from}
                    for arrow in machine.ARROWS
                    if arrow.trigger == trigger.name
                ],
            }
            for trigger in machine.TRIGGERS.values()
        ],
        "guards": {code: {"remedy": {"en": each.en, "fr": each.fr}} for code, each in sorted(REMEDIES.items())},
    }  # fmt: skip


ROUTES = (
    Route(method="GET", path="/healthz", scope=PUBLIC, run=health, summary="Whether the process answers", answers={200: "Status"}),
    Route(method="GET", path="/readyz", scope=PUBLIC, run=ready, summary="Whether the log can be read", answers={200: "Status"}),
    Route(method="GET", path="/metrics", scope=PUBLIC, run=metrics, summary="Metrics", answers={200: "text/plain"}),
    Route(method="GET", path="/openapi.json", scope=PUBLIC, run=openapi, summary="This document", answers={200: "OpenAPI"}),
    Route(method="GET", path="/docs", scope=PUBLIC, run=docs, summary="The documentation", answers={200: "text/html"}),
    Route(
        method="GET", path="/docs/{name:str}", scope=PUBLIC, run=docs_asset, summary="A file of the documentation",
        answers={200: "text/css"}, problems=(404,),
    ),
    Route(
        method="GET", path="/v1/machine", scope="read", run=get_machine, summary="The machine as data, or drawn",
        answers={200: "Machine"},
        parameters=(),
    ),
)  # fmt: skip
