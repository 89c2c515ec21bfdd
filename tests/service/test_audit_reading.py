"""What an audit reads, in pages of any size, and how it compares more rows than one query asks for."""

import sqlite3

import pytest

from service.audit.models import AT_ONCE, Models
from service.audit.reading import lives, pages_by_stream
from service.projections.partnerships import DDL, partnership_in, stream_of
from tests.service.story import power_struggle
from tests.service.world import head, say

ORGANISATION = "acme"


async def told(services, end, **wanted):
    return [each async for page in pages_by_stream(services.query, ORGANISATION, end, **wanted) for each in page]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
async def test_rows_come_stream_after_stream_whatever_the_size_of_a_page(http, services, size):
    for _ in range(2):
        await power_struggle(http)
    end = await head(services)
    rows = await told(services, end, size=size)
    assert sorted(each.position for each in rows) == list(range(1, end + 1))
    assert [(each.stream, each.version) for each in rows] == sorted((each.stream, each.version) for each in rows)


async def test_lives_are_partnerships_alone_whole_and_up_to_an_end(http, services):
    ids = sorted([await power_struggle(http) for _ in range(3)])
    end = await head(services)
    await say(http, ids[1], "incident.raised", incident="INC1", priority=3)
    found = {each: rows async for each, rows in lives(services.query, ORGANISATION, end)}
    assert list(found) == ids
    for each, rows in found.items():
        assert {stream for _, stream, *_ in rows} == {stream_of(each)}
        assert [version for _, _, version, *_ in rows] == list(range(1, len(rows) + 1))
    assert len(found[ids[1]]) == len(found[ids[0]])  # what was told after the end is left out
    several = [(each, rows) async for each, rows in lives(services.query, ORGANISATION, end, [ids[2], ids[0], "pn_0"])]
    assert several == [(ids[0], found[ids[0]]), (ids[2], found[ids[2]])]


def test_a_stream_of_something_else_is_no_partnership():
    assert partnership_in(stream_of("pn_1")) == "pn_1"
    assert partnership_in("keys") is None


async def test_rows_are_compared_some_at_a_time_and_each_by_its_key():
    database = sqlite3.connect(":memory:")
    database.executescript(DDL)
    many = 2 * AT_ONCE + 1
    values = {"client": "C", "partner": "P", "stage": "honeymoon", "outcome": None, "opened_at": 1, "since": 1}
    for number in range(many):
        row = {"organisation": ORGANISATION, "id": f"pn_{number}", **values}
        row["client"] = "Edited" if number in (0, AT_ONCE) else "C"
        if number != many - 1:
            database.execute(
                f"INSERT INTO partnerships ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
            )

    async def query(sql, parameters=()):
        return database.execute(sql, parameters).fetchall()

    made = {
        stream_of(f"pn_{number}"): {("partnerships", (("organisation", ORGANISATION), ("id", f"pn_{number}"))): values}
        for number in range(many)
    }
    found = await Models(ORGANISATION).differences(query, made)
    assert {
        stream: (each.code, each.partnership, each.expected, each.found) for stream, (each,) in found.items()
    } == {
        stream_of("pn_0"): ("read_model", "pn_0", 'partnerships {"id":"pn_0"}: {"client":"C"}', '{"client":"Edited"}'),
        stream_of(f"pn_{AT_ONCE}"): (
            "read_model", f"pn_{AT_ONCE}", f'partnerships {{"id":"pn_{AT_ONCE}"}}: {{"client":"C"}}', '{"client":"Edited"}'
        ),
        stream_of(f"pn_{many - 1}"): (
            "read_model", f"pn_{many - 1}", f'partnerships {{"id":"pn_{many - 1}"}}: this row', "no row"
        ),
    }  # fmt: skip
