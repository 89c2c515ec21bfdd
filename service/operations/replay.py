"""What `noces replay` and `noces verify` do: an audit of a database that is only read, beside a server or without one."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from domain.policy import checked
from events.codec import microseconds
from service.audit.by_position import Line, Verification
from service.audit.otherwise import Otherwise, tell_otherwise
from service.audit.reading import end_of
from service.audit.verifying import verify
from service.body import read_instant
from service.collector import calm_collector
from service.errors import ServiceError
from service.operations.first_pass import WORTH, elsewhere
from service.operations.progress import progress
from service.operations.reading import log_of, read_policy
from service.projections import Query
from service.proofs.kept import Kept
from service.settings import Settings, checkpoints_path


async def replay(settings: Settings, tell: Callable[[Line], None], **wanted: Any) -> dict[str, Any]:  # noqa: ANN401  # click's options
    """The result of an audit; findings and the result are told as they come. Raises ServiceError, SettingsError."""
    organisation = wanted.get("organisation") or settings.organisation
    result: dict[str, Any] = {}
    async with log_of(settings, organisation) as query:
        with progress("reading") as far, calm_collector():
            async for line in await _lines(query, settings, organisation, wanted):
                if "progress" in line:
                    far(line["progress"]["position"], line["progress"]["of"])
                else:
                    tell(line)
                result = line.get("result", result)
    return result


async def _lines(query: Query, settings: Settings, organisation: str, wanted: dict[str, Any]) -> AsyncIterator[Line]:
    known_at = None if wanted.get("known_at") is None else microseconds(read_instant(wanted["known_at"], "--known-at"))
    only = frozenset(wanted["partnerships"]) if wanted.get("partnerships") else None
    modes = [name for name in ("verify", "hindsight", "policy") if wanted.get(name)]
    if len(modes) > 1 and set(modes) != {"hindsight", "policy"}:
        raise ServiceError("bad_parameter", f"--{modes[0]} and --{modes[1]} are two questions; ask one at a time.")
    if wanted.get("strict") and not wanted.get("verify"):
        raise ServiceError("bad_parameter", "--strict belongs to --verify.")
    if wanted.get("verify"):
        if wanted.get("as_of"):
            raise ServiceError(
                "bad_parameter", "--verify takes the log as it is recorded; --as-of is for the other questions."
            )
        asked = Verification(
            organisation=organisation, known_at=known_at, strict=bool(wanted.get("strict")), partnerships=only, alone=True,
            held=held_checkpoints(settings, organisation, wanted.get("checkpoints") or ()),
        )  # fmt: skip
        is_large = await end_of(query, organisation, known_at) >= WORTH
        return verify(query, asked, elsewhere(settings.database, asked) if is_large else None)
    policy_file: Path | None = wanted.get("policy")
    return tell_otherwise(
        query,
        Otherwise(
            organisation=organisation, mode="hindsight" if wanted.get("hindsight") else "what_if" if policy_file else "fold",
            policy=checked(read_policy(policy_file)) if policy_file else None, known_at=known_at, partnerships=only,
            as_of=None if wanted.get("as_of") is None else read_instant(wanted["as_of"], "--as-of"),
            alone=True,
        ),
    )  # fmt: skip


def held_checkpoints(settings: Settings, organisation: str, files: Sequence[Path]) -> tuple[str, ...]:
    """The checkpoints that were kept outside the database: beside it, and in the files that are named."""
    kept = Kept(checkpoints_path(settings)).newest(organisation)
    return (*(() if kept is None else (kept,)), *(each.read_text(encoding="utf-8") for each in files))


def told(line: Line) -> str:
    """A line for people."""
    if "result" in line:
        result = line["result"]
        count = result["divergences"]
        found = "nothing is otherwise" if result["ok"] else f"{count} finding{'' if count == 1 else 's'}"
        unread = (
            "" if result.get("report_compared", True) else "\nThe report is of another version and was not compared."
        )
        return (
            f"{result['events']} events in {result['seconds']} s: {found}.\nstate hash {result['state_hash']}{unread}"
        )
    finding = line["finding"]
    if "recorded" in finding:
        return (
            f"{finding['partnership']}: recorded {_path(finding['recorded'])}; otherwise {_path(finding['otherwise'])}"
        )
    where = f"position {finding['position']}" if "position" in finding else finding.get("stream", "the log")
    whose = f" ({finding['partnership']})" if "partnership" in finding else ""
    return f"{where}{whose}: {finding['code']}: expected {finding['expected']}, found {finding['found']}"


def _path(spells: list[dict[str, Any]]) -> str:
    told_spells = [
        f"{each['state']} since {each['entered_at'][:10]}"
        + (f" by {', '.join(each['guards'])}" if each.get("guards") else "")
        for each in spells
    ]
    return " -> ".join(told_spells) or "no more"
