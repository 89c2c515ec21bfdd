"""What is personal in a command is sealed before anything is decided."""

from msgspec.structs import replace

from domain import commands as c
from domain import events as e
from domain.types import Sealed
from service.asked import Job
from service.ids import Ids
from service.personal import personal_fields
from service.vault import Vault


class Sealing:
    """Seals a command's own texts, each under the id of the event that will hold it."""

    def __init__(self, vault: Vault, ids: Ids) -> None:
        self._vault = vault
        self._ids = ids

    async def seal(self, job: Job) -> None:
        """Replace what is personal by sealed values, before anything is decided."""
        match job.asked.command:
            case c.RecordFacts(facts):
                if not job.asked.ids and not any(personal_fields(type(fact.data)) for fact in facts):
                    return
                sealed = [await self._seal_one(job, fact.data, number) for number, fact in enumerate(facts)]
                command: c.Command = c.RecordFacts(
                    tuple(replace(fact, data=data) for data, fact in zip(sealed, facts, strict=True))
                )
            case c.AskTransition(text=str(text)) as asked:
                decided = await self._seal_one(job, e.SeparationDecided(reason="other", side="client", text=text))
                command = replace(asked, text=decided.text)  # type: ignore[attr-defined]
            case c.RequestOverride(reason=str(reason)) as asked:
                wanted = e.OverrideRequested(override="-", to="-", reason=reason, by="-")
                command = replace(asked, reason=(await self._seal_one(job, wanted)).reason)  # type: ignore[attr-defined]
            case _:
                return
        job.asked.command = command

    async def _seal_one(self, job: Job, data: e.Event, number: int = 0) -> e.Event:
        asked = job.asked
        event_id = asked.ids[number] if number < len(asked.ids) else self._ids.new("evt")
        sealed, rows = await self._vault.seal(asked.organisation, event_id, data)
        job.sealed_rows += rows
        job.event_ids[identity(sealed)] = event_id
        return sealed


def identity(data: e.Event) -> str:
    """What tells an own fact among the events of its decision: the sealed value, else the object."""
    for name in ("text", "reason"):
        value = getattr(data, name, None)
        if isinstance(value, Sealed):
            return f"{value.p}/{value.c}"
    return str(id(data))
