"""What is sent, how often, and what is made of the answers."""

from datetime import UTC, datetime

import httpx
import pytest

from examples.sending import REASONS, TRIES, Fact, Link, Opening, Sender, SendError

AT = datetime(2012, 10, 9, tzinfo=UTC)
LINK = Link("helpdesk", "customer", "Value 1")


def fact(number):
    return Fact(LINK, f"key-{number}", "incident.raised", AT, {"incident": str(number), "priority": 3})


def sender(*answers, batch=2):
    """A sender whose server gives these answers, and the requests that reached it."""
    asked, left = [], iter(answers)

    def answer(request):
        asked.append(request)
        return next(left)

    http = httpx.Client(base_url="http://noces.example", transport=httpx.MockTransport(answer))
    return Sender(http, batch=batch), asked


def imported(accepted, *refused):
    summary = {"lines": accepted + len(refused), "accepted": accepted, "repeated": 0, "refused": len(refused)}
    lines = [{"line": number, "status": "refused", "code": "bad_shape", "detail": "Odd."} for number in refused]
    return httpx.Response(200, text="\n".join(map(str, [*lines, summary])).replace("'", '"') + "\n")


def test_facts_go_in_batches_and_the_rest_with_the_flush():
    sending, asked = sender(imported(2), imported(1))
    for number in range(3):
        sending.tell(fact(number))
    sending.flush()
    sending.flush()
    assert [len(request.content.splitlines()) for request in asked] == [2, 1]
    assert {request.headers["content-type"] for request in asked} == {"application/x-ndjson"}
    assert sending.counts["accepted"] == 3


def test_a_refused_line_is_counted_and_told_by_its_key():
    sending, _ = sender(imported(1, 2))
    sending.tell(fact(7))
    sending.tell(fact(8))
    assert (sending.counts["accepted"], sending.counts["refused"]) == (1, 1)
    assert sending.reasons == ["key-8: bad_shape: Odd."]


def test_only_the_first_reasons_are_told():
    sending, _ = sender(imported(0, *range(1, 9)), batch=8)
    for number in range(8):
        sending.tell(fact(number))
    assert (sending.counts["refused"], len(sending.reasons)) == (8, REASONS)


def test_a_busy_server_is_asked_again_when_it_says():
    busy = httpx.Response(429, headers={"Retry-After": "0"})
    sending, asked = sender(busy, busy, imported(1), batch=1)
    sending.tell(fact(1))
    assert len(asked) == 3
    assert len({request.content for request in asked}) == 1


def test_a_server_that_stays_busy_is_told_in_the_end():
    sending, asked = sender(*[httpx.Response(503, headers={"Retry-After": "0"})] * TRIES, batch=1)
    with pytest.raises(SendError, match="status 503"):
        sending.tell(fact(1))
    assert len(asked) == TRIES


def test_facts_are_there_before_a_transition_is_asked_for():
    opened = httpx.Response(201, json={"id": "pn_1"})
    refused = httpx.Response(409, json={"code": "transition_refused", "detail": "Not yet."})
    sending, asked = sender(opened, imported(1), refused)
    sending.open(Opening("Value 1", "House", AT, LINK))
    sending.tell(fact(1))
    sending.ask(LINK, "key", AT, trigger="separate")
    assert [request.url.path for request in asked[1:]] == ["/v1/facts", "/v1/partnerships/pn_1/transitions"]
    assert asked[2].headers["idempotency-key"] == "key"
    assert sending.reasons == ["key: transition_refused: Not yet."]


def test_what_no_later_line_could_mend_ends_the_sending():
    sending, _ = sender(httpx.Response(403, json={"code": "forbidden", "detail": "No."}))
    with pytest.raises(SendError, match=r"forbidden: No\."):
        sending.open(Opening("Value 1", "House", AT, LINK))
