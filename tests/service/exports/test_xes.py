"""XES: a trace a partnership, in the order in which it occurred, in XML that every parser takes."""

from xml.etree import ElementTree as ET

import pytest

from service.exports.xes import _escaped
from tests.service.exports.conftest import CLIENT, NAME, TEXT

SPACE = "{http://www.xes-standard.org/}"
TAGS = {"string", "int", "float", "boolean", "date"}


@pytest.fixture(params=[False, True], ids=["sealed", "opened"])
def log(exported, request):
    return ET.fromstring(exported.pieces["xes", request.param, 3])


def attributes(element):
    found = [each for each in element if each.tag.removeprefix(SPACE) in TAGS]
    assert len({each.get("key") for each in found}) == len(found)
    return {each.get("key"): each.get("value") for each in found}


def test_the_head_declares_what_is_used(log):
    assert (log.tag, log.get("xes.version")) == (f"{SPACE}log", "1.0")
    prefixes = {each.get("prefix") for each in log.iter(f"{SPACE}extension")}
    assert prefixes == {"concept", "time", "lifecycle", "org"}
    keys = {attribute.get("key") for each in log.iter() for attribute in each if attribute.get("key")}
    assert {each.partition(":")[0] for each in keys if ":" in each} <= prefixes
    scopes = {each.get("scope"): attributes(each).keys() for each in log.iter(f"{SPACE}global")}
    assert all(scopes["trace"] <= attributes(each).keys() for each in log.iter(f"{SPACE}trace"))
    assert all(scopes["event"] <= attributes(each).keys() for each in log.iter(f"{SPACE}event"))
    for classifier in log.iter(f"{SPACE}classifier"):
        assert set(classifier.get("keys").split()) <= scopes["event"]


def test_the_parts_stand_in_the_order_of_the_standard(log):
    order = ["extension", "global", "classifier", "string", "trace"]
    found = [order.index(each.tag.removeprefix(SPACE)) for each in log]
    assert found == sorted(found)


def test_every_partnership_is_a_trace_with_its_events(exported, log, told):
    traces = {attributes(each)["concept:name"]: each for each in log.iter(f"{SPACE}trace")}
    assert traces.keys() == set(exported.ids)
    for partnership, trace in traces.items():
        events = [attributes(each) for each in trace.iter(f"{SPACE}event")]
        own = [each for each in told if each["partnership"] == partnership]
        assert sorted(each["concept:instance"] for each in events) == sorted(each["id"] for each in own)
        times = [each["time:timestamp"] for each in events]
        assert times == sorted(times)


def test_an_event_says_what_happened_when_and_who_said_it(exported, log, told):
    known = {each["id"]: each for each in told}
    for element in log.iter(f"{SPACE}event"):
        event = attributes(element)
        one = known[event["concept:instance"]]
        assert event["concept:name"].partition(":")[0] == one["type"]
        assert event["time:timestamp"] == one["occurred_at"]
        assert (event["lifecycle:transition"], event["org:resource"]) == ("complete", one["actor"])
        assert event["position"] == str(one["position"])


def test_a_stage_is_an_activity_of_its_own(log):
    names = {attributes(each)["concept:name"] for each in log.iter(f"{SPACE}event")}
    assert {"stage.entered:power_struggle", "stage.entered:power_sharing", "promise.made"} <= names


def test_names_of_firms_come_out_as_they_are(exported, log):
    clients = {attributes(each)["concept:name"]: attributes(each)["client"] for each in log.iter(f"{SPACE}trace")}
    assert clients[exported.ids[0]] == CLIENT


def test_a_text_comes_out_as_it_is_but_for_what_xml_forbids(exported):
    opened = ET.fromstring(exported.pieces["xes", True, 3])
    (crisis,) = [
        each for each in map(attributes, opened.iter(f"{SPACE}event")) if each["concept:name"] == "crisis.opened"
    ]
    assert crisis["text"] == TEXT.replace("\x01", "\ufffd").replace("\x1b", "\ufffd").replace("\ufffe", "\ufffd")
    (contact,) = [each for each in map(attributes, opened.iter(f"{SPACE}event")) if "person" in each]
    assert contact["person"] == NAME


def test_every_character_is_taken_by_a_parser():
    text = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x10000), 0x1F3BA, 0x10FFFF]))
    read = ET.fromstring(f'<a b="{_escaped(text)}"/>').get("b")
    assert len(read) == len(text)
    changed = {one for one, other in zip(text, read, strict=True) if one != other}
    assert changed == {*map(chr, range(1, 0x20)), "\ufffe", "\uffff"} - {"\t", "\n", "\r"}
