"""Bytes that no sender would send: every connector answers them with a reason, the same each time, and never raises."""

from hypothesis import given, settings
from hypothesis import strategies as st

from service.connectors.engine import map_delivery
from service.connectors.formats import masked
from service.connectors.handshake import LONGEST, greet
from service.scheme import Delivery
from tests.connectors.test_shipped import CONNECTORS, TABLES, sample_of, when_received

SAMPLES = sorted({(name, case["sample"]) for name in TABLES for case in TABLES[name]})
SALT = st.sampled_from(
    [b"<", b">", b"</a>", b"<![CDATA[", b"]]>", b"&#0;", b"&lt;", b"<!DOCTYPE a>", b"<?xml version='1.0' encoding='utf-7'?>",
     b"\xff", b"\x00", b'"', b"\\u0000", b"\\ud800", b"[" * 200, b'{"a":' * 200, b"null", b"true", b"1e999", b"-0", b"9" * 400, b"[]",
     b"{}", b'""', b"/Date(99999999999999999)/", b"0000-00-00", b"9999-12-31T23:59:60Z"]
) | st.binary(max_size=8)  # fmt: skip


@st.composite
def spoiled(draw):
    """(name, bytes, headers): a sample that was cut, doubled, salted or wiped in up to three places."""
    name, sample = draw(st.sampled_from(SAMPLES))
    body, headers = sample_of(name, sample)
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
        body = draw(
            st.sampled_from([
                body[:start] + body[end:], body[:end] + body[start:end] + body[end:], body[:start],
                body[:start] + draw(SALT) + body[start:], body[:start] + draw(SALT) + body[end:],
            ])
        )  # fmt: skip
    return name, body, headers


@settings(deadline=None)
@given(spoiled())
def test_no_spoiled_body_makes_a_connector_raise(given_):
    name, body, headers = given_
    arrival = when_received(body, headers)
    items = map_delivery(CONNECTORS[name], {}, arrival)
    assert items == map_delivery(CONNECTORS[name], {}, arrival)
    assert all(
        bool(item.failed) + bool(item.ignored) + bool(item.facts or item.opens or item.new_links) == 1 for item in items
    )


@settings(deadline=None)
@given(spoiled(), st.sampled_from(["SessionId", "content", "clientState"]))
def test_what_is_masked_twice_is_masked_once(given_, member):
    name, body, _ = given_
    form = CONNECTORS[name].spec.format
    once = masked(form, [member], body)
    assert masked(form, [member], once) == once


@settings(deadline=None)
@given(spoiled(), st.sampled_from(["GET", "POST", "OPTIONS", ""]), st.text(max_size=2 * LONGEST), st.booleans())
def test_no_spoiled_handshake_raises_or_is_answered_with_more_than_printable_text(given_, method, token, proven):
    name, body, headers = given_
    spec = CONNECTORS[name].spec
    places = [(place, token) for each in spec.handshake for place in (each.token.query, each.token.header) if place]
    sent = Delivery(method, "https://noces.example/hooks/src_1", tuple(headers) + tuple(places), tuple(places), body)
    reply = greet(spec, sent, ["s3cret"], proven=proven)
    assert reply is None or all(value.isprintable() for value in reply.headers.values())
