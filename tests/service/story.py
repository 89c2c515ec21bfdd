"""The worked example of the domain's page, told over HTTP, and shorter ways into each stage."""

from typing import Any

import httpx

from tests.service.world import ask, open_partnership, say, say_all

PEACE = [
    {"type": "budget.renegotiated", "amount": 120_000_00, "currency": "EUR"},
    {"type": "priorities.agreed", "items": ["Order desk first"]},
    {"type": "tradeoff.decided", "kept": "Order desk", "given_up": "New reports"},
    *(
        {
            "type": "self_review.recorded",
            "side": side,
            "own_part": f"What the {side} left undone",
            "improvement": "Weekly",
        }
        for side in ("client", "partner")
    ),
]
TERMS = [
    *({"type": "constraint.acknowledged", "side": side, "of": "margin"} for side in ("client", "partner")),
    {"type": "sla.negotiated", "sla": "s1", "metric": "Incidents solved in a day", "target": 0.9},
]


async def honeymoon(http: httpx.AsyncClient, **fields: Any) -> str:
    """A partnership with its two promises and its contract."""
    opened: str = (await open_partnership(http, **fields))["id"]
    promise = {
        "type": "promise.made",
        "side": "partner",
        "evidence": "none",
        "text": "As they said in the first meeting",
    }
    await say_all(http, opened, "2020-01-10", [
        {**promise, "promise": "p1", "kind": "delay", "promised": 30, "unit": "days"},
        {**promise, "promise": "p2", "kind": "seniority", "promised": 8, "unit": "years"},
    ])  # fmt: skip
    await say(http, opened, "contract.signed", "2020-02-01", contract="c1", starts_on="2020-02-01")
    return opened


async def power_struggle(http: httpx.AsyncClient, **fields: Any) -> str:
    """A partnership that took 66 days for what was promised in 30."""
    opened = await honeymoon(http, **fields)
    await say(http, opened, "promise.measured", "2020-06-01", promise="p1", actual=66)
    return opened


async def power_sharing(http: httpx.AsyncClient, **fields: Any) -> str:
    """A partnership that shares power since 2020-09-01."""
    opened = await power_struggle(http, **fields)
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    answer = await ask(http, opened, "share_power", "2020-09-01")
    assert answer.status_code == 201, answer.text
    return opened


async def worked_example(http: httpx.AsyncClient, **fields: Any) -> str:
    """The whole example: a refusal on the way, a relapse, and power shared again on 2021-03-01."""
    opened = await power_struggle(http, **fields)
    await ask(http, opened, "share_power", "2020-07-01")
    await say_all(http, opened, "2020-08-10", [*PEACE, *TERMS])
    await ask(http, opened, "share_power", "2020-09-01")
    await say(http, opened, "termination.threatened", "2021-01-15", side="client")
    await say(http, opened, "threat.withdrawn", "2021-01-20", side="client")
    await say_all(http, opened, "2021-02-01", PEACE)
    answer = await ask(http, opened, "share_power", "2021-03-01")
    assert answer.status_code == 201, answer.text
    return opened
