"""An entry's bytes are the log's own or they are not, however quickly that is seen."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import ALL, IncidentRaised, InvoiceIssued, SlaNegotiated
from events.codec import UncanonicalError, canonical, encode_entry, read_entry
from events.envelope import Context, NewEvent
from service.audit.written import is_as_written, read_alike
from tests.domain.strategies import structs
from tests.events.golden import example

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


ODD = {
    "promise.made", "promise.revised", "promise.measured", "reality.discovered", "expert_time.requested",
    "expert_time.granted", "hours.invested", "sla.negotiated", "sla.imposed", "meeting.held", "stage.entered",
    "transition.refused", "stage.reassessed", "policy.adopted", "source.created", "source.changed", "log.forked",
}  # fmt: skip
"""Types with a fraction, or with an integer that nothing bounds."""


def written(data, at=NOON, name="evt_1"):
    new = NewEvent(id=name, data=data, occurred_at=at, decided_at=at)
    return encode_entry(new, Context(actor="key_1"), "partnership-pn_1", 3, NOON).entry


def is_written(kind, raw):
    """What is said of an entry alone; what is said at one look, with others of its type around it, must not be more."""
    entry = read_entry(raw)
    alone = is_as_written(entry, raw)
    good = written(example(ALL[kind]))
    for entries in ([raw], [good, raw], [raw, good], [good, raw, good]):
        found = read_alike(kind, ALL[kind].schema, entries)
        if found is not None:
            assert alone
            assert header(found[entries.index(raw)]) == header(entry)
            assert [each.id for each in found] == [read_entry(each).id for each in entries]
    return alone


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


STEADY = sorted(set(ALL) - ODD)


@pytest.mark.parametrize("kind", STEADY)
def test_many_of_a_type_are_read_at_one_look(kind):
    data = example(ALL[kind])
    entries = [written(data, at=NOON + timedelta(days=day), name=f"evt_{day}") for day in range(3)]
    found = read_alike(kind, ALL[kind].schema, entries)
    assert [header(each) for each in found] == [header(read_entry(each)) for each in entries]
    assert [each.data for each in found] == [data] * 3
    assert read_alike(kind, ALL[kind].schema + 1, entries) is None


@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_type_with_figures_that_may_be_odd_numbers_is_looked_at_one_by_one(kind):
    assert read_alike(kind, ALL[kind].schema, [written(example(ALL[kind]))]) is None


@pytest.mark.parametrize(
    "entries",
    [
        [INCIDENT, b""], [b"", INCIDENT], [INCIDENT, INCIDENT + b"\n"], [INCIDENT + b"\n" + INCIDENT, b""],
        [INCIDENT + b"\n" + INCIDENT, INCIDENT[:20], INCIDENT[20:]], [INCIDENT[:20], INCIDENT[20:]], [b"\n", INCIDENT],
        [INCIDENT, b"{}"], [INCIDENT, b"[1]"], [INCIDENT, INCIDENT.replace(b"INC1", b"\xff")], [INCIDENT, INVOICE],
        [INCIDENT[:-1] + b"\n}", INCIDENT],
    ],
    ids=range(12),
)  # fmt: skip
def test_no_entry_hides_in_another(entries):
    assert read_alike("incident.raised", 1, [INCIDENT, INCIDENT]) is not None
    assert read_alike("incident.raised", 1, entries) is None


def test_a_type_that_nobody_knows_is_looked_at_one_by_one():
    assert read_alike("nothing.known", 1, [INCIDENT]) is None
