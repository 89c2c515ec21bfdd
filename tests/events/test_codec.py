"""Entry bytes are canonical, survive releases, and refuse what has no canonical form."""

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from domain.events import ALL, InvoicePaid, PolicyAdopted, SlaNegotiated, SourceCreated, TechnologyRetired
from domain.policy import POLICY_1
from events.codec import (
    UncanonicalError,
    canonical,
    decode,
    decode_data,
    encode_entry,
    from_microseconds,
    happened,
    microseconds,
    named,
    read_entry,
)
from events.envelope import Context, NewEvent, RecordedEvent
from events.upcasters import UPCASTERS, upcast
from tests.events import golden

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT = 2**53 - 1


def encoded(data, at=NOON, **named_arguments):
    new = NewEvent(id="evt_1", data=data, occurred_at=at, **named_arguments)
    return encode_entry(new, Context(actor="key_1"), "a", 3, NOON)


def settings(value):
    return SourceCreated(source="s", connector="c", name="n", settings={"value": value})


# --- canonical bytes -------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
names = st.text(st.characters(min_codepoint=1, max_codepoint=127))
sizes = st.floats(1e-5, 1e15, exclude_max=True)
numbers = st.integers(-LIMIT, LIMIT) | sizes | sizes.map(lambda size: -size) | st.sampled_from([0.0, -0.0, 30.0, 1e14])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_canonical_bytes_are_those_of_rfc_8785(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(values)
def test_an_entry_is_canonical_as_a_whole(value):
    entry = encoded(settings(value)).entry
    assert entry == rfc8785.dumps(json.loads(entry))
    assert canonical(msgspec.json.decode(entry)) == entry


@given(values)
def test_canonical_bytes_do_not_depend_on_the_order_of_names(value):
    def turned(found):
        match found:
            case dict():
                return {name: turned(found[name]) for name in reversed(found)}
            case list():
                return [turned(item) for item in found]
            case _:
                return found

    assert canonical(turned(value)) == canonical(value)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (30.0, b"30"), (-30.0, b"-30"), (0.0, b"0"), (-0.0, b"0"), (0, b"0"), (1e14, b"100000000000000"),
        (0.1 + 0.2, b"0.30000000000000004"), (1e-5, b"0.00001"), (999999999999999.9, b"999999999999999.9"),
        (LIMIT, b"9007199254740991"), (-LIMIT, b"-9007199254740991"), (float(2**49), b"562949953421312"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_every_reader_writes_them(number, text):
    assert canonical(number) == text
    assert canonical([number]) == b"[" + text + b"]"
    assert canonical({"a": {"b": number}}) == b'{"a":{"b":' + text + b"}}"
    assert b'"settings":{"value":' + text + b"}" in encoded(settings(number)).entry


@pytest.mark.parametrize(
    "number", [math.nan, math.inf, -math.inf, LIMIT + 1, -LIMIT - 1, 10**40, 1e15, -1e15, 1e16, 1e300, 9.9e-6, 5e-324]
)
def test_numbers_beyond_the_range_are_refused(number):
    for value in (number, [1, number], {"a": [{"b": number}]}):
        with pytest.raises(UncanonicalError):
            canonical(value)
    with pytest.raises(UncanonicalError):
        encoded(settings(number))


def test_nothing_and_a_text_that_says_null_are_no_numbers():
    assert canonical([None, "null", {"null": 0.5}]) == b'[null,"null",{"null":0.5}]'


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "a\udfffb", "\udc00\ud800"])
def test_texts_that_databases_differ_on_are_refused(text):
    for value in (text, [text], {"a": text}, {text: 1}):
        with pytest.raises(UncanonicalError):
            canonical(value)
    with pytest.raises(UncanonicalError):
        encoded(TechnologyRetired(subject=f"x{text}"))


@pytest.mark.parametrize(
    "text", ["\\u0000", "\\\\u0000", "\x01\x1f\x7f", "é", "e\u0301", "\ue000", "😀", "\u2028", '"\\/']
)
def test_texts_are_kept_as_they_came(text):
    entry = encoded(TechnologyRetired(subject=text)).entry
    assert json.loads(entry)["data"]["subject"] == text
    assert canonical(text) == rfc8785.dumps(text)


@pytest.mark.parametrize("name", ["é", "\ue000", "😀", "aé", 'a"\\é'])
def test_names_beyond_ascii_are_refused_and_texts_are_not(name):
    with pytest.raises(UncanonicalError, match="not ASCII"):
        canonical([{"a": {name: 1}}])
    with pytest.raises(UncanonicalError, match="not ASCII"):
        encoded(settings({name: 1}))
    assert canonical({"a": [name]}) == rfc8785.dumps({"a": [name]})


# --- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOON, b"2026-03-01T12:00:00Z"),
        (NOON.replace(microsecond=1), b"2026-03-01T12:00:00.000001Z"),
        (NOON.replace(microsecond=120_000), b"2026-03-01T12:00:00.120000Z"),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), b"2026-03-01T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=-8))), b"2026-03-01T12:00:00Z"),
    ],
)
def test_times_are_written_in_utc_with_no_fraction_or_six_digits(at, text):
    recorded = encoded(InvoicePaid(invoice="i", paid_on=date(2026, 2, 28)), at=at, decided_at=at)
    assert b'"occurred_at":"' + text + b'"' in recorded.entry
    assert b'"decided_at":"' + text + b'"' in recorded.entry
    assert b'"paid_on":"2026-02-28"' in recorded.entry
    assert recorded.occurred_at.tzinfo is UTC


def test_times_without_zone_are_refused():
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 (what is refused)
    for arguments in ({"at": naive}, {"decided_at": naive}):
        with pytest.raises(UncanonicalError, match="no zone"):
            encoded(TechnologyRetired(subject="x"), **arguments)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_column_holds_an_instant_to_the_microsecond(at):
    assert from_microseconds(microseconds(at)) == at


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_time_columns_are_ordered_as_the_instants_are(one, other):
    assert (microseconds(one) < microseconds(other)) == (one < other)


# --- entries ---------------------------------------------------------------------------------------------------------


def test_an_entry_holds_its_envelope_and_leaves_out_what_is_absent():
    recorded = encoded(TechnologyRetired(subject="x"))
    assert json.loads(recorded.entry) == {
        "v": 1, "id": "evt_1", "stream": "a", "version": 3, "type": "technology.retired", "schema": 1,
        "occurred_at": "2026-03-01T12:00:00Z", "recorded_at": "2026-03-01T12:00:00Z", "actor": "key_1",
        "data": {"subject": "x"},
    }  # fmt: skip
    assert b"null" not in recorded.entry
    assert read_entry(recorded.entry).trust is None


def test_an_entry_reads_back_as_it_was_written():
    fact = SlaNegotiated(sla="s", metric="m", target=1.0)
    recorded = encoded(fact)
    assert decode(recorded) == fact
    assert happened(recorded).data == fact
    assert happened(recorded).version == 3
    assert read_entry(recorded.entry).recorded_at == NOON


def test_a_policy_survives_though_its_numbers_lose_their_points():
    recorded = encoded(PolicyAdopted(version=1, policy=POLICY_1))
    assert b'"delay_doubled":2,' in recorded.entry
    assert decode(recorded) == PolicyAdopted(version=1, policy=POLICY_1)


def test_only_domain_events_are_written():
    with pytest.raises(TypeError, match="no domain event"):
        encoded(Context(actor="x"))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["invoice.paid"], ("invoice.paid",)),
        (["crisis.*"], ("crisis.opened", "crisis.overcome", "crisis.failed")),
        (["invoice.paid", "invoice.paid", "no.such"], ("invoice.paid", "no.such")),
        (["sla.withdrawn", "sla.withdrawn*"], ("sla.withdrawn",)),
        (["no.*"], ()),
        (["*"], tuple(ALL)),
        ([], ()),
    ],
)
def test_families_of_types_are_named(wanted, found):
    assert named(wanted) == found


# --- older shapes ----------------------------------------------------------------------------------------------------


def renamed(data):
    return {"b": data["a"]}


def added(data):
    return data | {"c": 1}


LADDER = {("x", 1): renamed, ("x", 2): added}


@pytest.mark.parametrize(
    ("schema", "target", "data", "found"),
    [
        (1, 3, {"a": 0}, {"b": 0, "c": 1}),
        (2, 3, {"b": 0}, {"b": 0, "c": 1}),
        (1, 2, {"a": 0}, {"b": 0}),
        (3, 3, {"b": 0, "c": 2}, {"b": 0, "c": 2}),
    ],
)
def test_an_older_shape_climbs_step_by_step(schema, target, data, found):
    assert upcast("x", schema, data, target, LADDER) == found


def test_a_missing_step_is_an_error_and_not_a_guess():
    with pytest.raises(KeyError):
        upcast("x", 1, {"a": 0}, 4, LADDER)
    with pytest.raises(KeyError):
        upcast("y", 1, {}, 2, LADDER)
    with pytest.raises(KeyError):
        decode_data("invoice.paid", 0, {"invoice": "i", "paid_on": "2026-02-28"})


def test_the_ladder_leads_from_every_older_schema_to_todays():
    for name, kind in ALL.items():
        assert {schema for found, schema in UPCASTERS if found == name} == set(range(1, kind.schema))
    assert {name for name, _ in UPCASTERS} <= set(ALL)


def test_data_of_todays_shape_is_read_without_a_step():
    assert decode_data("technology.retired", 1, {"subject": "x"}) == TechnologyRetired(subject="x")


# --- golden files ----------------------------------------------------------------------------------------------------

FILES = sorted(golden.FOLDER.glob("*.json"))


@pytest.mark.parametrize("name", ALL)
def test_every_event_type_has_a_golden_file_of_every_schema(name):
    for schema in range(1, ALL[name].schema + 1):
        path = golden.golden(name, schema)
        assert path.exists(), f"{path} is missing; run `python -m tests.events.golden` and commit what it adds"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_entry_is_read_as_the_event_it_was(path):
    entry = path.read_bytes().removesuffix(b"\n")
    name, _, schema = path.stem.rpartition(".")
    read = read_entry(entry)
    assert (read.type, read.schema) == (name, int(schema))
    recorded = RecordedEvent(
        position=1, stream=read.stream, version=read.version, type=read.type, schema=read.schema, id=read.id,
        occurred_at=read.occurred_at, recorded_at=read.recorded_at, entry=entry,
    )  # fmt: skip
    assert decode(recorded) == golden.example(ALL[name])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_entry_of_todays_shape_is_written_again_to_the_byte(path):
    name, _, schema = path.stem.rpartition(".")
    entry = path.read_bytes().removesuffix(b"\n")
    assert entry == rfc8785.dumps(json.loads(entry))
    if int(schema) == ALL[name].schema:
        assert golden.entry(golden.example(ALL[name])) == entry


def test_every_golden_file_belongs_to_an_event_type():
    assert {path.stem.rpartition(".")[0] for path in FILES} == set(ALL)
