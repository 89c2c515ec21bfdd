"""Traces of an XES log (IEEE 1849), one after the other: memory stays flat however long the log is.

A log comes from elsewhere, so what XML can hide is refused: document types, entities, other encodings than UTF-8, and
whatever would have to be held whole without an end.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from xml.parsers import expat

CHUNK = 65_536
DEPTH = 100
TOKEN = 1_000_000
"""The most bytes of one piece of XML."""
EVENTS = 100_000
"""The most events of one trace."""


class XesError(ValueError):
    """What is read is no XES log that can be trusted."""


class Trace(NamedTuple):
    """One case: its name, and its events as their own attributes by key, in the order of the log."""

    name: str
    events: list[dict[str, str]]


def read_traces(source: BinaryIO) -> Iterator[Trace]:
    """The traces of a log as they are read. Raises XesError."""
    reader, sent = _Reader(), 0
    while chunk := source.read(CHUNK):
        sent += len(chunk)
        yield from reader.feed(chunk)
        if sent - reader.parsed > TOKEN:
            raise XesError(f"The log has a piece of XML of more than {TOKEN:,} bytes without an end.")
    yield from reader.feed(b"", last=True)


class _Reader:
    """The elements that are open, and the traces that are complete."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._name = ""
        self._events: list[dict[str, str]] = []
        self._ready: list[Trace] = []
        self._parser = expat.ParserCreate("utf-8", namespace_separator="\n")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype

    @property
    def parsed(self) -> int:
        """How many bytes are read and done with."""
        return self._parser.CurrentByteIndex

    def feed(self, chunk: bytes, *, last: bool = False) -> list[Trace]:
        """The traces that some more bytes complete."""
        if b"\x00" in chunk:  # no UTF-8 that XML allows has one, and a mark at the start would overrule the encoding
            raise XesError("The log is not XML in UTF-8: it holds a zero byte.")
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            raise XesError(f"The log is not XML in UTF-8: {error}.") from None
        ready, self._ready = self._ready, []
        return ready

    def _doctype(self, *_: object) -> None:
        raise XesError("The log declares a document type, which is never read: remove it.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        parent, local = self._open[-1] if self._open else "", name.rpartition("\n")[2]
        self._open.append(local)
        if len(self._open) > DEPTH:
            raise XesError(f"The log nests elements more than {DEPTH} deep.")
        if local == "event":
            self._events.append({})
        elif parent == "event" and self._events and "key" in attributes:
            self._events[-1][attributes["key"]] = attributes.get("value", "")
        elif parent == "trace" and attributes.get("key") == "concept:name":
            self._name = attributes.get("value", "")
        if len(self._events) > EVENTS:
            raise XesError(f"Trace {self._name!r} has more than {EVENTS:,} events.")

    def _end(self, _: str) -> None:
        if self._open.pop() == "trace":
            self._ready.append(Trace(self._name, self._events))
            self._name, self._events = "", []
