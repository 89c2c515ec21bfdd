"""What `noces verify --capsule` does: the capsule's own checks, and every decision in it taken again."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from events.sqlite import SqliteStore
from service.api.meta import machine_view
from service.audit.by_position import Line, Verification
from service.audit.verifying import verify
from service.capsule.checks import Checking, Held
from service.capsule.files import CapsuleError, Files
from service.clock import now
from service.errors import ServiceError
from service.operations.progress import progress
from service.projections.all import MIGRATIONS, project
from service.restoring import restore_log
from service.settings import SettingsError


def held(checkpoints: Sequence[Path], key: Path | None) -> Held:
    """What the auditor has kept, and the machine of this release."""
    return Held(
        key="" if key is None else key.read_text(encoding="utf-8"),
        checkpoints=tuple(each.read_text(encoding="utf-8") for each in checkpoints),
        machine=msgspec.json.encode(machine_view()),
        any_report=True,
    )


async def audit_capsule(file: Path, tell: Callable[[Line], None], kept: Held, *, strict: bool) -> dict[str, Any]:
    """The result, findings told as they come. Raises SettingsError where the file is no capsule that can be read."""
    try:
        checking = Checking(Files(file), kept)
        found = 0
        for finding in checking.run():
            found += 1
            tell({"finding": {name: value for name, value in finding._asdict().items() if value}})
        result = await _redecide(checking, tell, strict=strict) if not found else {"divergences": 0}
    except (CapsuleError, ServiceError) as error:
        raise SettingsError(f"{file}: {error}") from error
    if not found and result["state_hash"] != checking.manifest["state_hash"]:
        found = 1
        expected, hashed = checking.manifest["state_hash"], result["state_hash"]
        tell({"finding": {"code": "state_hash", "expected": expected, "found": hashed}})
    divergences = found + result["divergences"]
    told = {
        "events": checking.size,
        "seconds": 0,
        "state_hash": "",
        **result,
        "report_compared": checking.compared_report,
    }
    result = {**told, "ok": not divergences, "divergences": divergences}
    tell({"result": result})
    return result


async def _redecide(checking: Checking, tell: Callable[[Line], None], *, strict: bool) -> dict[str, Any]:
    """Restore the entries into a log of their own for the time of a verification."""
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="noces-") as folder, progress("verifying") as far:
        store = await SqliteStore.open(
            Path(folder) / "log.db", migrations=MIGRATIONS, clock=now, projections=(project,)
        )
        try:
            await restore_log(
                store, checking.manifest["log"], _lines(checking), lambda position: far(position, checking.size)
            )
            async for line in verify(
                store.query, Verification(organisation=checking.manifest["log"], strict=strict, alone=True)
            ):
                if "progress" in line:
                    far(line["progress"]["position"], line["progress"]["of"])
                elif "finding" in line:
                    tell(line)
                else:
                    result = line["result"]
        finally:
            await store.close()
    return result


def _lines(checking: Checking) -> Iterator[bytes]:
    """The entries as an exported log has them."""
    for first, entries in checking.bundles():
        for position, raw in enumerate(entries, first):
            yield b'{"position":%d,%s' % (position, raw[1:])
