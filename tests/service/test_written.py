"""An entry's bytes are the log's own or they are not, however quickly that is seen."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import ALL, IncidentRaised, InvoiceIssued, SlaNegotiated
from events.codec import UncanonicalError, canonical, encode_entry, read_entry
from events.envelope import Context, NewEvent
from service.audit.written import is_as_written, read_written
from tests.domain.strategies import structs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def written(data):
    new = NewEvent(id="evt_1", data=data, occurred_at=NOON, decided_at=NOON)
    return encode_entry(new, Context(actor="key_1"), "partnership-pn_1", 3, NOON).entry


def is_written(kind, raw):
    """What is said quickly, once it was seen to be what is said at length."""
    entry, quickly = read_written(kind, ALL[kind].schema, raw)
    plain = read_entry(raw)
    assert quickly is is_as_written(plain, raw)
    assert header(entry) == header(plain)
    return quickly


def header(entry):
    return {name: value for name, value in msgspec.structs.asdict(entry).items() if name != "data"}


def is_kept(data):
    try:
        return bool(written(data))
    except UncanonicalError:
        return False


events = st.sampled_from(sorted(ALL)).flatmap(lambda kind: structs(ALL[kind])).filter(is_kept)


@given(events)
def test_what_the_log_writes_is_as_it_writes_it(data):
    assert is_written(data.type, written(data))


@given(events, st.randoms(use_true_random=False))
def test_the_same_value_in_other_bytes_is_not(data, random):
    raw = written(data)
    plain = json.loads(raw)
    turned = json.dumps(dict(reversed(plain.items())), separators=(",", ":"), ensure_ascii=False).encode()
    spaced = raw.replace(b",", b", ", 1)
    escaped = raw.replace(b'"actor"', b'"\\u0061ctor"', 1)
    for other in (turned, spaced, escaped, raw + b"\n"):
        assert not is_written(data.type, other)
    assert not is_written(random.choice(sorted(ALL)), spaced), "whatever type the row beside it says"


INCIDENT = written(IncidentRaised(incident="INC1", priority=3))
INVOICE = written(InvoiceIssued(invoice="F1", amount=30, currency="EUR"))
TARGET = written(SlaNegotiated(sla="s1", metric="availability", target=0.5))


@pytest.mark.parametrize(
    ("kind", "raw", "before", "after"),
    [
        ("incident.raised", INCIDENT, b'"priority":3', b'"priority":3.0'),
        ("incident.raised", INCIDENT, b'"priority":3', b'"priority":9007199254740993'),
        ("invoice.issued", INVOICE, b'"amount":30', b'"amount":3e1'),
        ("invoice.issued", INVOICE, b'"amount":30', b'"amount":9007199254740993'),
        ("sla.negotiated", TARGET, b"0.5", b"1.0"),
        ("sla.negotiated", TARGET, b"0.5", b"0.50"),
        ("sla.negotiated", TARGET, b"0.5", b"5e-1"),
        ("incident.raised", INCIDENT, b'"INC1"', b'"\\u0000"'),
        ("incident.raised", INCIDENT, b'"priority":3', b'"priority":3,"priority":3'),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) and len(value) < 50 else "",
)
def test_odd_numbers_and_texts_are_seen(kind, raw, before, after):
    other = raw.replace(before, after)
    assert other != raw
    assert is_written(kind, raw)
    assert not is_written(kind, other)


@pytest.mark.parametrize("more", [b'"zeal":1', b'"zeal":"\xc3\xa9"'])
def test_an_entry_that_says_more_is_looked_at_as_a_whole(more):
    raw = INCIDENT[:-1] + b"," + more + b"}"
    assert raw == canonical(json.loads(raw))
    assert is_written("incident.raised", raw)
    assert not is_written("incident.raised", raw.replace(b'"zeal":', b'"zeal": '))


@pytest.mark.parametrize(
    ("kind", "schema"), [("incident.raised", 2), ("incident.raised", 0), ("nothing.known", 1), ("invoice.paid", 1)]
)
def test_data_of_another_shape_is_read_as_plain_values(kind, schema):
    entry, as_written = read_written(kind, schema, INCIDENT)
    assert as_written
    assert entry == read_entry(INCIDENT)
    assert entry.data == {"incident": "INC1", "priority": 3}


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", INCIDENT[:-1], INCIDENT.replace(b"INC1", b"\xff")])
def test_what_is_no_entry_is_not_read(raw):
    with pytest.raises(ValueError, match=r"."):
        read_written("incident.raised", 1, raw)
