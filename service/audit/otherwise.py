"""What would have been: another policy over the same log, or the same facts in the order in which they occurred."""

import hashlib
import time
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import zip_longest
from typing import Any

import msgspec

from domain import events as e
from domain.partnership import FOLD, fold
from domain.path import Path, path, retell
from domain.policy import POLICY_1, Policy
from service.audit.by_position import Line
from service.audit.entries import Entries
from service.audit.reading import Audit, Told, end_of, history_of, lives, policy_rows
from service.audit.verifying import result_line, state_line
from service.projections import Query


class Otherwise(Audit, kw_only=True):
    """What is to be told again."""

    mode: str
    """`what_if` keeps the order of the log, `hindsight` that in which the facts occurred; `fold` tells nothing anew."""
    policy: Policy | None = None
    """The policy to tell it under; None: the one in force at the end."""
    as_of: datetime | None = None
    end: int | None = None
    """The last position that is read; None: the log's own end."""


async def tell_otherwise(query: Query, wanted: Otherwise) -> AsyncIterator[Line]:
    """Progress, a finding for each partnership whose path would have been another, and one result."""
    started = time.perf_counter()
    end = wanted.end if wanted.end is not None else await end_of(query, wanted.organisation, wanted.known_at)
    entries = Entries()
    entries.expect(await policy_rows(query, wanted.organisation))
    latest = entries.adopted.in_force(end + 1)
    policy = wanted.policy or entries.adopted.policies.get(latest, POLICY_1)
    total, seen, differing = hashlib.sha256(f"fold {FOLD}\n".encode()), 0, 0
    async for identifier, rows in lives(query, wanted.organisation, end, wanted.partnerships):
        seen += len(rows)
        line, finding = await wanted.work(_compare, wanted, rows, policy, identifier)
        total.update(line)
        if finding is not None:
            differing += 1
            yield {"finding": finding}
        yield {"progress": {"position": seen, "of": end}}
    yield result_line(end, differing, started, total.hexdigest())


def _compare(
    wanted: Otherwise, rows: list[Told], policy: Policy, identifier: str
) -> tuple[bytes, dict[str, Any] | None]:
    history = history_of(rows)
    if wanted.as_of is not None:
        history = [
            each for each in history if each.occurred_at <= wanted.as_of or isinstance(each.data, e.FactRetracted)
        ]
    state = fold(history)
    line = state_line(identifier, state)
    if state.opened is None or wanted.mode == "fold":
        return line, None
    if wanted.mode == "hindsight":
        told = retell(sorted(history, key=lambda each: (each.occurred_at, each.version)), policy)
    else:
        told = retell(history, policy)
    recorded, otherwise = path(state), path(told.state)
    same = _in_common(recorded, otherwise)
    if same == len(recorded) == len(otherwise):
        return line, None
    return line, {
        "partnership": identifier, "recorded": _spells(recorded[same:]),
        "otherwise": [
            {**spell, "guards": list(told.through.get(place, ()))}
            for place, spell in enumerate(_spells(otherwise[same:]), same)
        ],
    }  # fmt: skip


def _in_common(recorded: Path, otherwise: Path) -> int:
    pairs = zip_longest(recorded, otherwise)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), len(recorded))


def _spells(told: Path) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(spell) for spell in told]
