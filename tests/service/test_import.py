"""Import: NDJSON of any size, refused lines told and the others kept, twice the same changes nothing, a cut keeps what stood."""

import asyncio
import json

import pytest

from tests.service.world import NDJSON, get, head, lines_of, open_partnership, problem, say


def line(opened, number, **fields):
    fact = {"partnership": opened, "type": "incident.raised", "incident": f"i{number}", "priority": 3}
    return {**fact, "occurred_at": "2020-03-01T00:00:00Z", **fields}


def ndjson(lines):
    return b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in lines)


async def send(http, lines, query="", **headers):
    """(what was told of lines, summary) of an import."""
    answer = await http.post(f"/v1/facts{query}", content=ndjson(lines), headers={**NDJSON, **headers}, timeout=120)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "application/x-ndjson"
    *told, summary = lines_of(answer.content)
    return told, summary


async def test_every_line_is_recorded_in_its_order_and_summed_up(http, services):
    opened = (await open_partnership(http))["id"]
    told, summary = await send(http, [line(opened, number) for number in range(300)])
    assert told == []
    assert summary == {
        "lines": 300,
        "accepted": 300,
        "repeated": 0,
        "refused": 0,
        "last_position": await head(services),
    }
    events = (await get(http, "/v1/events", type="incident.raised", limit=500))["items"]
    assert [each["data"]["incident"] for each in events] == [f"i{number}" for number in range(300)]


async def test_lines_of_many_partnerships_by_id_and_by_link_keep_their_own_order(http):
    link = {"system": "jira", "kind": "project", "external_id": "NP"}
    one, two = (await open_partnership(http, links=[link]))["id"], (await open_partnership(http))["id"]
    lines = [line(one if number % 2 else two, number) for number in range(100)]
    for each in lines:
        if each["partnership"] == one:
            del each["partnership"]
            each["link"] = link
    _, summary = await send(http, lines)
    assert summary["accepted"] == 100
    for opened, odd in ((one, 1), (two, 0)):
        events = (await get(http, f"/v1/partnerships/{opened}/events", type="incident.raised"))["items"]
        assert [each["data"]["incident"] for each in events] == [
            f"i{number}" for number in range(100) if number % 2 == odd
        ]


async def test_lines_with_keys_change_nothing_the_second_time(http, services):
    opened = (await open_partnership(http))["id"]
    lines = [line(opened, number, key=f"k{number}", type="incident.reopened") for number in range(50)]
    for each in lines:
        del each["priority"]
    await send(http, lines)
    before = await head(services)
    told, summary = await send(http, lines)
    assert (told, summary["accepted"], summary["repeated"], summary["refused"]) == ([], 0, 50, 0)
    assert summary["last_position"] == before == await head(services)
    told, _ = await send(http, lines[:1], "?results=all")
    assert told[0]["position"] == before - 49


async def test_a_prefix_makes_lines_without_keys_repeatable(http, services):
    opened = (await open_partnership(http))["id"]
    lines = [{"partnership": opened, "type": "pulse.answered", "side": "client", "score": 3}] * 40
    _, summary = await send(http, lines, **{"Idempotency-Key": '"backfill"'})
    assert summary["accepted"] == 40
    before = await head(services)
    _, summary = await send(http, lines, **{"Idempotency-Key": "backfill"})
    assert (summary["accepted"], summary["repeated"]) == (0, 40)
    assert await head(services) == before
    _, summary = await send(http, lines, **{"Idempotency-Key": "another"})
    assert summary["accepted"] == 40


async def test_a_longer_import_under_the_same_prefix_adds_only_what_is_new(http):
    opened = (await open_partnership(http))["id"]
    lines = [line(opened, number) for number in range(30)]
    await send(http, lines[:20], **{"Idempotency-Key": "backfill"})
    _, summary = await send(http, lines, **{"Idempotency-Key": "backfill"})
    assert (summary["accepted"], summary["repeated"]) == (10, 20)


async def test_without_keys_a_line_that_opens_nothing_is_recorded_again(http):
    opened = (await open_partnership(http))["id"]
    lines = [{"partnership": opened, "type": "pulse.answered", "side": "client", "score": 3}] * 3
    for _ in range(2):
        _, summary = await send(http, lines)
        assert (summary["accepted"], summary["repeated"]) == (3, 0)


async def test_one_key_stands_for_one_line(http, services):
    opened = (await open_partnership(http))["id"]
    told, summary = await send(http, [line(opened, 1, key="k"), line(opened, 1, key="k"), line(opened, 2, key="k")])
    assert (summary["accepted"], summary["repeated"], summary["refused"]) == (1, 1, 1)
    assert [(each["line"], each["code"]) for each in told] == [(3, "key_reused")]
    told, _ = await send(http, [line(opened, 2, key="k")])
    assert [(each["line"], each["code"]) for each in told] == [(1, "key_reused")]


REFUSED = [
    (b"{bad\n", "bad_json"),
    (b"\xff\xfe\n", "bad_json"),
    (b"[]\n", "bad_shape"),
    (b"null\n", "bad_shape"),
    (b"[" * 3_000 + b"\n", "bad_json"),
    (b'{"a":1,"a":2}\n', "bad_json"),
    (b'{"partnership":"pn_none","type":"incident.reopened","incident":"i"}\n', "not_found"),
    (b'{"type":"incident.reopened","incident":"i"}\n', "bad_shape"),
    (b'{"partnership":"%s","type":"nope"}\n', "unknown_type"),
    (b'{"partnership":"%s","type":"stage.entered"}\n', "wrong_route"),
    (b'{"partnership":"%s","type":"incident.reopened"}\n', "bad_shape"),
    (b'{"partnership":"%s","type":"incident.reopened","incident":"i","key":""}\n', "bad_shape"),
    (b'{"partnership":"%s","type":"incident.reopened","incident":"i","key":7}\n', "bad_shape"),
    (b'{"partnership":"%s","type":"incident.reopened","incident":"' + b"x" * 65_536 + b'"}\n', "too_large"),
    (
        b'{"partnership":"%s","type":"incident.reopened","incident":"i","occurred_at":"2030-01-01T00:00:00Z"}\n',
        "future_time",
    ),
    (rb'{"partnership":"%s","type":"incident.reopened","incident":"\ud800"}' + b"\n", "bad_text"),
    (b'{"partnership":"%s","type":"fact.retracted","event":"evt_none","reason":"x"}\n', "unknown_event"),
    (b'{"partnership":"%s","type":"promise.measured","promise":"p","actual":1e-9}\n', "bad_shape"),
]


async def test_refused_lines_are_told_by_number_and_stop_nothing(http, services):
    opened = (await open_partnership(http))["id"]
    before = await head(services)
    lines: list[object] = []
    for number, (raw, _) in enumerate(REFUSED):
        lines += [line(opened, number), raw.replace(b"%s", opened.encode())]
    told, summary = await send(http, lines)
    assert sorted((each["line"], each["code"]) for each in told) == [
        (2 * number, code) for number, (_, code) in enumerate(REFUSED, 1)
    ]
    assert all(each["detail"] for each in told)
    many = len(REFUSED)
    assert (summary["lines"], summary["accepted"], summary["refused"]) == (2 * many, many, many)
    assert await head(services) == before + many


async def test_blank_lines_count_in_the_numbers_and_nowhere_else(http):
    opened = (await open_partnership(http))["id"]
    told, summary = await send(http, [b"\n", line(opened, 1), b"\r\n", b"  \n", b"{\n"])
    assert [each["line"] for each in told] == [5]
    assert (summary["lines"], summary["accepted"]) == (2, 1)


async def test_a_last_line_without_a_newline_and_carriage_returns_are_read(http):
    opened = (await open_partnership(http))["id"]
    raw = json.dumps(line(opened, 1)).encode() + b"\r\n" + json.dumps(line(opened, 2)).encode()
    _, summary = await send(http, [raw])
    assert (summary["lines"], summary["accepted"]) == (2, 2)


async def test_an_empty_import_says_so(http):
    for raw in (b"", b"\n\n"):
        told, summary = await send(http, [raw])
        assert (told, summary["lines"], summary["last_position"]) == ([], 0, 0)


async def test_an_endless_line_is_refused_and_the_next_one_read(http, services):
    opened = (await open_partnership(http))["id"]

    async def body():
        for _ in range(40):
            yield b"x" * 65_536
        yield b"\n" + ndjson([line(opened, 1)])

    answer = await http.post("/v1/facts", content=body(), headers=NDJSON)
    told, summary = lines_of(answer.content)
    assert (told["line"], told["code"], summary["accepted"]) == (1, "too_large", 1)


async def test_a_body_in_pieces_of_one_byte_is_the_same_body(http):
    opened = (await open_partnership(http))["id"]
    raw = ndjson([line(opened, number) for number in range(3)])

    async def body():
        for place in range(len(raw)):
            yield raw[place : place + 1]

    answer = await http.post("/v1/facts", content=body(), headers=NDJSON)
    assert lines_of(answer.content)[-1]["accepted"] == 3


async def test_a_side_speaks_for_itself_in_lines_too(http, keyed):
    opened = (await open_partnership(http))["id"]
    partner = await keyed(side="partner")
    pulse = {"partnership": opened, "type": "pulse.answered", "score": 2}
    told, summary = await send(partner, [{**pulse, "side": "partner"}, {**pulse, "side": "client"}])
    assert ([(each["line"], each["code"]) for each in told], summary["accepted"]) == ([(2, "wrong_side")], 1)


async def test_a_bound_key_imports_only_where_it_is_bound(http, keyed):
    mine, other = (await open_partnership(http))["id"], (await open_partnership(http))["id"]
    told, summary = await send(await keyed(partnerships=(mine,)), [line(mine, 1), line(other, 1)])
    assert ([(each["line"], each["code"]) for each in told], summary["accepted"]) == ([(2, "not_found")], 1)


async def test_an_import_wants_the_scope_to_write(keyed, services):
    reader = await keyed(["read"])
    before = await head(services)
    for query in ("", "?results=all"):
        problem(await reader.post(f"/v1/facts{query}", content=b"{}\n", headers=NDJSON), 403, "forbidden")
    assert await head(services) == before


async def test_stages_follow_from_imported_lines_as_from_others(http):
    opened = (await open_partnership(http))["id"]
    promise = {
        "type": "promise.made",
        "promise": "p1",
        "side": "partner",
        "kind": "delay",
        "promised": 30,
        "unit": "days",
        "evidence": "none",
        "text": "Soon",
    }
    lines = [
        {**promise, "occurred_at": "2020-01-10T00:00:00Z"},
        {"type": "promise.measured", "promise": "p1", "actual": 66, "occurred_at": "2020-06-01T00:00:00Z"},
    ]
    await send(http, [{"partnership": opened, **each} for each in lines])
    told = await get(http, f"/v1/partnerships/{opened}")
    assert (told["stage"], told["since"]) == ("power_struggle", "2020-06-01T00:00:00Z")


async def test_twenty_thousand_lines_twice(http, services):
    opened = [(await open_partnership(http))["id"] for _ in range(20)]
    lines = [line(opened[number % 20], number, key=f"k{number}") for number in range(20_000)]
    before = await head(services)
    _, summary = await send(http, lines)
    assert (summary["lines"], summary["accepted"], summary["refused"]) == (20_000, 20_000, 0)
    assert summary["last_position"] == before + 20_000 == await head(services)
    _, summary = await send(http, lines)
    assert (summary["accepted"], summary["repeated"]) == (0, 20_000)
    assert await head(services) == before + 20_000


async def test_while_an_import_runs_others_are_answered(http, services):
    opened = (await open_partnership(http))["id"]
    importing = asyncio.create_task(send(http, [line(opened, number) for number in range(3_000)]))
    done = 0
    while not importing.done():
        await say(http, opened, "pulse.answered", side="client", score=3)
        done += 1
        await asyncio.sleep(0)
    assert done > 3
    assert (await importing)[1]["accepted"] == 3_000


# --- line by line --------------------------------------------------------------------------------------------------


async def test_with_results_all_every_line_is_answered(http, services):
    opened = (await open_partnership(http))["id"]
    lines = [line(opened, 1, key="a"), b"{bad\n", line(opened, 1, key="a")]
    told, summary = await send(http, lines, "?results=all")
    by_line = {each["line"]: each for each in told}
    assert [by_line[number]["status"] for number in (1, 2, 3)] == ["accepted", "refused", "repeated"]
    assert by_line[1]["position"] == await head(services)
    assert (summary["accepted"], summary["repeated"], summary["refused"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/facts?results=some", NDJSON, 400),
        ("POST", "/v1/facts?results=all&x=1", NDJSON, 400),
        ("POST", "/v1/facts?xresults=all", NDJSON, 400),
        ("GET", "/v1/facts?results=all", NDJSON, 405),
        ("POST", "/v1/facts?results=all", {"Content-Type": "application/json"}, 415),
        ("POST", "/v1/facts?results=all", {}, 415),
        ("POST", "/v1/facts?results=all", {**NDJSON, "Idempotency-Key": "x" * 256}, 400),
        ("POST", "/v1/facts", {**NDJSON, "Idempotency-Key": "x" * 256}, 400),
    ],
)
async def test_what_is_wrong_with_the_request_itself_is_a_problem(http, services, method, path, headers, status):
    before = await head(services)
    answer = await http.request(method, path, content=b"{}\n", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.headers["x-request-id"] == answer.json()["instance"]
    assert await head(services) == before


async def test_results_arrive_while_lines_are_still_sent(standing):
    """Only two ends of one real connection can tell."""
    with standing.client() as http:
        opened = http.post("/v1/partnerships", json={"client": "Live import", "partner": "B"}).json()["id"]
    reader, writer = await asyncio.open_connection("127.0.0.1", standing.port)
    head_lines = f"POST /v1/facts?results=all HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {standing.key}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head_lines.encode())
    told = b""
    for number in range(5):
        raw = ndjson([line(opened, number)])
        writer.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
        await writer.drain()
        while f'"line":{number + 1}'.encode() not in told:
            told += await asyncio.wait_for(reader.read(65_536), 20)
    writer.write(b"0\r\n\r\n")
    while b'"lines":5' not in told:
        told += await asyncio.wait_for(reader.read(65_536), 20)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("query", ["", "?results=all"])
async def test_a_cut_keeps_the_lines_that_arrived_and_the_rest_can_be_sent_again(standing, query):
    with standing.client() as http:
        opened = http.post("/v1/partnerships", json={"client": f"Import {query!r}", "partner": "B"}).json()["id"]
        lines = [line(opened, number, key=f"{query}{number}") for number in range(400)]
        raw = ndjson(lines)
        _, writer = await asyncio.open_connection("127.0.0.1", standing.port)
        first = f"POST /v1/facts{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {standing.key}\r\nContent-Type: application/x-ndjson\r\nContent-Length: {len(raw)}\r\n\r\n"
        writer.write(first.encode() + raw[: len(raw) // 2])
        await writer.drain()
        while not (found := http.get(f"/v1/partnerships/{opened}/events?type=incident.raised").json()["items"]):
            await asyncio.sleep(0.02)
        writer.close()
        answer = http.post("/v1/facts", content=raw, headers=NDJSON)
        summary = lines_of(answer.content)[-1]
        assert summary["accepted"] + summary["repeated"] == 400
        assert summary["repeated"] >= len(found)
        events = [
            each["data"]["incident"]
            for each in http.get(f"/v1/partnerships/{opened}/events?type=incident.raised&limit=500").json()["items"]
        ]
        assert events == [f"i{number}" for number in range(400)]
