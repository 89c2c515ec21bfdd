"""Everything that a capsule is checked for, by position: bytes, tree, signature, order, arrows, verdicts, the report."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from events import merkle
from service.capsule.entries import Entry, EntryError, Finding, Order, read_entry, recorded_at
from service.capsule.files import CapsuleError, Files, entries_of, tile_name
from service.capsule.notes import Checkpoint, Key, NoteError, read_checkpoint, read_key
from service.capsule.report import REPORT, Report, render
from service.capsule.story import Machine, Story
from service.capsule.tiles import Tree

FORMAT = 1


class Held(NamedTuple):
    """What somebody has kept outside the capsule, and compares with it."""

    key: str = ""
    checkpoints: tuple[str, ...] = ()
    machine: bytes = b""
    any_report: bool = False
    """Whether a report of another version, which only that release can make again, is passed over."""


class Checking:
    """One capsule under examination."""

    def __init__(self, files: Files, held: Held) -> None:
        self._files = files
        self._held = held
        self.manifest = _json(files, "manifest.json")
        if self.manifest.get("format") != FORMAT:
            raise CapsuleError(f"this verifier reads capsules of format {FORMAT}, not {self.manifest.get('format')!r}")
        self.key_text = files.text("log/key").strip()
        self._keys = [*self._files.text("log/keys").split(), self.key_text]
        self._announced: set[str] = set()
        self.size = 0
        self.compared_report = True
        """Whether the report was made again; one of another version cannot be."""
        self._heads: list[Checkpoint] = []
        self._sizes: set[int] = set()
        self._tree = Tree(files, self._sizes)
        self._machine = Machine(_json(files, "machine.json"))
        self._story = Story(self._machine, frozenset(self.manifest["partnerships"]))

    def run(self) -> Iterator[Finding]:
        """Everything that is otherwise than it should be, in the order of the checks."""
        yield from self._signatures()
        yield from self._entries()
        yield from self._compare_roots()
        yield from self._policies()
        yield from self._report()

    # --- who signed --------------------------------------------------------------------------------------------------

    def _signatures(self) -> Iterator[Finding]:
        if self._held.key and self._held.key.strip() != self.key_text:
            yield Finding(0, "key", self._held.key.strip(), self.key_text)
        if self._held.machine and json.loads(self._held.machine) != _json(self._files, "machine.json"):
            yield Finding(0, "machine", "the machine that you have", "another one")
        yield from self._signed("log/checkpoint", self._files.text("log/checkpoint"), [_key(self.key_text)])
        names = sorted(name for name in self._files.names if name.startswith("log/checkpoints/"))
        notes = {name: self._files.text(name) for name in names}
        notes.update({f"your checkpoint {place}": note for place, note in enumerate(self._held.checkpoints, 1)})
        for name, note in notes.items():
            yield from self._signed(name, note, [_key(each) for each in self._keys])

    def _signed(self, name: str, note: str, keys: list[Key]) -> Iterator[Finding]:
        try:
            head = read_checkpoint(note, keys)
        except NoteError as error:
            yield Finding(0, "signature", "a note that the log's key has signed", f"{name}: {error}")
            return
        self._heads.append(head)
        self._sizes.add(head.size)
        told = self.manifest
        if name == "log/checkpoint":
            self.size = head.size
            shown = (told["origin"], told["size"], told["root"])
            signed = (head.origin, head.size, base64.b64encode(head.root).decode())
            if shown != signed:
                yield Finding(head.size, "manifest", str(signed), str(shown))

    # --- entry by entry ----------------------------------------------------------------------------------------------

    def _entries(self) -> Iterator[Finding]:
        """Every entry as the leaf that it is, and in its order after those before it."""
        order = Order()
        for first, entries in self.bundles():
            yield from self._tree.take(entries)
            for position, raw in enumerate(entries, first):
                yield from self._read(order, position, raw)
        yield from self._tree.end()
        for each in self._keys:
            if each not in self._announced:
                yield Finding(0, "key", "a key that the log announces in its entries", each)

    def _read(self, order: Order, position: int, raw: bytes) -> Iterator[Finding]:
        try:
            entry = read_entry(raw, position)
            yield from order.take(entry, recorded_at(raw))
            yield from self._story.take(entry)
            if entry.type == "log.key_added":
                self._announced.add(entry.data["key"])
        except (EntryError, AttributeError, KeyError, TypeError, ValueError) as error:
            yield Finding(position, "entry", "an entry", f"{type(error).__name__}: {error}")

    def bundles(self) -> Iterator[tuple[int, list[bytes]]]:
        """(position of the first, entries) of every bundle. Raises CapsuleError."""
        for first in range(0, self.size, merkle.TILE_WIDTH):
            width = min(merkle.TILE_WIDTH, self.size - first)
            name = tile_name("entries", first // merkle.TILE_WIDTH, width)
            entries = list(entries_of(self._files.read(name), name))
            if len(entries) != width:
                raise CapsuleError(
                    f"position {first + len(entries) + 1}: {name} holds {len(entries)} entries, not {width}"
                )
            yield first + 1, entries

    def _compare_roots(self) -> Iterator[Finding]:
        """Each signed head against the tree of that size; the smallest one that differs bounds where."""
        good = 0
        for head in sorted(self._heads, key=lambda head: head.size):
            root = self._tree.roots.get(head.size)
            if root == head.root:
                good = head.size
                continue
            found = "no such entries" if root is None else root.hex()
            between = f"{head.root.hex()} over {head.size} entries (the first {good} are as they were signed)"
            yield Finding(min(good + 1, self.size + 1), "root", between, found)

    # --- beside the log ----------------------------------------------------------------------------------------------

    def _policies(self) -> Iterator[Finding]:
        for version, policy in self._story.policies.items():
            if _json(self._files, f"policies/{version}.json") != policy:
                yield Finding(0, "policy", f"policy {version} as it was adopted", f"policies/{version}.json")

    def _report(self) -> Iterator[Finding]:
        if self.manifest["report"] != REPORT:
            self.compared_report = False
            if not self._held.any_report:
                yield Finding(0, "report", f"version {REPORT}", f"version {self.manifest['report']}")
            return
        if any(identifier not in self._story.paths for identifier in self.manifest["partnerships"]):
            yield Finding(0, "report", "partnerships of this log", "another one in the manifest")
            return
        read = entry_reader(self._files, self.size)
        report = Report(self.manifest, self.key_text, self._machine, self._story.paths, read)
        given, made = self._files.text("report.html"), render(report)
        if given != made:
            place = next((at for at, (a, b) in enumerate(zip(given, made)) if a != b), min(len(given), len(made)))  # noqa: B905  # Python 3.9
            line, shown = made.count("\n", 0, place) + 1, slice(max(place - 40, 0), place + 80)
            yield Finding(0, "report", f"{made[shown]!r} in line {line}", repr(given[shown]))


def entry_reader(files: Files, size: int) -> Callable[[int], Entry]:
    """Reads single entries, some bundles kept at hand."""

    @lru_cache(maxsize=64)
    def bundle(number: int) -> list[bytes]:
        name = tile_name("entries", number, min(merkle.TILE_WIDTH, size - number * merkle.TILE_WIDTH))
        return list(entries_of(files.read(name), name))

    def read(position: int) -> Entry:
        number, place = divmod(position - 1, merkle.TILE_WIDTH)
        return read_entry(bundle(number)[place], position)

    return read


def _key(text: str) -> Key:
    try:
        return read_key(text)
    except NoteError as error:
        raise CapsuleError(f"log/key: {error}") from error


def _json(files: Files, name: str) -> Any:  # noqa: ANN401  # JSON of any shape
    try:
        return json.loads(files.text(name))
    except ValueError as error:
        raise CapsuleError(f"{name} is no JSON: {error}") from error
