"""OCEL 2.0 as JSON: by the rules of its schema, with the objects that each event is about and what was said of them."""

import json
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from tests.service.exports.conftest import CLIENT, NAME, TEXT
from tests.service.exports.ocel_rules import broken

SHARED = Path(__file__).parents[4] / "shared" / "data" / "ocel"
BEGINNING = "1970-01-01T00:00:00Z"


@pytest.fixture(params=[False, True], ids=["sealed", "opened"])
def document(exported, request):
    return json.loads(exported.pieces["ocel-json", request.param, 3])


@pytest.fixture
def sealed(exported):
    return json.loads(exported.pieces["ocel-json", False, 3])


def values(thing):
    return {each["name"]: each["value"] for each in thing["attributes"]}


def said(thing, name):
    return [(each["time"], each["value"]) for each in thing["attributes"] if each["name"] == name]


def objects(document):
    return {each["id"]: each for each in document["objects"]}


def test_the_document_keeps_the_rules(document):
    assert broken(document) == []


@pytest.mark.skipif(not SHARED.exists(), reason="no published schema here")  # its authors' own: never committed
def test_the_document_meets_the_published_schema(document):
    schema = json.loads((SHARED / "schema_ocel2.json").read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(document)


@pytest.mark.parametrize("harm", ["dangling", "number", "alone", "twice", "unqualified"])
def test_the_rules_are_missed_where_they_are_broken(sealed, harm):
    event = sealed["events"][0]
    match harm:
        case "dangling":
            event["relationships"][0]["objectId"] = "nobody"
        case "number":
            next(each for each in event["attributes"] if each["name"] == "position")["value"] = "3.5"
        case "alone":
            event["relationships"] = []
        case "twice":
            sealed["objects"].append(sealed["objects"][0])
        case "unqualified":
            event["relationships"][0]["qualifier"] = ""
    assert broken(sealed)


def test_the_events_are_the_facts_and_stages_without_what_was_retracted(exported, document, told):
    assert sorted(each["id"] for each in document["events"]) == sorted(each["id"] for each in told)
    assert exported.retracted not in {each["id"] for each in document["events"]}
    for event in document["events"]:
        (one,) = [each for each in told if each["id"] == event["id"]]
        assert (event["type"], event["time"]) == (one["type"], one["occurred_at"])
        assert values(event)["position"] == str(one["position"])


def test_a_life_stands_in_the_order_in_which_it_occurred(exported, document):
    for partnership in exported.ids:
        own = [
            each for each in document["events"]
            if {"objectId": partnership, "qualifier": "partnership"} in each["relationships"]
        ]  # fmt: skip
        assert [each["time"] for each in own] == sorted(each["time"] for each in own)


def test_objects_are_counted_by_type(document):
    assert Counter(each["type"] for each in document["objects"]) == {
        "partnership": 3, "client": 2, "partner": 3, "contract": 2, "promise": 4, "invoice": 2, "incident": 1, "crisis": 1,
        "meeting": 1,
    }  # fmt: skip


def test_a_client_of_two_partnerships_is_one_object(exported, document):
    found = objects(document)
    assert said(found[f"client:{CLIENT}"], "name") == [(BEGINNING, CLIENT)]
    for each in exported.ids[:2]:
        assert {"objectId": f"client:{CLIENT}", "qualifier": "client"} in found[each]["relationships"]


def test_the_stage_of_a_partnership_changes_when_it_was_entered(exported, document, told):
    first, _, third = exported.ids
    entered = [
        (each["occurred_at"], each["data"]["stage"])
        for each in told
        if each["type"] == "stage.entered" and each["partnership"] == first
    ]
    assert len(entered) == 4
    assert said(objects(document)[first], "stage") == [(BEGINNING, "honeymoon"), *entered]
    assert said(objects(document)[first], "outcome") == [(BEGINNING, "none"), *((at, "none") for at, _ in entered)]
    assert said(objects(document)[third], "critical") == [(BEGINNING, "true")]


def test_what_a_fact_says_of_its_object_holds_from_the_beginning_or_from_then_on(exported, document):
    first, second, third = exported.ids
    found = objects(document)
    assert said(found[f"{second}/promise/p1"], "promised") == [(BEGINNING, "30.0"), ("2020-03-07T00:00:00Z", "45.0")]
    assert said(found[f"{first}/promise/p1"], "actual") == [("2020-06-01T00:00:00Z", "66.0")]
    assert said(found[f"{second}/contract/c1"], "ends_on") == [("2020-02-02T00:00:00Z", "2024-01-31")]
    assert said(found[f"{second}/incident/i/1"], "within_sla") == [("2020-03-05T10:00:00.123456Z", "true")]
    assert values(found[f"{second}/meeting/strategic/2020-03-02"]) == {
        "level": "strategic",
        "day": "2020-03-02",
        "held": "true",
    }
    assert found[f"{third}/invoice/unknown"]["attributes"] == []
    assert f"{second}/incident/nowhere" not in found


def test_a_fact_of_a_side_is_about_that_side(exported, document):
    (designated,) = [each for each in document["events"] if each["type"] == "contact.designated"]
    assert {"objectId": f"client:{CLIENT}", "qualifier": "side"} in designated["relationships"]
    assert not [each for each in designated["relationships"] if each["objectId"].startswith("partner:")]


def test_people_are_pseudonyms_and_texts_are_left_out_unless_they_are_opened(exported):
    sealed, opened = (json.loads(exported.pieces["ocel-json", each, 3]) for each in (False, True))

    def one(document, kind):
        return next(values(each) for each in document["events"] if each["type"] == kind)

    assert one(opened, "contact.designated")["person"] == NAME
    assert json.loads(one(opened, "meeting.held")["attendees"]) == [NAME, "Bruno Taffarel"]
    assert one(opened, "crisis.opened")["text"] == TEXT
    attendees = json.loads(one(sealed, "meeting.held")["attendees"])
    assert attendees[0] == one(sealed, "contact.designated")["person"]
    assert all(each.startswith("per_") for each in attendees)
    assert "text" not in one(sealed, "crisis.opened")
    declared = {each["name"]: {one["name"] for one in each["attributes"]} for each in sealed["eventTypes"]}
    assert "text" not in declared["crisis.opened"]
    assert "person" in declared["contact.designated"]


def test_a_stage_names_the_guards_that_were_met(document):
    entered = next(values(each) for each in document["events"] if each["type"] == "stage.entered")
    assert json.loads(entered["guards"]) == ["delay_doubled"]
    assert entered["trigger"] == "face_reality"
