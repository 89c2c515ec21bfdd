"""What `noces capsule` does: everything that an outsider needs to check the log, in one ZIP that is checked before it counts."""

import asyncio
import base64
import zipfile
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from domain.policy import Policy, policy_toml
from events import merkle
from service import capsule as inside
from service.api.logs import ENTRIES
from service.api.meta import machine_view
from service.audit.otherwise import Otherwise, tell_otherwise
from service.capsule.checks import FORMAT, Checking, Held, entry_reader
from service.capsule.entries import read_entry
from service.capsule.files import Files, bundled, tile_name
from service.capsule.report import REPORT, Report, render
from service.capsule.story import Machine, Story
from service.clock import now
from service.diagram import svg
from service.errors import ServiceError
from service.event_schemas import events_document
from service.files import taking
from service.operations.log import checkpoint
from service.operations.progress import Tell, progress
from service.operations.reading import check_new, log_of
from service.projections import Query
from service.projections.partnerships import all_ids, exists
from service.proofs.log_keys import log_verifiers
from service.proofs.note import Checkpoint, opened, read_checkpoint, read_verifier
from service.proofs.signed import Signed, find_stamp, list_signed
from service.proofs.tables import Tree, find_tree
from service.settings import Settings, SettingsError
from service.views import instant

CHECKPOINTS = 100
"""The most older checkpoints that are packed, the newest of them."""
ROOT = Path(inside.__file__).parents[2]
BESIDE = ("service/__init__.py", "events/__init__.py", "events/merkle.py")
"""What the verifier needs beside the modules of service/capsule; all lie in a capsule under the paths that they have here."""
READ_ME = """\
An audit capsule of {origin}: {size} entries, made on {as_of} by Noces {noces}.

  python3 verify.py                      checks everything in here; nothing but Python 3.9 or newer is needed
  python3 verify.py --key FILE           and that the log is signed by the key that you have kept
  python3 verify.py --checkpoint FILE    and that the log still holds what was signed for a checkpoint that you kept

report.html        the partnerships' stages, made from the entries; printable
log/               the log: entries and tree (C2SP tlog-tiles), signed heads, verifier key
policies/          the policies that were adopted; machine.json, machine.svg: stages, arrows, guards
schemas/           the shape of every entry (JSON Schema)
manifest.json      what this capsule is about
verifier/          what verify.py runs: the very files of the release at the same paths

What the checks prove, and what they cannot: docs/capsule.md and docs/proofs.md of the project.
`noces verify --capsule FILE` takes every decision again as well.
"""

_TILES = "SELECT number, hashes FROM tree_tiles WHERE organisation = ? AND level = ? AND number BETWEEN ? AND ?"
_OLDER = "SELECT size FROM checkpoints WHERE organisation = ? AND origin = ? AND size < ? ORDER BY size DESC LIMIT ?"


class Wanted(Struct, frozen=True, kw_only=True):
    """What a capsule is to hold beside the log: a report of these partnerships (none named: of all), in a language."""

    organisation: str
    partnerships: tuple[str, ...] = ()
    language: str = "en"


async def make_capsule(settings: Settings, out: Path, wanted: Wanted) -> dict[str, Any]:
    """Sign the head, pack the log up to it, and check the capsule as its reader will; then it gets its name.

    Answers `{"file", "entries", "partnerships", "root", "key"}`. Raises SettingsError, ServiceError `not_found`, `forked`.
    """
    check_new(out)
    async with log_of(settings, wanted.organisation) as query:
        reported = await _reported(query, wanted)
        note = await checkpoint(settings, wanted.organisation)
        packing = await _begin(query, wanted, note, reported)
        with taking(out) as fresh, progress("packing") as tell:
            await packing.pack(fresh, tell)
            await asyncio.to_thread(_check, fresh)
    return {
        "file": str(out), "entries": packing.head.size, "partnerships": len(packing.reported),
        "root": packing.manifest["root"], "key": packing.tree.verifier,
    }  # fmt: skip


async def _reported(query: Query, wanted: Wanted) -> tuple[str, ...]:
    for each in wanted.partnerships:
        if not await exists(query, wanted.organisation, each):
            raise ServiceError("not_found", f"There is no partnership {each!r} in this log.")
    return tuple(dict.fromkeys(wanted.partnerships)) or tuple(await all_ids(query, wanted.organisation))


async def _begin(query: Query, wanted: Wanted, note: str, reported: tuple[str, ...]) -> "_Packing":
    tree = await find_tree(query, wanted.organisation)
    if tree is None:
        raise SettingsError("The log lost its tree while the capsule was made; begin again.")
    head = read_checkpoint(opened(note, [read_verifier(tree.verifier)]))
    return _Packing(query, wanted, note, head, tree, reported)


class _Packing:
    """One capsule being packed."""

    def __init__(
        self, query: Query, wanted: Wanted, note: str, head: Checkpoint, tree: Tree, reported: tuple[str, ...]
    ) -> None:
        self.head, self.tree, self.reported = head, tree, reported
        self.manifest: dict[str, Any] = {}
        self._query = query
        self._wanted = wanted
        self._note = note
        self._story = Story(Machine(msgspec.to_builtins(machine_view())), frozenset(reported))

    async def pack(self, path: Path, tell: Tell) -> None:
        """Write the ZIP: the log first, then what is made from it."""
        self.manifest = await self._manifest()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            await self._pack_log(file, tell)
            self._pack_rules(file)
        reader = Report(
            self.manifest, self.tree.verifier, Machine(msgspec.to_builtins(machine_view())), self._story.paths,
            entry_reader(Files(path), self.head.size),
        )  # fmt: skip
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
            file.writestr("report.html", await asyncio.to_thread(render, reader))
            file.writestr("manifest.json", msgspec.json.format(msgspec.json.encode(self.manifest)))
            file.writestr("README.txt", READ_ME.format(**self.manifest))

    async def _manifest(self) -> dict[str, Any]:
        state_hash = ""
        folded = Otherwise(organisation=self._wanted.organisation, mode="fold", end=self.head.size, alone=True)
        async for line in tell_otherwise(self._query, folded):
            state_hash = line["result"]["state_hash"] if "result" in line else state_hash
        as_of: datetime = now()
        return {
            "format": FORMAT, "noces": version("noces"), "log": self._wanted.organisation, "origin": self.head.origin,
            "size": self.head.size, "root": base64.b64encode(self.head.root).decode(), "as_of": instant(as_of),
            "state_hash": state_hash, "language": self._wanted.language, "report": REPORT, "partnerships": list(self.reported),
        }  # fmt: skip

    # --- the log -----------------------------------------------------------------------------------------------------

    async def _pack_log(self, file: zipfile.ZipFile, tell: Tell) -> None:
        keys = await log_verifiers(self._query, self._wanted.organisation, self.tree)
        file.writestr("log/key", self.tree.verifier + "\n")
        file.writestr("log/keys", "".join(f"{each.text}\n" for each in keys))
        file.writestr("log/checkpoint", self._note)
        for each in await self._older():
            file.writestr(f"log/checkpoints/{each.size}", each.note)
            if (stamp := await find_stamp(self._query, self._wanted.organisation, each)) is not None:
                file.writestr(f"log/stamps/{each.size}.signed", each.alone)
                file.writestr(f"log/stamps/{each.size}.tsr", stamp)
        for first in range(0, self.head.size, merkle.TILE_WIDTH):
            await self._pack_bundle(file, first)
            tell(first, self.head.size)
        level, count = 0, self.head.size
        while count:
            await self._pack_level(file, level, count)
            level, count = level + 1, count // merkle.TILE_WIDTH

    async def _older(self) -> Sequence[Signed]:
        """The newest of the checkpoints before the head, with their witnesses."""
        place = (self._wanted.organisation, self.head.origin)
        sizes = [int(str(row[0])) for row in await self._query(_OLDER, (*place, self.head.size, CHECKPOINTS))]
        return await list_signed(self._query, *place, min(sizes) - 1, len(sizes)) if sizes else ()

    async def _pack_bundle(self, file: zipfile.ZipFile, first: int) -> None:
        end = min(first + merkle.TILE_WIDTH, self.head.size)
        rows = await self._query(ENTRIES, (self._wanted.organisation, first, end))
        entries = [bytes(row[0]) for row in rows if isinstance(row[0], bytes)]
        for position, raw in enumerate(entries, first + 1):
            self._story.take(read_entry(raw, position))
        file.writestr(tile_name("entries", first // merkle.TILE_WIDTH, end - first), bundled(entries))

    async def _pack_level(self, file: zipfile.ZipFile, level: int, count: int) -> None:
        """The tiles of one level of so many hashes; the last one is cut from what may have grown since."""
        last = (count - 1) // merkle.TILE_WIDTH
        for first in range(0, last + 1, merkle.TILE_WIDTH):
            asked = (self._wanted.organisation, level, first, min(first + merkle.TILE_WIDTH - 1, last))
            for number, hashes in await self._query(_TILES, asked):
                width = min(merkle.TILE_WIDTH, count - int(str(number)) * merkle.TILE_WIDTH)
                raw = bytes(hashes)[: width * 32] if isinstance(hashes, bytes) else b""
                file.writestr(tile_name(str(level), int(str(number)), width), raw)

    # --- the rules ---------------------------------------------------------------------------------------------------

    def _pack_rules(self, file: zipfile.ZipFile) -> None:
        file.writestr("machine.json", msgspec.json.encode(machine_view()))
        file.writestr("machine.svg", svg() + "\n")
        file.writestr("schemas/events.json", msgspec.json.encode(events_document()))
        for number, policy in self._story.policies.items():
            file.writestr(f"policies/{number}.json", msgspec.json.encode(policy))
            file.writestr(f"policies/{number}.toml", policy_toml(msgspec.convert(policy, Policy)))
        script = (ROOT / "service/capsule/verify.py").read_text(encoding="utf-8")
        for name in ("verify.py", "__main__.py"):
            file.writestr(name, script)
        for path in (*BESIDE, *_modules()):
            file.writestr(f"verifier/{path}", (ROOT / path).read_bytes())


def _modules() -> Sequence[str]:
    found = sorted((ROOT / "service/capsule").glob("*.py"))
    return [f"service/capsule/{each.name}" for each in found if each.name != "verify.py"]


def _check(path: Path) -> None:
    """What a reader would find. Raises SettingsError, so that no capsule is handed out that fails."""
    for finding in Checking(Files(path), Held()).run():
        raise SettingsError(f"The capsule does not check, so none was made: {finding}. Run noces verify.")
