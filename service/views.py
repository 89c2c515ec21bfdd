"""Answers: events opened for readers, partnerships, histories and explanations; versions become positions here."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, overload

import msgspec

from domain import guards, machine, measures
from domain import history as told
from domain.guards import Finding
from domain.partnership import Partnership
from domain.policy import Policy
from domain.types import STAGES, Sealed
from events.codec import read_fields
from events.envelope import RecordedEvent
from service.personal import open_all
from service.projections import Query
from service.projections.partnerships import partnership_in, partnership_of
from service.vault import Vault

Json = dict[str, Any]
Positions = Mapping[tuple[str, int], int]


@overload
def instant(at: datetime) -> str: ...
@overload
def instant(at: None) -> None: ...
@overload
def instant(at: datetime | None) -> str | None: ...
def instant(at: datetime | None) -> str | None:
    """An instant as answers write it: UTC with Z."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


async def positions(query: Query, organisation: str, wanted: Iterable[tuple[str, int]]) -> Positions:
    """(stream, version) -> position in the log."""
    by_stream: dict[str, set[int]] = {}
    for stream, version in wanted:
        by_stream.setdefault(stream, set()).add(version)
    found: dict[tuple[str, int], int] = {}
    for stream, versions in by_stream.items():
        ordered = sorted(versions)
        for start in range(0, len(ordered), 500):
            part = ordered[start : start + 500]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT version, position FROM events WHERE organisation = ? AND stream = ? AND version IN ({marks})"  # noqa: S608  # only marks
            for row in await query(sql, (organisation, stream, *part)):
                version, position = (int(value) for value in row if isinstance(value, int))
                found[stream, version] = position
    return found


class Views:
    """Builds answers for one organisation's readers."""

    def __init__(self, query: Query, vault: Vault) -> None:
        self._query = query
        self._vault = vault

    # --- events ----------------------------------------------------------------------------------------------------

    async def events(self, organisation: str, recorded: Sequence[RecordedEvent]) -> list[Json]:
        """Events as readers get them: the entry's fields plus `position`, personal values opened."""
        entries: list[Json] = [read_fields(each.entry) for each in recorded]
        opened = await open_all(
            self._vault, organisation, [(each["type"], each["id"], each["data"]) for each in entries]
        )
        wanted = [(entry["stream"], version) for entry in entries for version in _versions(entry["data"])]
        known: Positions = {(each.stream, each.version): each.position for each in recorded}
        if missing := [each for each in wanted if each not in known]:
            known = {**known, **await positions(self._query, organisation, missing)}
        return [
            {"position": each.position, **_shown(entry, _located(data, each.stream, known))}
            for each, entry, data in zip(recorded, entries, opened, strict=True)
        ]

    # --- one partnership ---------------------------------------------------------------------------------------------

    def partnership(
        self, identifier: str, state: Partnership, policy: tuple[int, Policy], now: datetime, position: int
    ) -> Json:
        """A partnership as the contract has it (API 3)."""
        shares, _ = measures.activation(state, policy[1], now)
        spells = told.spells(state, now, policy[1])
        return {
            "id": identifier, "client": state.client, "partner": state.partner, "critical": state.critical,
            "stage": state.stage, "outcome": state.outcome, "ending": state.ending, "respectful": state.respectful,
            "separated_from": state.separated_from, "since": instant(state.since),
            "opened_at": instant(state.opened.at if state.opened else None),
            "observed_since": state.observed_since.isoformat() if state.observed_since else None,
            "version": state.version, "position": position,
            "telescoped": any(spell.telescoped for spell in spells[-2:-1]),
            "overlapping": measures.overlapping(state, policy[1], now),
            "activation": {stage: round(shares[stage], 4) for stage in STAGES},
            "open": _open_matters(state, now), "flags": list(told.flags(state, policy[1], now)), "policy": policy[0],
            "labels": machine.LABELS[state.stage],
            "links": [dict(zip(("system", "kind", "external_id"), link.split("\x1f"), strict=True)) for link in state.links],
        }  # fmt: skip

    async def position(self, organisation: str, stream: str, version: int) -> int:
        """The position of one event of a stream."""
        return (await positions(self._query, organisation, [(stream, version)])).get((stream, version), 0)

    async def history(
        self, organisation: str, stream: str, state: Partnership, policy: Policy, as_of: datetime, known_at: datetime
    ) -> Json:  # fmt: skip
        """The spells and the overlaps of a partnership (API 3)."""
        spells = told.spells(state, as_of, policy)
        known = await positions(self._query, organisation, [(stream, spell.cause) for spell in spells])
        stages = [
            {
                "stage": spell.stage, "outcome": spell.outcome, "entered_at": instant(spell.entered_at),
                "left_at": instant(spell.left_at), "days": spell.days, "trigger": spell.trigger,
                "cause": known.get((stream, spell.cause)), "policy": spell.policy, "telescoped": spell.telescoped,
                "forced": spell.forced,
            }
            for spell in spells
        ]  # fmt: skip
        overlaps = [
            {"stage": each.stage, "from": instant(each.start), "to": instant(each.end)}
            for each in told.overlaps(state, policy, as_of)
        ]
        return {
            "partnership": partnership_of(stream), "as_of": instant(as_of), "known_at": instant(known_at),
            "stages": stages, "overlaps": overlaps, "separated_from": state.separated_from,
            "respectful": state.respectful, "ending": state.ending,
        }  # fmt: skip

    # --- explanations --------------------------------------------------------------------------------------------------

    async def transitions(
        self, organisation: str, stream: str, state: Partnership, policy: Policy, now: datetime
    ) -> Json:
        """Every arrow that leaves the current state, with what each guard says."""
        found = []
        for trigger in sorted({trigger for trigger, source in machine.TABLE if source == state.state}):
            case = guards.Case(state=state, policy=policy, now=now, trigger=trigger)
            found.append((trigger, guards.judge(case)))
        versions = [(stream, seen.version) for _, judged in found for _, finding in judged for seen in finding.evidence]
        known = await positions(self._query, organisation, versions)
        return {
            "stage": state.stage, "outcome": state.outcome,
            "transitions": [self._transition(state, policy, *each, stream, known) for each in found],
        }  # fmt: skip

    def _transition(
        self, state: Partnership, policy: Policy, trigger: str, judged: list[tuple[str, Finding]], stream: str,
        known: Positions,
    ) -> Json:  # fmt: skip
        hard = state.separation is not None and state.separation.reason in ("performance", "breach")
        back = machine.POWER_STRUGGLE if hard else state.came_from
        target = machine.target(trigger, state.state, back) or state.state
        stage, outcome = machine.split(target)
        met = [finding.met for _, finding in judged]
        verdicts = [msgspec.to_builtins(guards.verdict(*each)) for each in judged]
        return {
            "trigger": trigger, "to": {"stage": stage, "outcome": outcome},
            "mode": "automatic" if trigger in policy.automatic else "confirmed",
            "allowed": any(met) if machine.TRIGGERS[trigger].needs == "any" else all(met),
            "guards": [guard_view(verdict, stream, known) for verdict in verdicts],
        }  # fmt: skip


def guard_view(verdict: Json, stream: str, known: Positions) -> Json:
    """A verdict for readers: positions instead of versions, and what would meet it in both languages."""
    remedy = guards.REMEDIES[verdict["code"]]
    evidence = [known[stream, version] for version in verdict["evidence"] if (stream, version) in known]
    return {**verdict, "evidence": evidence, "remedy": {"en": remedy.en, "fr": remedy.fr}}


def _open_matters(state: Partnership, now: datetime) -> Json:
    return {
        "promises": sorted(measures.overdue_promises(state, now)),
        "disputes": sorted(measures.open_matters(state, "dispute", now)),
        "threats": sorted({side for side, _ in measures.open_threats(state, now)}),
        "crises": sorted(measures.open_matters(state, "crisis", now)),
        "unmatched": measures.unmatched(state),
    }


def _shown(entry: Json, data: Json) -> Json:
    whose = {} if (partnership := partnership_in(entry["stream"])) is None else {"partnership": partnership}
    return {**entry, "data": data, **whose}


def _versions(data: Json) -> list[int]:
    """The versions of its own stream that an entry speaks of."""
    found = [data[name] for name in ("cause", "because") if name in data]
    return found + [
        version for guard in data.get("guards", ()) if isinstance(guard, dict) for version in guard["evidence"]
    ]


def _located(data: Json, stream: str, known: Positions) -> Json:
    for name in ("cause", "because"):
        if name in data:
            data[name] = known.get((stream, data[name]))
    if isinstance(data.get("guards"), list):
        data["guards"] = [guard_view(guard, stream, known) for guard in data["guards"]]
    return data


def sealed_in(value: object) -> bool:
    """Whether a value is a sealed one."""
    return isinstance(value, Sealed)
