"""XES is read as a stream, and what XML can hide is refused."""

import io
import tracemalloc

import pytest

from examples.xes import EVENTS, TOKEN, XesError, read_traces

HEAD = b'<?xml version="1.0" encoding="utf-8"?><log xmlns="http://www.xes-standard.org/">'
EVENT = b'<event><string key="concept:name" value="Closed"/><date key="time:timestamp" value="2012-10-09T14:50:17Z"/></event>'
TRACE = b'<trace><string key="concept:name" value="Case 1"/>' + EVENT + b"</trace>"


def traces(*parts):
    return list(read_traces(io.BytesIO(b"".join(parts))))


def test_a_trace_has_its_name_and_its_events_in_order():
    (trace,) = traces(HEAD, TRACE, b"</log>")
    assert trace.name == "Case 1"
    assert trace.events == [{"concept:name": "Closed", "time:timestamp": "2012-10-09T14:50:17Z"}]


def test_prefixed_names_and_nested_attributes_are_read_past():
    nested = b'<x:string key="cost" value="1"><x:string key="currency" value="EUR"/></x:string>'
    log = b'<x:log xmlns:x="http://www.xes-standard.org/"><x:trace><x:event>' + nested + b"</x:event></x:trace></x:log>"
    assert [trace.events for trace in traces(log)] == [[{"cost": "1"}]]


def test_attributes_of_the_log_and_its_globals_are_of_no_trace():
    outside = b'<string key="concept:name" value="all"/><global scope="event"><string key="a" value="b"/></global>'
    assert [trace.name for trace in traces(HEAD, outside, b"<trace/>", TRACE, b"</log>")] == ["", "Case 1"]


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (b'<!DOCTYPE log SYSTEM "file:///etc/passwd"><log/>', "document type"),
        (b'<!DOCTYPE log [<!ENTITY a "aa">]><log>&a;</log>', "document type"),
        (b"<log>&a;</log>", "not XML in UTF-8"),
        ('<?xml version="1.0" encoding="utf-16"?><log/>'.encode("utf-16"), "not XML in UTF-8"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><log a="\xe9"/>', "not XML in UTF-8"),
        (b"<log><trace>", "not XML in UTF-8"),
        (b"", "not XML in UTF-8"),
        (b"<a>" * 200, "deep"),
        (b'<log a="' + b"x" * (2 * TOKEN), "without an end"),
        (HEAD + b"<trace>" + b"<event/>" * (EVENTS + 1), "has more than"),
    ],
    ids=["doctype", "entity", "unknown entity", "utf-16", "latin 1", "cut", "empty", "deep", "endless", "long trace"],
)
def test_what_cannot_be_trusted_is_refused_in_a_sentence(log, why):
    with pytest.raises(XesError, match=why):
        traces(log)


class Long(io.RawIOBase):
    """A log of many traces that nobody holds whole."""

    def __init__(self, size):
        self._parts = iter([HEAD, *[TRACE * 300] * (size // (300 * len(TRACE))), b"</log>"])

    def read(self, size=-1):
        return next(self._parts, b"")


def test_memory_stays_flat_however_long_the_log_is():
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_traces(Long(4_000_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count > 15_000
    assert peak < 1_500_000
