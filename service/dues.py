"""Dues: when the clock looks at a partnership next, told with what moves that instant."""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from domain import commands as c
from domain.owed import next_due
from domain.policy import Policy
from events.store import Append, RowChange
from service.asked import Administer, Job
from service.policies import Policies
from service.projections.due import due_row


class Dues:
    """Remembers what was told, so that only what changes is written; `quiet` is how long time waits for an old story."""

    def __init__(self, policies: Policies, clock: Callable[[], datetime], quiet: timedelta) -> None:
        self._policies = policies
        self._clock = clock
        self._quiet = quiet
        self._due: dict[tuple[str, str], datetime | None] = {}

    async def told(self, planned: list[tuple[Job, Append]]) -> list[tuple[Job, Append]]:
        """Tell the clock when to look again, once for each partnership of the batch: with the last append to it."""
        last = {job.place: number for number, (job, _) in enumerate(planned) if job.decision is not None}
        for number in last.values():
            job, append = planned[number]
            _, policy = await self._policies.in_force(job.asked.organisation)
            planned[number] = (job, replace(append, rows=(*append.rows, *self._rows(job, policy))))
        return planned

    def _rows(self, job: Job, policy: Policy) -> list[RowChange]:
        due = next_due(job.decision.state, policy) if job.decision is not None else None
        now = self._clock()
        dated = _dated(job.asked.command)
        # Somebody is telling an old story: time waits for the rest of it.
        if due is not None and dated is not None and dated < now - timedelta(days=1):
            due = max(due, now + self._quiet)
        if self._due.get(job.place, ...) == due:
            return []
        self._due[job.place] = due
        return [due_row(*job.place, due)]

    def forget(self, place: tuple[str, str]) -> None:
        """Tell it anew: what was told of a partnership may not be stored."""
        self._due.pop(place, None)

    def forget_all(self, organisation: str) -> None:
        """Tell them all anew: another policy counts other days."""
        self._due = {place: due for place, due in self._due.items() if place[0] != organisation}


def _dated(command: c.Command | Administer) -> datetime | None:
    """The earliest instant that a command speaks of, where it names one."""
    match command:
        case c.RecordFacts(facts):
            return min((fact.occurred_at for fact in facts if fact.occurred_at is not None), default=None)
        case c.AskTransition(occurred_at=at) | c.OpenPartnership(opened_at=at):
            return at
        case _:
            return None
