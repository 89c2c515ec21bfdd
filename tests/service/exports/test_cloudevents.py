"""CloudEvents: every event of the log is one of theirs, by the rules of their specification."""

import json
import re
from urllib.parse import urldefrag

import pytest

from service.connectors.formats import read_body
from service.event_schemas import SCHEMAS, events_document
from service.exports.cloudevents import cloud_event, source_of
from tests.service.exports.conftest import NAME

CONTEXT = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"}


@pytest.fixture(params=[False, True], ids=["sealed", "opened"])
def lines(exported, request):
    return [json.loads(line) for line in exported.pieces["cloudevents", request.param, 3].splitlines()]


def test_every_event_of_the_log_is_a_line_in_its_order(exported, lines):
    assert [(each["id"], each["position"]) for each in lines] == [
        (each["id"], str(each["position"])) for each in exported.events
    ]


def test_a_line_says_what_the_event_says(exported, lines):
    for line, event in zip(lines, exported.events, strict=True):
        assert line["specversion"] == "1.0"
        assert line["type"] == f"io.readthedocs.noces.{event['type']}"
        assert (line["time"], line["recordedtime"]) == (event["occurred_at"], event["recorded_at"])
        assert line.get("subject") == event.get("partnership")
        assert (line["streamversion"], line["actor"]) == (str(event["version"]), event["actor"])
        assert line["source"] == "/v1/logs/acme"


def test_names_of_attributes_are_short_and_their_values_are_texts(lines):
    for line in lines:
        for name, value in line.items():
            assert re.fullmatch("[a-z0-9]{1,20}", name)
            assert name == "data" or (isinstance(value, str) and value)


def test_sequences_sort_as_texts(lines):
    sequences = [line["sequence"] for line in lines]
    assert sorted(sequences) == sequences
    assert [int(each) for each in sequences] == list(range(1, len(lines) + 1))
    assert {len(each) for each in sequences} == {16}


def test_sealed_data_is_what_its_schema_says_and_opened_data_claims_none(exported):
    known = events_document()["$defs"]
    sealed, opened = (exported.pieces["cloudevents", personal, 3].splitlines() for personal in (False, True))
    for line in map(json.loads, sealed):
        document, fragment = urldefrag(line["dataschema"])
        assert document == SCHEMAS
        schema = known[fragment.removeprefix("/$defs/")]
        assert set(schema.get("required", ())) <= line["data"].keys() <= schema["properties"].keys()
    assert not [line for line in map(json.loads, opened) if "dataschema" in line]
    (told,) = [line for line in map(json.loads, opened) if line["type"].endswith("contact.designated")]
    assert told["data"]["person"] == NAME


def test_our_own_connector_reads_them(exported):
    for line in exported.pieces["cloudevents", True, 3].splitlines():
        (found,) = read_body("cloudevents", line, {"content-type": "application/cloudevents+json"})
        assert found == json.loads(line)


def test_an_organisation_is_quoted_in_the_source():
    event = {
        "id": "e", "type": "key.revoked", "schema": 1, "stream": "keys", "version": 1, "position": 2**53 - 1,
        "occurred_at": "2020-01-01T00:00:00Z", "recorded_at": "2020-01-01T00:00:00Z", "actor": "system", "data": {},
    }  # fmt: skip
    told = cloud_event(event, "a/b c", sealed=False)
    assert told["source"] == source_of("a/b c") == "/v1/logs/a%2Fb%20c"
    assert (told["position"], told["sequence"]) == ("9007199254740991", "9007199254740991")
    assert "subject" not in told
    assert set(told) - CONTEXT == {"sequence", "position", "streamversion", "actor", "stream", "recordedtime"}
