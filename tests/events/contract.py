"""What every event store is held to: a store's tests subclass `StoreContract` and give it a `world` fixture."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import count
from typing import Any, Protocol

import pytest
from msgspec import Struct

from domain.events import Event, InvoiceOverdue, InvoicePaid, SlaWithdrawn, SourceCreated, TechnologyRetired
from events.codec import decode
from events.envelope import Context, NewEvent, RecordedEvent
from events.store import (
    ENTRY_LIMIT,
    Append,
    Appended,
    Change,
    Conflict,
    EventStore,
    Failed,
    Idempotency,
    Projection,
    Put,
    Remove,
    Repeated,
    Result,
    RowChange,
    Snapshot,
)

ORG = "org_1"
OTHER = "org_2"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTEXT = Context(actor="key_1")
NOTES = """
    CREATE TABLE notes (organisation TEXT NOT NULL, id TEXT NOT NULL, text TEXT, PRIMARY KEY (organisation, id)) STRICT
"""
ids = map("evt_{}".format, count(1))


class World(Protocol):
    """How one kind of store is made and looked into; `notes` is a table (organisation, id, text)."""

    async def open(self, projections: Sequence[Projection] = ()) -> EventStore: ...
    async def notes(self, store: EventStore) -> list[dict[str, Any]]: ...
    async def write(self, store: EventStore, rows: Sequence[RowChange]) -> None: ...

    now: datetime


def event(data: Event | None = None, *, id: str = "", at: datetime = NOON) -> NewEvent:
    return NewEvent(id=id or next(ids), data=data or InvoiceOverdue(invoice="i1"), occurred_at=at)


def append(stream: str = "a", expected: int = 0, *events: NewEvent, **named: Any) -> Append:
    named = {"organisation": ORG, "context": CONTEXT} | named
    return Append(stream=stream, expected=expected, events=events or (event(),), **named)


def key(name: str = "k", digest: bytes = b"digest", scope: str = "key_1") -> Idempotency:
    return Idempotency(scope=scope, key=name, digest=digest, status=201)


def note(id: str, text: str = "written") -> Put:
    return Put("notes", {"organisation": ORG, "id": id}, {"text": text})


def reasons(results: Sequence[Result]) -> list[str]:
    return [result.reason if isinstance(result, Conflict) else type(result).__name__ for result in results]


async def only(store: EventStore, one: Append) -> Result:
    (result,) = await store.append([one])
    return result


async def written(store: EventStore, one: Append) -> tuple[RecordedEvent, ...]:
    result = await only(store, one)
    assert isinstance(result, Appended), result
    return result.events


async def whole(store: EventStore, organisation: str = ORG) -> tuple[RecordedEvent, ...]:
    return (await store.read_log(organisation, limit=100_000)).events


class StoreContract:
    """One sentence a test."""

    @pytest.fixture
    async def store(self, world: World) -> EventStore:
        return await world.open()

    # --- the log -------------------------------------------------------------------------------------------------

    async def test_an_unknown_organisation_is_an_empty_log(self, store):
        assert await store.head("org_none") == (await store.head(ORG))
        assert (await store.head(ORG)).position == 0
        assert (await store.head(ORG)).recorded_at is None
        assert await store.version(ORG, "a") == 0
        assert await store.read_stream(ORG, "a") == ()
        page = await store.read_log(ORG)
        assert (page.events, page.position) == ((), 0)
        assert await store.recall(ORG, "key_1", "k") is None
        assert await store.holder(ORG, "link") is None
        assert await store.load_snapshot(ORG, "a") is None

    async def test_an_empty_batch_writes_nothing(self, store):
        assert await store.append([]) == []
        assert (await store.head(ORG)).position == 0

    async def test_what_was_answered_is_what_is_read(self, world, store):
        fact = InvoicePaid(invoice="i1", paid_on=date(2026, 2, 28))
        events = await written(store, append("a", 0, event(fact), event()))
        assert events == await store.read_stream(ORG, "a") == await whole(store)
        assert [(one.position, one.version) for one in events] == [(1, 1), (2, 2)]
        assert (events[0].type, events[0].schema, events[0].recorded_at) == ("invoice.paid", 1, world.now)
        assert decode(events[0]) == fact
        head = await store.head(ORG)
        assert (head.position, head.recorded_at) == (2, world.now)

    async def test_positions_run_through_streams_and_versions_within_one(self, store):
        for stream, expected in [("a", 0), ("b", 0), ("a", 1), ("b", 1)]:
            await written(store, append(stream, expected))
        assert [(one.position, one.stream, one.version) for one in await whole(store)] == [
            (1, "a", 1), (2, "b", 1), (3, "a", 2), (4, "b", 2),
        ]  # fmt: skip
        assert await store.version(ORG, "b") == 2

    async def test_organisations_share_a_batch_but_nothing_else(self, store):
        results = await store.append(
            [append(takes=("x",), key=key()), append(organisation=OTHER, takes=("x",), key=key()), append("a", 1)]
        )
        assert reasons(results) == ["Appended"] * 3
        assert [one.position for one in await whole(store, OTHER)] == [1]
        assert [one.position for one in await whole(store)] == [1, 2]

    async def test_the_same_id_may_be_used_by_two_organisations(self, store):
        twin = event(id="evt_twin")
        assert reasons(await store.append([append("a", 0, twin), append("a", 0, twin, organisation=OTHER)])) == [
            "Appended", "Appended",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "instant",
        [
            datetime(2026, 3, 1, 12, tzinfo=UTC),
            datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
            datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC),
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ],
    )
    async def test_an_instant_comes_back_to_the_microsecond(self, store, instant):
        await written(store, append("a", 0, event(at=instant)))
        assert [one.occurred_at for one in await whole(store)] == [instant]

    async def test_an_instant_of_another_zone_is_kept_in_utc(self, store):
        paris = datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))
        (kept,) = await written(store, append("a", 0, event(at=paris)))
        assert kept.occurred_at.utcoffset() == timedelta(0)
        assert b'"occurred_at":"2026-03-01T12:00:00Z"' in kept.entry
        assert await whole(store) == (kept,)

    async def test_recorded_at_follows_the_clock_but_never_goes_back(self, world, store):
        seen = []
        for seconds in (0, 5, -60, 6):
            world.now = NOON + timedelta(seconds=seconds)
            (kept,) = await written(store, append("a", len(seen)))
            seen.append((kept.recorded_at - NOON).total_seconds())
        assert seen == [0, 5, 5, 6]
        assert (await store.head(ORG)).recorded_at == world.now

    async def test_each_log_keeps_its_own_time(self, world, store):
        await written(store, append())
        world.now -= timedelta(hours=1)
        (kept,) = await written(store, append(organisation=OTHER))
        assert kept.recorded_at == world.now

    # --- versions and reads --------------------------------------------------------------------------------------

    @pytest.mark.parametrize("expected", [0, 1, 3])
    async def test_a_stream_that_moved_on_refuses_and_says_where_it_is(self, store, expected):
        await written(store, append("a", 0, event(), event()))
        result = await only(store, append("a", expected))
        assert isinstance(result, Conflict)
        assert (result.reason, result.name, result.actual) == ("version", "a", 2)
        assert (await store.head(ORG)).position == 2

    async def test_a_stream_that_must_exist_refuses_when_it_does_not(self, store):
        assert reasons([await only(store, append("a", 1))]) == ["version"]
        assert await store.version(ORG, "a") == 0

    async def test_later_appends_of_a_batch_see_the_earlier_ones(self, store):
        results = await store.append([append("a", 0), append("a", 1, event(), event()), append("a", 3)])
        assert reasons(results) == ["Appended"] * 3
        assert [one.version for one in await whole(store)] == [1, 2, 3, 4]

    async def test_a_loser_hurts_nobody_and_takes_no_position(self, store):
        results = await store.append([append("a"), append("a"), append("b"), append("c", 7), append("a", 1)])
        assert reasons(results) == ["Appended", "version", "Appended", "version", "Appended"]
        assert [one.position for one in await whole(store)] == [1, 2, 3]

    async def test_followers_of_a_loser_lose_too(self, store):
        results = await store.append([append("a", 4), append("a", 5), append("b")])
        assert reasons(results) == ["version", "version", "Appended"]

    async def test_a_stream_that_was_read_must_not_have_moved(self, store):
        await written(store, append("policy"))
        assert reasons([await only(store, append("a", 0, reads=(("policy", 0),)))]) == ["read"]
        assert reasons([await only(store, append("a", 0, reads=(("policy", 1), ("none", 0))))]) == ["Appended"]

    async def test_a_read_stream_may_be_moved_within_the_batch(self, store):
        reads = (("policy", 0),)
        results = await store.append([append("a", 0, reads=reads), append("policy"), append("b", 0, reads=reads)])
        assert reasons(results) == ["Appended", "Appended", "read"]
        assert (results[2].name, results[2].actual) == ("policy", 1)

    # --- claims --------------------------------------------------------------------------------------------------

    async def test_a_claim_has_one_holder(self, store):
        await written(store, append("a", 0, takes=("link", "pair")))
        result = await only(store, append("b", 0, takes=("free", "link")))
        assert isinstance(result, Conflict)
        assert (result.reason, result.name, result.holder) == ("claim", "link", "a")
        assert await store.holder(ORG, "link") == "a"
        assert await store.holder(ORG, "free") is None

    async def test_a_claim_holds_in_its_organisation_only(self, store):
        await written(store, append("a", 0, takes=("link",)))
        assert await store.holder(OTHER, "link") is None
        await written(store, append("b", 0, takes=("link",), organisation=OTHER))
        assert (await store.holder(ORG, "link"), await store.holder(OTHER, "link")) == ("a", "b")

    async def test_a_holder_may_take_its_claim_again(self, store):
        await written(store, append("a", 0, takes=("link",)))
        await written(store, append("a", 1, takes=("link",)))
        assert await store.holder(ORG, "link") == "a"

    async def test_a_freed_claim_is_anyones(self, store):
        await written(store, append("a", 0, takes=("link",)))
        await written(store, append("a", 1, frees=("link",)))
        assert await store.holder(ORG, "link") is None
        await written(store, append("b", 0, takes=("link",)))
        assert await store.holder(ORG, "link") == "b"

    async def test_nobody_frees_the_claim_of_another(self, store):
        await written(store, append("a", 0, takes=("link",)))
        await written(store, append("b", 0, frees=("link",)))
        assert await store.holder(ORG, "link") == "a"

    async def test_two_appends_of_a_batch_contend_for_a_claim(self, store):
        results = await store.append([append(stream, takes=("link",)) for stream in "abc"])
        assert reasons(results) == ["Appended", "claim", "claim"]
        assert results[1].holder == "a"
        assert [one.stream for one in await whole(store)] == ["a"]

    async def test_a_claim_changes_hands_within_a_batch(self, store):
        await written(store, append("a", 0, takes=("link",)))
        results = await store.append([append("a", 1, frees=("link",)), append("b", takes=("link",))])
        assert reasons(results) == ["Appended", "Appended"]
        assert await store.holder(ORG, "link") == "b"

    async def test_a_claim_taken_and_freed_within_a_batch_is_free(self, store):
        results = await store.append([append("a", 0, takes=("link",)), append("a", 1, frees=("link",))])
        assert reasons(results) == ["Appended", "Appended"]
        assert await store.holder(ORG, "link") is None

    async def test_freeing_comes_before_taking(self, store):
        await written(store, append("a", 0, takes=("link",), frees=("link",)))
        await written(store, append("a", 1, takes=("link",), frees=("link",)))
        assert await store.holder(ORG, "link") == "a"

    async def test_a_loser_takes_and_frees_nothing(self, store):
        await written(store, append("a", 0, takes=("held",)))
        results = await store.append([append("a", 0, takes=("link",), frees=("held",)), append("b", takes=("link",))])
        assert reasons(results) == ["version", "Appended"]
        assert (await store.holder(ORG, "link"), await store.holder(ORG, "held")) == ("b", "a")

    # --- repeating -----------------------------------------------------------------------------------------------

    async def test_a_key_used_again_answers_what_was_recorded(self, store):
        await written(store, append("other"))
        first = await written(store, append("a", 0, event(), event(), key=key()))
        result = await only(store, append("a", 0, event(), event(), key=key()))
        assert isinstance(result, Repeated)
        assert result.events == first
        assert result.key == await store.recall(ORG, "key_1", "k")
        assert (result.key.position, result.key.count, result.key.stream, result.key.status) == (2, 2, "a", 201)
        assert (await store.head(ORG)).position == 3

    async def test_a_key_used_for_something_else_conflicts(self, store):
        await written(store, append("a", 0, key=key()))
        assert reasons([await only(store, append("b", 0, key=key(digest=b"other")))]) == ["key"]
        assert await store.version(ORG, "b") == 0

    async def test_a_key_belongs_to_its_scope_and_organisation(self, store):
        await written(store, append("a", 0, key=key()))
        await written(store, append("b", 0, key=key(scope="key_2", digest=b"other")))
        await written(store, append("a", 0, key=key(digest=b"other"), organisation=OTHER))
        assert await store.recall(ORG, "key_3", "k") is None

    async def test_a_key_repeats_within_a_batch(self, store):
        results = await store.append(
            [append("a", 0, key=key()), append("a", 0, key=key()), append("a", 1, key=key(digest=b"other"))]
        )
        assert reasons(results) == ["Appended", "Repeated", "key"]
        assert results[1].events == results[0].events
        assert (await store.head(ORG)).position == 1

    async def test_a_loser_leaves_its_key_unused(self, store):
        await only(store, append("a", 5, key=key()))
        assert await store.recall(ORG, "key_1", "k") is None
        await written(store, append("a", 0, key=key(digest=b"other")))

    async def test_a_command_without_events_may_be_remembered(self, world, store):
        nothing = Append(
            organisation=ORG, stream="a", expected=0, events=(), context=CONTEXT, key=key(), rows=(note("n"),)
        )
        assert await store.append([nothing, nothing]) == [
            Appended(()),
            Repeated((), await store.recall(ORG, "key_1", "k")),
        ]
        assert (await store.head(ORG)).position == 0
        assert (await store.recall(ORG, "key_1", "k")).count == 0
        assert [row["id"] for row in await world.notes(store)] == ["n"]

    async def test_the_same_events_again_are_the_recorded_ones(self, store):
        pair = (event(), event(SlaWithdrawn(sla="s")))
        first = await written(store, append("a", 0, *pair))
        assert await only(store, append("a", 0, *pair)) == Repeated(first)
        assert await only(store, append("a", 2, *pair)) == Repeated(first)
        assert (await store.head(ORG)).position == 2

    async def test_the_same_events_again_within_a_batch_are_the_recorded_ones(self, store):
        one = event()
        results = await store.append([append("a", 0, one), append("a", 0, one)])
        assert results[1] == Repeated(results[0].events)

    @pytest.mark.parametrize(
        "other",
        [
            append("a", 1, event(InvoiceOverdue(invoice="i2"), id="evt_x")),
            append("a", 1, event(SlaWithdrawn(sla="i1"), id="evt_x")),
            append("a", 1, event(id="evt_x", at=NOON + timedelta(microseconds=1))),
            append("b", 0, event(id="evt_x")),
            append("a", 1, event(id="evt_x"), event(id="evt_new")),
            append("a", 1, event(id="evt_new"), event(id="evt_x")),
        ],
        ids=["content", "type", "time", "stream", "more", "mixed"],
    )
    async def test_an_id_of_another_event_conflicts(self, store, other):
        await written(store, append("a", 0, event(id="evt_x")))
        result = await only(store, other)
        assert isinstance(result, Conflict)
        assert (result.reason, result.name) == ("event", "evt_x")
        assert (await store.head(ORG)).position == 1

    async def test_an_id_stands_once_in_an_append(self, store):
        assert reasons([await only(store, append("a", 0, event(id="evt_y"), event(id="evt_y")))]) == ["event"]

    # --- what cannot be written ----------------------------------------------------------------------------------

    async def test_an_entry_of_the_limit_is_kept_and_a_byte_more_is_not(self, store):
        def sized(text: str) -> Append:
            fact = SourceCreated(source="s", connector="c", name="n", settings={"text": text})
            return append("a", 0, event(fact, id="evt_sized"))

        length = len((await written(store, append("b", 0, sized("").events[0])))[0].entry)
        fitting = "x" * (ENTRY_LIMIT - length)
        results = await store.append(
            [replaced(sized(fitting + "x"), "evt_1ized"), append("c"), replaced(sized(fitting), "evt_2ized")]
        )
        assert reasons(results) == ["too_large", "Appended", "Appended"]
        assert results[0].actual == ENTRY_LIMIT + 1
        assert len(results[2].events[0].entry) == ENTRY_LIMIT
        assert [one.position for one in await whole(store)] == [1, 2, 3]

    async def test_one_large_entry_drops_its_whole_append(self, world, store):
        large = event(SourceCreated(source="s", connector="c", name="n", settings={"text": "x" * ENTRY_LIMIT}))
        assert reasons([await only(store, append("a", 0, event(), large, rows=(note("n"),), takes=("x",)))]) == [
            "too_large"
        ]
        assert (await whole(store), await store.holder(ORG, "x"), await world.notes(store)) == ((), None, [])

    @pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
    async def test_what_has_no_canonical_bytes_fails_alone(self, store, text):
        results = await store.append([append("a"), append("b", 0, event(TechnologyRetired(subject=text))), append("c")])
        assert reasons(results) == ["Appended", "Failed", "Appended"]
        assert [one.stream for one in await whole(store)] == ["a", "c"]

    @pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
    async def test_a_stream_name_that_is_no_text_fails_alone(self, store, name):
        assert reasons(await store.append([append("a"), append(name), append("c")])) == [
            "Appended", "Failed", "Appended",
        ]  # fmt: skip

    async def test_a_naive_time_fails_alone(self, store):
        naive = event(at=datetime(2026, 3, 1))  # noqa: DTZ001 (what is refused)
        assert reasons(await store.append([append("a", 0, naive), append("b")])) == ["Failed", "Appended"]

    async def test_an_append_that_breaks_the_transaction_fails_alone(self, world):
        def project(organisation: str, recorded: RecordedEvent, data: Struct) -> list[RowChange]:
            if recorded.stream == "poison":
                raise RuntimeError("a bug")
            return [note(recorded.id)]

        store = await world.open([project])
        results = await store.append(
            [append("a"), append("poison", takes=("x",), key=key()), append("a", 1), append("a")]
        )
        assert reasons(results) == ["Appended", "Failed", "Appended", "version"]
        assert isinstance(results[1], Failed)
        assert str(results[1].error) == "a bug"
        assert [(one.position, one.version) for one in await whole(store)] == [(1, 1), (2, 2)]
        assert len(await world.notes(store)) == 2
        assert await store.recall(ORG, "key_1", "k") is None
        assert reasons(await store.append([append("poison")])) == ["Failed"]
        await written(store, append("a", 2))

    # --- rows ----------------------------------------------------------------------------------------------------

    async def test_rows_commit_with_their_events_and_not_without(self, world, store):
        await store.append([append("a", 0, rows=(note("kept"),)), append("a", 0, rows=(note("lost"),))])
        assert await world.notes(store) == [{"organisation": ORG, "id": "kept", "text": "written"}]

    async def test_a_row_is_put_changed_and_removed_in_order(self, world, store):
        mine = {"organisation": ORG, "id": "n"}
        none = {"organisation": ORG, "id": "none"}
        await world.write(store, [note("n", "one"), note("n", "two"), Change("notes", none, {"text": "x"})])
        assert await world.notes(store) == [mine | {"text": "two"}]
        await world.write(store, [Change("notes", mine, {"text": None}), Put("notes", mine, {})])
        assert await world.notes(store) == [mine | {"text": None}]
        await world.write(store, [Remove("notes", mine), Remove("notes", none)])
        assert await world.notes(store) == []

    async def test_rows_of_one_organisation_go_together(self, world, store):
        await world.write(store, [note("n1"), note("n2"), Put("notes", {"organisation": OTHER, "id": "n"}, {})])
        await world.write(store, [Remove("notes", {"organisation": ORG})])
        assert [row["organisation"] for row in await world.notes(store)] == [OTHER]

    async def test_an_inline_projection_sees_each_event_with_its_place_and_content(self, world):
        def project(organisation: str, recorded: RecordedEvent, data: Struct) -> list[RowChange]:
            assert isinstance(data, InvoiceOverdue)
            return [note(f"{recorded.position}/{recorded.version}", data.invoice)]

        store = await world.open([project])
        await store.append([append("a", 0, event(), event()), append("a", 0), append("b")])
        assert [(row["id"], row["text"]) for row in await world.notes(store)] == [
            ("1/1", "i1"), ("2/2", "i1"), ("3/1", "i1"),
        ]  # fmt: skip

    # --- reading -------------------------------------------------------------------------------------------------

    @pytest.fixture
    async def filled(self, store) -> EventStore:
        """Streams a and b in turn, twelve events: sla, then invoice.paid, then invoice.overdue, ..."""
        facts = [SlaWithdrawn(sla="s"), InvoicePaid(invoice="i", paid_on=date(2026, 1, 1)), InvoiceOverdue(invoice="i")]
        for place in range(12):
            await written(store, append("ab"[place % 2], place // 2, event(facts[place % 3])))
        await written(store, append("z", 0, organisation=OTHER))
        return store

    async def test_a_stream_is_read_by_pages(self, filled):
        first = await filled.read_stream(ORG, "a", limit=4)
        second = await filled.read_stream(ORG, "a", after=first[-1].version, limit=4)
        assert [one.version for one in first + second] == [1, 2, 3, 4, 5, 6]
        assert {one.stream for one in first + second} == {"a"}
        assert await filled.read_stream(ORG, "a", after=6) == ()
        assert await filled.read_stream(OTHER, "a") == ()

    async def test_the_fold_is_given_a_stream_by_pages_as_it_was_written(self, filled):
        events = await filled.read_stream(ORG, "a")
        told = await filled.history(ORG, "a", limit=3) + await filled.history(ORG, "a", after=3)
        assert [(each.version, each.id, each.occurred_at, each.data) for each in told] == [
            (each.version, each.id, each.occurred_at, decode(each)) for each in events
        ]
        assert [each.version for each in told] == [1, 2, 3, 4, 5, 6]
        assert await filled.history(OTHER, "a") == ()

    async def test_a_stream_is_read_by_type(self, filled):
        kept = await filled.read_stream(ORG, "a", types=["sla.withdrawn"])
        assert [one.version for one in kept] == [1, 4]
        kept = await filled.read_stream(ORG, "a", types=["invoice.*"], after=2, limit=2)
        assert [one.version for one in kept] == [3, 5]
        assert await filled.read_stream(ORG, "a", types=["nothing.such"]) == ()

    async def test_a_log_is_read_by_pages_without_gaps(self, filled):
        after, seen = 0, []
        while (page := await filled.read_log(ORG, after=after, limit=5)).events:
            seen += [one.position for one in page.events]
            after = page.position
        assert seen == list(range(1, 13))
        assert page.position == 12

    @pytest.mark.parametrize(
        ("types", "positions"),
        [
            (["sla.withdrawn"], [1, 4, 7, 10]),
            (["sla.*"], [1, 4, 7, 10]),
            (["invoice.*"], [2, 3, 5, 6, 8, 9, 11, 12]),
            (["invoice.paid", "sla.*", "sla.withdrawn"], [1, 2, 4, 5, 7, 8, 10, 11]),
            (["*"], list(range(1, 13))),
            (["invoice"], []),
            (["promise.*"], []),
            (["nothing.such"], []),
        ],
    )
    async def test_a_log_is_read_by_type(self, filled, types, positions):
        page = await filled.read_log(ORG, types=types)
        assert [one.position for one in page.events] == positions
        assert page.position == 12

    async def test_a_filter_says_how_far_it_looked(self, filled):
        page = await filled.read_log(ORG, types=["sla.*"], limit=2)
        assert ([one.position for one in page.events], page.position) == ([1, 4], 4)
        page = await filled.read_log(ORG, types=["sla.*"], after=4, limit=2)
        assert ([one.position for one in page.events], page.position) == ([7, 10], 10)
        page = await filled.read_log(ORG, types=["sla.*"], after=10, limit=2)
        assert (page.events, page.position) == ((), 12)

    @pytest.mark.parametrize("after", range(13))
    async def test_one_stream_of_a_log_is_read_from_any_position(self, filled, after):
        page = await filled.read_log(ORG, stream="b", after=after)
        assert [one.position for one in page.events] == [place for place in range(2, 13, 2) if place > after]
        assert page.position == 12

    async def test_one_stream_of_a_log_is_read_by_type_and_page(self, filled):
        page = await filled.read_log(ORG, stream="b", types=["invoice.paid"], limit=1, after=2)
        assert ([one.position for one in page.events], page.position) == ([8], 8)
        page = await filled.read_log(ORG, stream="none")
        assert (page.events, page.position) == ((), 12)

    async def test_a_cursor_beyond_the_end_stays(self, filled):
        page = await filled.read_log(ORG, after=40)
        assert (page.events, page.position) == ((), 40)

    # --- snapshots -----------------------------------------------------------------------------------------------

    async def test_a_newer_snapshot_replaces_an_older_one(self, store):
        for version, fold, kept in [(5, 1, 5), (7, 1, 7), (6, 1, 7), (6, 2, 6)]:
            snapshot = Snapshot(stream="a", version=version, fold=fold, state=b"state %d" % version)
            await store.save_snapshot(ORG, snapshot)
            assert (await store.load_snapshot(ORG, "a")).version == kept
        assert (await store.load_snapshot(ORG, "a")).state == b"state 6"
        assert await store.load_snapshot(OTHER, "a") is None

    # --- many at once --------------------------------------------------------------------------------------------

    async def test_of_many_racing_for_one_version_one_wins(self, store):
        results = await asyncio.gather(*(only(store, append("a", 0, event(id=f"race_{place}"))) for place in range(40)))
        assert sorted(reasons(results)) == ["Appended", *["version"] * 39]
        assert (await store.head(ORG)).position == 1

    async def test_readers_miss_nothing_while_ten_writers_race(self, store):
        acknowledged: list[str] = []
        writers = [asyncio.create_task(racing_writer(store, seed, acknowledged)) for seed in range(10)]
        seen: list[RecordedEvent] = []
        while not all(writer.done() for writer in writers) or len(seen) < len(acknowledged):
            page = await store.read_log(ORG, after=len(seen), limit=50)
            seen += page.events
            assert page.position == len(seen)
        await asyncio.gather(*writers)
        assert [one.position for one in seen] == list(range(1, len(seen) + 1))
        assert sorted(one.id for one in seen) == sorted(acknowledged)
        for stream in {one.stream for one in seen}:
            versions = [one.version for one in seen if one.stream == stream]
            assert versions == list(range(1, len(versions) + 1))
        assert tuple(seen) == await whole(store)

    async def test_a_caller_that_goes_away_breaks_nothing(self, store):
        for place in range(30):
            task = asyncio.create_task(store.append([append(f"gone{place}", 0, event(), event())]))
            await asyncio.sleep(0.0005 * (place % 4))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await written(store, append("stays"))
        events = await whole(store)
        assert [one.position for one in events] == list(range(1, len(events) + 1))
        assert len(events) % 2 == 1


def replaced(one: Append, id: str) -> Append:
    """The same append in another stream, with another id of the same length."""
    (new,) = one.events
    return append(id[4], 0, event(new.data, id=id))


async def racing_writer(store: EventStore, seed: int, acknowledged: list[str]) -> None:
    """Sixty events in batches to a few shared streams, decided again after each conflict."""
    dice = random.Random(seed)
    for place in range(30):
        open_appends = [(f"s{dice.randrange(4)}", event(id=f"w{seed}_{place}_{part}")) for part in range(2)]
        while open_appends:
            batch = [append(stream, await store.version(ORG, stream), new) for stream, new in open_appends]
            results = await store.append(batch)
            assert set(reasons(results)) <= {"Appended", "version"}
            won = [isinstance(result, Appended) for result in results]
            acknowledged += [new.id for (_, new), yes in zip(open_appends, won, strict=True) if yes]
            open_appends = [one for one, yes in zip(open_appends, won, strict=True) if not yes]
