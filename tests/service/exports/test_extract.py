"""What an export reads: up to a fixed end, a page at a time, only what is asked for, and nobody's name unless opened."""

import pytest

from service.errors import ServiceError
from service.exports.extract import TOLD, extract_of
from tests.service.exports.conftest import NAME, PIECES
from tests.service.story import power_sharing
from tests.service.world import head, say


async def ids(extract):
    return [life.partnership async for life in extract.lives()]


async def test_what_is_recorded_after_the_beginning_is_left_out(http, services):
    opened = await power_sharing(http)
    extract = await extract_of(services.query, "acme")
    end = await head(services)
    await say(http, opened, "incident.raised", incident="late", priority=1)
    later = await power_sharing(http)
    assert extract.end == end
    assert [row.position async for page in extract.rows() for row in page] == list(range(1, end + 1))
    assert await ids(extract) == [opened]
    assert set(await ids(await extract_of(services.query, "acme"))) == {opened, later}


async def test_only_the_chosen_partnerships_are_read(http, services):
    first, second = sorted([await power_sharing(http), await power_sharing(http)])
    extract = await extract_of(services.query, "acme", (second, second))
    rows = [row async for page in extract.rows() for row in page]
    assert {row.stream for row in rows} == {f"partnership-{second}"}
    assert [row.version for row in rows] == list(range(1, len(rows) + 1))
    assert await extract.count() == len(rows)
    assert await ids(extract) == [second]
    assert first not in await ids(extract)


async def test_a_partnership_that_is_not_there_is_named_in_the_error(http, services):
    await power_sharing(http)
    with pytest.raises(ServiceError, match="There is no partnership 'pn_x' in organisation 'acme'"):
        await extract_of(services.query, "acme", ("pn_x",))


async def test_never_more_rows_than_a_page_are_read_at_once(http, services):
    await power_sharing(http)
    asked = []

    async def query(sql, parameters=()):
        rows = await services.query(sql, parameters)
        asked.append(len(rows))
        return rows

    extract = await extract_of(query, "acme")
    extract.size = 2
    seen = []
    extract.seen = seen.append
    lives = [[len(page) async for page in life.pages] async for life in extract.lives()]
    assert sum(sum(each) for each in lives) > 8
    assert max(asked) <= 2
    assert sum(seen) >= sum(sum(each) for each in lives)


async def test_a_stream_is_read_by_its_own_index_however_long_the_log_is(http, services):
    await power_sharing(http)
    plans = []

    async def query(sql, parameters=()):
        plans.extend(await services.query(f"EXPLAIN QUERY PLAN {sql}", parameters))
        return await services.query(sql, parameters)

    extract = await extract_of(query, "acme", tuple(await ids(await extract_of(services.query, "acme"))))
    await extract.count()
    plans.clear()
    assert [[len(page) async for page in life.pages] async for life in extract.lives()]
    assert all("events_by_stream" in plan[3] for plan in plans if plan[3].startswith("SEARCH"))
    assert any("events_by_stream" in plan[3] for plan in plans)


@pytest.mark.parametrize("form", PIECES)
@pytest.mark.parametrize("personal", [False, True])
def test_pages_of_any_size_give_the_same_bytes(exported, form, personal):
    assert exported.pieces[form, personal, 3] == exported.pieces[form, personal, 2_000]


@pytest.mark.parametrize("form", PIECES)
def test_names_and_texts_are_there_only_where_they_are_opened(exported, form):
    sealed, opened = (exported.pieces[form, personal, 3].decode() for personal in (False, True))
    for text in (NAME, "Bruno Taffarel", "Xylophones"):
        assert text not in sealed
        assert text in opened
    assert "per_" in sealed
    assert "per_" not in opened


def test_a_database_holds_names_and_texts_only_where_they_are_opened(exported):
    for personal, path in exported.sqlite.items():
        raw = path.read_bytes()
        for text in (NAME, "Bruno Taffarel", "Xylophones"):
            assert (text.encode() in raw) == personal


def test_a_life_is_facts_and_the_stages_entered():
    assert {"partnership.opened", "separation.decided", "meeting.missed", "stage.entered"} <= TOLD.keys()
    assert (
        not {"fact.retracted", "stage.reassessed", "transition.refused", "link.added", "policy.adopted"} & TOLD.keys()
    )
