"""Connector files: what is wrong in one is named, and what a sender posts becomes exactly the facts it should."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import FACTS
from service.app import FACT_FIELDS
from service.connectors.dry_run import dry_run
from service.connectors.engine import Arrival, LinkRef, MappedFact, Opening, map_delivery
from service.connectors.load import ConnectorError, load_connectors, load_text
from service.connectors.settings import SettingsError, resolve_settings

FOLDER = Path(load_connectors.__code__.co_filename).parent / "samples"
PAGE = Path(__file__).parents[2] / "docs" / "connectors" / "README.md"
SHIPPED = load_connectors(FACT_FIELDS)


def body_of(name):
    return (FOLDER / f"{name}.json").read_bytes()


def items_of(name, **chosen):
    return map_body(SHIPPED[name.split("/")[0]], chosen, body_of(name))


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


RECEIVED = at(2026, 6, 1, 12)


def map_body(connector, chosen, body, headers=(), source="src_1"):
    return map_delivery(connector, chosen, Arrival(body, headers, source, RECEIVED))


def explain(connector, chosen, body):
    return dry_run(connector, chosen, Arrival(body, (), "src_1", RECEIVED), lambda _: None)


# --- the shipped connectors ---------------------------------------------------------------------------------------

DEAL = LinkRef("hubspot", "deal", "90210001")
SERVICE = LinkRef("pagerduty", "service", "PSVC007")
CUSTOMER = LinkRef("stripe", "customer", "cus_Noces0001")
SUBSCRIPTION = LinkRef("stripe", "subscription", "sub_Noces0001")
RAISED_AT = datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
CRISIS = {"crisis": "PINC0042", "severity": 3, "text": "Orders cannot be placed"}
ISSUED = {"invoice": "in_Noces0001", "amount": 1250050, "currency": "EUR"}

MAPPED = [
    (
        "hubspot/deal.stage-won",
        "deal-won",
        (DEAL,),
        [
            MappedFact(
                "contract.signed",
                datetime(2026, 2, 1, 0, 0, 0, 500_000, tzinfo=UTC),
                {"contract": "hubspot-deal-90210001", "starts_on": "2026-02-01"},
            )
        ],
    ),
    (
        "pagerduty/incident.triggered",
        "incident-triggered",
        (SERVICE,),
        [MappedFact("incident.raised", RAISED_AT, {"incident": "PINC0042", "priority": 2})],
    ),
    (
        "pagerduty/incident.triggered-low",
        "incident-triggered",
        (SERVICE,),
        [MappedFact("incident.raised", RAISED_AT, {"incident": "PINC0042", "priority": 4})],
    ),
    (
        "pagerduty/incident.triggered-p3",
        "incident-triggered",
        (SERVICE,),
        [MappedFact("incident.raised", RAISED_AT, {"incident": "PINC0042", "priority": 3})],
    ),
    (
        "pagerduty/incident.triggered-p1",
        "incident-triggered",
        (SERVICE,),
        [
            MappedFact("incident.raised", RAISED_AT, {"incident": "PINC0042", "priority": 1}),
            MappedFact("crisis.opened", RAISED_AT, CRISIS, ("unknown",)),
        ],
    ),
    (
        "pagerduty/incident.priority_updated-p1",
        "incident-became-crisis",
        (SERVICE,),
        [MappedFact("crisis.opened", RAISED_AT, CRISIS, ("unknown",))],
    ),
    (
        "pagerduty/incident.resolved",
        "incident-resolved",
        (SERVICE,),
        [MappedFact("incident.resolved", at(2026, 2, 3, 6), {"incident": "PINC0042"})],
    ),
    (
        "pagerduty/incident.resolved-p1",
        "incident-resolved",
        (SERVICE,),
        [
            MappedFact("incident.resolved", at(2026, 2, 3, 6), {"incident": "PINC0042"}),
            MappedFact(
                "crisis.overcome", at(2026, 2, 3, 6), {"crisis": "PINC0042", "own_parts": []}, ("unknown", "open")
            ),
        ],
    ),
    (
        "pagerduty/incident.reopened",
        "incident-reopened",
        (SERVICE,),
        [MappedFact("incident.reopened", at(2026, 2, 3, 7, 30), {"incident": "PINC0042"})],
    ),
    (
        "stripe/invoice.finalized",
        "invoice-finalized",
        (CUSTOMER,),
        [MappedFact("invoice.issued", at(2026, 2, 15, 23, 51, 40), ISSUED)],
    ),
    (
        "stripe/invoice.finalized-due",
        "invoice-finalized",
        (SUBSCRIPTION, CUSTOMER),
        [MappedFact("invoice.issued", at(2026, 2, 15, 23, 51, 40), {**ISSUED, "due_on": "2026-03-17"})],
    ),
    (
        "stripe/invoice.finalized-basil",
        "invoice-finalized",
        (SUBSCRIPTION, CUSTOMER),
        [MappedFact("invoice.issued", at(2026, 2, 15, 23, 51, 40), {**ISSUED, "due_on": "2026-03-17"})],
    ),
    (
        "stripe/invoice.paid",
        "invoice-paid",
        (SUBSCRIPTION, CUSTOMER),
        [MappedFact("invoice.paid", at(2026, 3, 8, 20), {"invoice": "in_Noces0001", "paid_on": "2026-03-08"})],
    ),
    (
        "stripe/invoice.payment_failed",
        "invoice-overdue",
        (SUBSCRIPTION, CUSTOMER),
        [MappedFact("invoice.overdue", at(2026, 3, 18, 2, 13, 20), {"invoice": "in_Noces0001"})],
    ),
    (
        "stripe/invoice.overdue",
        "invoice-overdue",
        (SUBSCRIPTION, CUSTOMER),
        [MappedFact("invoice.overdue", at(2026, 3, 19, 6), {"invoice": "in_Noces0001"})],
    ),
    (
        "stripe/customer.subscription.created",
        "subscription-created",
        (SUBSCRIPTION, CUSTOMER),
        [
            MappedFact(
                "contract.signed",
                at(2026, 2, 16),
                {"contract": "stripe-sub_Noces0001", "starts_on": "2026-02-17"},
            )
        ],
    ),
    (
        "stripe/customer.subscription.deleted",
        "subscription-ended",
        (SUBSCRIPTION, CUSTOMER),
        [
            MappedFact(
                "contract.notice_given",
                at(2026, 3, 31, 23, 33, 20),
                {"contract": "stripe-sub_Noces0001", "side": "client", "effective_on": "2026-04-24"},
            )
        ],
    ),
    (
        "stripe/charge.dispute.created",
        "dispute-created",
        (LinkRef("stripe", "charge", "ch_Noces0001"),),
        [
            MappedFact(
                "dispute.opened",
                at(2026, 3, 20, 9, 46, 40),
                {"dispute": "dp_Noces0001", "side": "client", "subject": "Payment disputed: product_unacceptable"},
            )
        ],
    ),
]


@pytest.mark.parametrize(("name", "rule", "links", "facts"), MAPPED, ids=[case[0] for case in MAPPED])
def test_an_event_gives_exactly_its_facts(name, rule, links, facts):
    (item,) = items_of(name)
    assert (item.failed, item.ignored) == (None, None)
    assert (item.rule, item.links, list(item.facts)) == (rule, links, facts)
    assert item.opens is None


@pytest.mark.parametrize(("name", "rule", "links", "facts"), MAPPED, ids=[case[0] for case in MAPPED])
def test_the_domain_takes_every_mapped_fact_as_it_is(name, rule, links, facts):
    for fact in facts:
        struct = msgspec.convert(fact.fields, FACTS[fact.type])
        assert frozenset(fact.fields) <= FACT_FIELDS[fact.type] <= frozenset(struct.__struct_fields__)


IGNORED = [
    ("hubspot/deal.stage-lost", "rule deal-lost: deal 90210001 is lost"),
    ("hubspot/deal.stage-moved", "rule deal-stage: deal 90210001 moved to the stage presentationscheduled"),
    ("hubspot/deal.amount-changed", "rule deal-property: the property amount"),
    ("hubspot/deal.deletion", "rule record-cleanup: deal.deletion"),
    ("hubspot/company.creation", "rule company-created-unopened:"),
    ("hubspot/company.name-changed", "rule company-property: the property name"),
    ("pagerduty/incident.priority_updated-p4", "rule incident-priority: incident PINC0042 now has the priority P4"),
    ("pagerduty/incident.acknowledged", "no rule matches the event incident.acknowledged"),
    ("pagerduty/pagey.ping", "rule ping:"),
    ("stripe/customer.created", "no rule matches the event customer.created"),
]


@pytest.mark.parametrize(("name", "why"), IGNORED, ids=[case[0] for case in IGNORED])
def test_an_event_that_says_nothing_is_ignored_with_its_reason(name, why):
    (item,) = items_of(name)
    assert item.ignored.startswith(why)
    assert (item.failed, item.facts, item.links) == (None, (), ())


def test_a_new_deal_opens_a_partnership_and_teaches_its_link():
    (item,) = items_of("hubspot/deal.creation", client="Mairie de Lorient")
    when = datetime(2026, 1, 5, 9, 30, 0, 250_000, tzinfo=UTC)
    assert item.opens == Opening("Mairie de Lorient", "HubSpot deal 90210001", when)
    assert (item.links, item.new_links, item.facts) == ((DEAL,), (DEAL,), ())


def test_without_a_client_the_portal_stands_for_it():
    assert items_of("hubspot/deal.creation")[0].opens.client == "HubSpot portal 20260101"


def test_an_event_of_a_newer_hubspot_app_is_read_by_its_type_of_record():
    assert items_of("hubspot/object.creation")[0].opens.partner == "HubSpot deal 90210003"


@pytest.mark.parametrize(
    ("name", "chosen", "rule"),
    [
        ("hubspot/deal.creation", {"open_on_deal": False}, "deal-created-unopened"),
        ("hubspot/company.creation", {"open_on_company": True}, "company-created"),
        ("hubspot/deal.stage-moved", {"won_stages": ["presentationscheduled"]}, "deal-won"),
        ("hubspot/deal.stage-won", {"won_stages": [], "lost_stages": ["closedwon"]}, "deal-lost"),
        ("pagerduty/incident.priority_updated-p4", {"priorities": {"P4": 1}}, "incident-became-crisis"),
        ("stripe/invoice.paid", {"live_only": True}, "sandbox"),
    ],
)
def test_a_setting_changes_which_rule_matches(name, chosen, rule):
    assert items_of(name, **chosen)[0].rule == rule


def test_a_cancelled_subscription_is_noticed_by_the_side_that_is_set():
    (item,) = items_of("stripe/customer.subscription.deleted", notice_side="partner")
    assert item.facts[0].fields["side"] == "partner"


def test_a_batch_splits_and_one_odd_item_fails_alone():
    items = items_of("hubspot/batch")
    assert [item.rule for item in items] == ["deal-created", "deal-won", "deal-won", None]
    assert [bool(item.failed) for item in items] == [False, True, False, False]
    assert "starts_on cannot be read: 'last tuesday'" in items[1].failed
    assert items[3].ignored == "no rule matches the event contact.creation"


def test_a_key_is_the_senders_and_a_repetition_has_the_same():
    first, again = items_of("hubspot/deal.stage-won")[0], items_of("hubspot/deal.stage-won")[0]
    assert first.key == again.key == '["7100002","90210001","1769904000500","dealstage","closedwon"]'
    assert items_of("stripe/invoice.paid")[0].key == "evt_1NocesTest0004"
    assert items_of("pagerduty/pagey.ping")[0].key == "01EVT00000000000000000000B"


def test_an_item_without_the_senders_key_is_known_by_its_content():
    stripe = SHIPPED["stripe"]
    (one,) = map_body(stripe, {}, b'{"type":"invoice.paid", "livemode":true}')
    (other,) = map_body(stripe, {}, b'{"livemode": true, "type": "invoice.paid"}')
    assert re.fullmatch("[0-9a-f]{64}", one.key)
    assert one.key == other.key
    assert one.failed == "rule invoice-paid: invoice.paid has no invoice: the delivery holds nothing for it"


def test_an_event_without_a_link_fails_and_names_the_kinds():
    raw = body_of("stripe/invoice.overdue").replace(b"cus_Noces0001", b"").replace(b"sub_Noces0001", b"")
    (item,) = map_body(SHIPPED["stripe"], {}, raw)
    assert item.failed.endswith("names no partnership: expected the id of a stripe/subscription or stripe/customer")


# --- what a file may say ------------------------------------------------------------------------------------------

HEAD = """\
name = "probe"
title = "Probe"
summary = "For tests."
event = "kind"
key = ["id"]

[[scheme]]
name = "token"
method = "token"
header = "X-Token"

[settings.side]
type = "string"
default = "client"
description = "Whose."

[settings.words]
type = "map"
default = { good = 5, bad = 1 }
description = "Scores."

[settings.levels]
type = "strings"
description = "Levels."

[[link]]
system = "probe"
kind = "account"
external_id = { path = "account" }
"""
RULE = """
[[rule]]
name = "held"
when = [{ path = "kind", equals = "held" }]

[[rule.fact]]
type = "meeting.held"
occurred_at = { path = "at" }
fields.level = { const = "strategic" }
"""


def probe(text):
    return load_text(text, "probe.toml", FACT_FIELDS)


def mapped(text, item, headers=(), **chosen):
    return map_body(probe(text), chosen, json.dumps(item).encode(), headers, "src_9")[0]


def field(value, item, **chosen):
    """The value of a field `hours` that is written as `value`, or why there is none."""
    text = HEAD + RULE + f"fields.hours = {value}\n"
    result = mapped(text, {"kind": "held", "at": "2026-01-01", "account": 7, **item}, **chosen)
    return result.failed or result.facts[0].fields.get("hours")


@pytest.mark.parametrize(
    ("value", "item", "wanted"),
    [
        ('{ path = "x" }', {"x": 2.5}, 2.5),
        ('{ path = "x", as = "number" }', {"x": "2.50"}, 2.5),
        ('{ path = "x", as = "integer" }', {"x": "30"}, 30),
        ('{ path = "x", scale = 100, as = "integer" }', {"x": "19.99"}, 1999),
        ('{ path = "x", scale = 100, as = "integer" }', {"x": 19.99}, 1999),
        ('{ path = "x", scale = 0.25 }', {"x": 90}, 22.5),
        ('{ path = "x", as = "upper" }', {"x": "eur"}, "EUR"),
        ('{ path = "x", as = "lower" }', {"x": "URGENT"}, "urgent"),
        ('{ path = "x", as = "string" }', {"x": 12}, "12"),
        ('{ path = "x", as = "boolean" }', {"x": "Yes"}, True),
        ('{ path = "x", map = { "1" = 5, true = 4 } }', {"x": 1}, 5),
        ('{ path = "x", map = { "1" = 5, true = 4 } }', {"x": True}, 4),
        ('{ path = "x", map = { a = 1 }, default = 9 }', {"x": "b"}, 9),
        ('{ path = "x", map = { a = 1 }, otherwise = { path = "y" } }', {"x": "b", "y": 3}, 3),
        ('{ path = "x", map_setting = "words" }', {"x": "good"}, 5),
        ('{ path = "x", minor_of = { path = "y" } }', {"x": "19.99", "y": "EUR"}, 1999),
        ('{ path = "x", minor_of = { path = "y" } }', {"x": 20, "y": "jpy"}, 20),
        ('{ path = "x", minor_of = { path = "y" }, optional = true }', {"x": 20}, None),
        ('{ template = "{x}-{setting:side}-{source:id}" }', {"x": 1}, "1-client-src_9"),
        ('{ template = "{x}", optional = true }', {}, None),
        ('{ path = "x", optional = true }', {"x": ""}, None),
        ('{ path = "x", default = "" , optional = true }', {}, None),
        ('{ setting = "side" }', {}, "client"),
        ('{ body = "x" }', {"x": 4}, 4),
        ("{ const = [1] }", {}, [1]),
        ('{ path = "x", unit = "ms", as = "date" }', {"x": 1767605400250}, "2026-01-05"),
        ('{ path = "x", unit = "s" }', {"x": 1767605400}, "2026-01-05T09:30:00Z"),
        ('{ path = "max(x)" }', {"x": [1, 3, 2]}, 3),
    ],
)
def test_a_value_comes_out_as_its_file_says(value, item, wanted):
    got = field(value, item)
    assert got == wanted
    assert isinstance(got, bool) == isinstance(wanted, bool)


@pytest.mark.parametrize(
    ("value", "item", "why"),
    [
        ('{ path = "x" }', {}, "meeting.held has no hours"),
        ('{ path = "x", as = "number" }', {"x": "many"}, '"many" is not a number'),
        ('{ path = "x", as = "number" }', {"x": "1e999999999"}, "is not a number"),
        ('{ path = "x", as = "number" }', {"x": 10**400}, "is not a number"),
        ('{ path = "x", as = "number" }', {"x": True}, "is not a number"),
        ('{ path = "x", as = "integer" }', {"x": 1.5}, "not a whole number"),
        ('{ path = "x", as = "boolean" }', {"x": "maybe"}, "is not true or false"),
        ('{ path = "x", as = "upper" }', {"x": {}}, "expected a single value"),
        ('{ path = "x", map = { b = 1, a = 1 } }', {"x": "c"}, "is in no map: expected one of a, b"),
        ('{ path = "x", unit = "s" }', {"x": 10**18}, "outside the calendar"),
        ('{ path = "x" }', {"x": "a\0b"}, "NUL"),
        ('{ path = "max(x)" }', {"x": "no list"}, "cannot be followed"),
    ],
)
def test_a_value_that_cannot_be_had_fails_its_item_with_a_reason(value, item, why):
    assert why in field(value, item)


@pytest.mark.parametrize(
    ("instant", "text", "wanted"),
    [
        ('{ path = "at", unit = "s" }', 1767605400, at(2026, 1, 5, 9, 30)),
        ('{ path = "at", unit = "s" }', "1767605400.123456789", datetime(2026, 1, 5, 9, 30, 0, 123456, tzinfo=UTC)),
        ('{ path = "at", unit = "ms" }', "1767605400250", datetime(2026, 1, 5, 9, 30, 0, 250_000, tzinfo=UTC)),
        ('{ path = "at", unit = "us" }', 1767605400000001, datetime(2026, 1, 5, 9, 30, 0, 1, tzinfo=UTC)),
        ('{ path = "at", unit = "ns" }', 1767605400999999999, datetime(2026, 1, 5, 9, 30, 0, 999_999, tzinfo=UTC)),
        ('{ path = "at" }', "2026-01-05T09:30:00Z", at(2026, 1, 5, 9, 30)),
        ('{ path = "at" }', "2026-01-05T09:30Z", at(2026, 1, 5, 9, 30)),
        ('{ path = "at" }', "2026-01-05 11:30:00.9999999+0200", datetime(2026, 1, 5, 9, 30, 0, 999_999, tzinfo=UTC)),
        ('{ path = "at" }', "2026-01-05T09:30:00.123456789Z", datetime(2026, 1, 5, 9, 30, 0, 123_456, tzinfo=UTC)),
        ('{ path = "at" }', "2026-01-05T04:00:00.5-05:30", datetime(2026, 1, 5, 9, 30, 0, 500_000, tzinfo=UTC)),
        ('{ path = "at" }', "2026-01-05T10:30:00+01", at(2026, 1, 5, 9, 30)),
        ('{ path = "at" }', "2026-01-05", at(2026, 1, 5)),
        ('{ path = "at", zone = "Europe/Paris" }', "2026-07-05 11:30:00", at(2026, 7, 5, 9, 30)),
        ('{ path = "at", zone = "Europe/Paris" }', "2026-07-05T09:30:00Z", at(2026, 7, 5, 9, 30)),
        ('{ path = "at", unit = "dotnet" }', "/Date(1767605400250)/", datetime(2026, 1, 5, 9, 30, 0, 250_000, UTC)),
        ('{ path = "at", unit = "dotnet" }', "/Date(1767605400000+0200)/", at(2026, 1, 5, 9, 30)),
        ('{ path = "at", unit = "date" }', "2024-02-29", at(2024, 2, 29)),
    ],
)
def test_a_time_is_read_in_its_unit_and_cut_never_rounded(instant, text, wanted):
    item = mapped(HEAD + RULE.replace('{ path = "at" }', instant), {"kind": "held", "at": text, "account": 7})
    assert item.failed is None
    assert item.facts[0].occurred_at == wanted
    assert item.facts[0].occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        ('{ path = "at" }', "2026-01-05T09:30:00"),
        ('{ path = "at" }', "2026-02-30T09:30:00Z"),
        ('{ path = "at" }', "2026-01-05T25:30:00Z"),
        ('{ path = "at" }', "0001-01-01T00:00:00+05:00"),
        ('{ path = "at" }', 1767605400),
        ('{ path = "at" }', {"deep": [1]}),
        ('{ path = "at", unit = "date" }', "05/01/2026"),
        ('{ path = "at", unit = "dotnet" }', "/Date(soon)/"),
        ('{ path = "at", unit = "s" }', True),
        ('{ path = "at", unit = "s" }', "١٢٣"),
        ('{ path = "at", unit = "s" }', 10**18),
    ],
)
def test_a_time_that_is_none_fails_its_item(instant, text):
    item = mapped(HEAD + RULE.replace('{ path = "at" }', instant), {"kind": "held", "at": text, "account": 7})
    assert "occurred_at cannot be read" in item.failed


@pytest.mark.parametrize(
    ("condition", "item", "matches"),
    [
        ('{ path = "x", equals = 1 }', {"x": 1}, True),
        ('{ path = "x", matches = "^(big)?deal$" }', {"x": "deal"}, True),
        ('{ path = "x", matches = "^(big)?deal$" }', {"x": "ideal"}, False),
        ('{ path = "x", equals = 1 }', {"x": True}, False),
        ('{ path = "x", equals = "1" }', {"x": 1}, False),
        ('{ path = "x", in = ["a", "b"] }', {"x": "b"}, True),
        ('{ path = "x", in = ["a", "b"] }', {"x": "c"}, False),
        ('{ path = "x", not_in = ["a"] }', {"x": "b"}, True),
        ('{ path = "x", not_in = ["a"] }', {"x": "a"}, False),
        ('{ path = "x", in_setting = "levels" }', {"x": "high"}, True),
        ('{ path = "x", in_setting = "levels" }', {"x": "low"}, False),
        ('{ path = "x", present = true }', {"x": 0}, True),
        ('{ path = "x", present = true }', {"x": ""}, False),
        ('{ path = "x", present = false }', {}, True),
        ('{ header = "X-Event", equals = "go" }', {}, True),
        ('{ header = "X-Event", equals = "stop" }', {}, False),
        ('{ path = "x", was = "old" }', {"x": 2, "old": 1}, True),
        ('{ path = "x", was = "old" }', {"x": 2, "old": 2}, False),
        ('{ path = "x", was = "old" }', {"x": 2}, False),
        ('{ path = "x", in = [2], was = "old", from = [1] }', {"x": 2, "old": 1}, True),
        ('{ path = "x", in = [2], was = "old", from = [1] }', {"x": 2, "old": 3}, False),
        ('{ setting = "side", equals = "client" }', {}, True),
        ('{ body = "x", equals = 1 }', {"x": 1}, True),
    ],
)
def test_a_condition_holds_or_not(condition, item, matches):
    text = HEAD + RULE.replace('{ path = "kind", equals = "held" }', condition)
    result = mapped(text, {"kind": "k", "at": "2026-01-01", "account": 7, **item}, [("x-event", "go")], levels=["high"])
    assert (result.rule == "held") == matches


def test_a_rule_may_look_links_up_in_order_and_teach_others():
    text = HEAD + RULE.replace(
        "[[rule.fact]]",
        """\
links = [
    { system = "probe", kind = "deal", external_id = { path = "deal" } },
    { system = "probe", kind = "account", external_id = { path = "account" } },
]
new_links = [{ system = "probe", kind = "deal", external_id = { path = "deal" } }]

[[rule.fact]]""",
    )
    item = mapped(text, {"kind": "held", "at": "2026-01-01", "account": 7, "deal": "d1"})
    assert item.links == (LinkRef("probe", "deal", "d1"), LinkRef("probe", "account", "7"))
    assert item.new_links == (LinkRef("probe", "deal", "d1"),)
    assert mapped(text, {"kind": "held", "at": "2026-01-01", "account": 7}).links == (LinkRef("probe", "account", "7"),)


def test_an_opening_without_a_name_for_the_partner_fails():
    opening = """
[rule.opens]
client = { setting = "side" }
partner = { path = "partner" }
opened_at = { path = "at" }
"""
    text = HEAD + RULE.partition("[[rule.fact]]")[0] + opening
    item = {"kind": "held", "at": "2026-01-01", "account": 7}
    assert mapped(text, {**item, "partner": "Atelier"}).opens == Opening("client", "Atelier", at(2026, 1, 1))
    assert mapped(text, item).failed.startswith("rule held: partner is empty")
    assert "partner has 1001 characters" in mapped(text, {**item, "partner": "x" * 1_001}).failed


def test_a_rule_of_which_no_fact_applies_ignores_the_item():
    text = HEAD + RULE.replace('type = "meeting.held"', 'type = "meeting.held"\nwhen = [{ path = "x", equals = 1 }]')
    item = mapped(text, {"kind": "held", "at": "2026-01-01", "account": 7})
    assert item.ignored == "rule held: none of its facts applies"


# --- errors when a file is loaded ---------------------------------------------------------------------------------

BAD = [
    ('name = "probe', None, 1, "this is not TOML"),
    (HEAD.replace("title", "titel") + RULE, "titel", 2, "unknown field `titel`"),
    (HEAD.replace('title = "Probe"\n', "") + RULE, None, None, "missing required field `title`"),
    (HEAD, None, None, "missing required field `rule`"),
    (HEAD + RULE.replace("meeting.held", "meeting.helt"), "rule[0].fact[0].type", 36, "one like meeting.held"),
    (HEAD + RULE.replace("fields.level", "fields.levle"), "rule[0].fact[0].fields.levle", 38, "one like level"),
    (HEAD + RULE.replace('path = "at"', 'path = "at["'), "rule[0].fact[0].occurred_at.path", 37, "not a JMESPath"),
    (
        HEAD + RULE.replace('path = "at"', 'path = "at", unit = "weeks"'),
        "rule[0].fact[0].occurred_at.unit",
        37,
        "weeks",
    ),
    (
        HEAD + RULE.replace('path = "at"', 'path = "at", zone = "Mars/North"'),
        "rule[0].fact[0].occurred_at.zone",
        37,
        "Europe/Paris",
    ),
    (HEAD + RULE.replace("equals", "equal"), "rule[0].when[0].equal", 33, "unknown field"),
    (HEAD + RULE.replace(', equals = "held"', ""), "rule[0].when[0]", 33, "tests nothing"),
    (HEAD + RULE.replace('equals = "held"', 'in_setting = "side"'), "rule[0].when[0].in_setting", 33, "type strings"),
    (HEAD + RULE.replace('equals = "held"', 'from = ["a"]'), "rule[0].when[0].from", 33, "needs `was`"),
    (
        HEAD + RULE.replace('const = "strategic"', 'const = "a", path = "b"'),
        "rule[0].fact[0].fields.level",
        38,
        "one place",
    ),
    (
        HEAD + RULE.replace('const = "strategic"', "const = 2026-01-01"),
        "rule[0].fact[0].fields.level.const",
        38,
        "quotes",
    ),
    (
        HEAD + RULE.replace('const = "strategic"', 'setting = "sid"'),
        "rule[0].fact[0].fields.level.setting",
        38,
        "no setting 'sid'",
    ),
    (HEAD + RULE.replace('const = "strategic"', 'let = "x"'), "rule[0].fact[0].fields.level.let", 38, "no let 'x'"),
    (
        HEAD + RULE.replace('const = "strategic"', 'template = "{a"'),
        "rule[0].fact[0].fields.level.template",
        38,
        "braces",
    ),
    (
        HEAD + RULE.replace('const = "strategic"', 'path = "a", unit = "s", as = "upper"'),
        "rule[0].fact[0].fields.level",
        38,
        "takes no `scale`",
    ),
    (HEAD + RULE.replace('"strategic"', "inf"), "rule[0].fact[0].fields.level.const", 38, "finite"),
    (HEAD + RULE.replace('path = "kind"', 'path = "a", header = "b"'), "rule[0].when[0]", 33, "one place"),
    (
        HEAD.replace('default = "client"', 'default = "a"\nrequired = true') + RULE,
        "settings.side.required",
        15,
        "never",
    ),
    (HEAD + RULE + RULE, "rule[1].name", 41, "is there twice"),
    (HEAD + '\n[[rule]]\nname = "empty"\n', "rule[0]", 31, "either has `ignore`"),
    (HEAD.partition("[[link]]")[0] + RULE, "rule[0]", 27, "finds no partnership"),
    (HEAD.replace('default = "client"', "default = 3") + RULE, "settings.side.default", 14, "expected a text"),
    (HEAD.replace('header = "X-Token"', 'heder = "X-Token"') + RULE, "scheme[0].heder", 10, "unknown field"),
    (HEAD.replace('header = "X-Token"\n', "") + RULE, "scheme[0]", 7, "one place"),
    (HEAD.replace('key = ["id"]', 'key = ["id", "a["]') + RULE, "key[1]", 5, "not a JMESPath"),
    (HEAD.replace('name = "probe"', 'name = "Probe"') + RULE, "name", 1, "matching regex"),
    ("x = " + "[" * 5_000, None, None, ""),
    ("#" * 70_000, None, None, "at most 65536"),
]


@pytest.mark.parametrize(("text", "where", "line", "why"), BAD, ids=[str(case[1] or case[3]) for case in BAD])
def test_a_wrong_file_is_refused_with_file_line_and_field(text, where, line, why):
    with pytest.raises(ConnectorError) as refused:
        probe(text)
    error = refused.value
    assert (error.file, error.field, error.line) == ("probe.toml", where, line)
    assert why in error.problem
    assert str(error).startswith("probe.toml")
    assert "\n" not in str(error)


def test_a_let_sees_only_those_above_it():
    text = HEAD + '\n[let.a]\nlet = "b"\n\n[let.b]\npath = "x"\n' + RULE
    with pytest.raises(ConnectorError, match="no let 'b' above"):
        probe(text)
    assert probe(HEAD + '\n[let.b]\npath = "x"\n\n[let.a]\nlet = "b"\n' + RULE)


def test_a_directory_adds_connectors_beside_the_shipped_ones(tmp_path):
    (tmp_path / "probe.toml").write_text(HEAD + RULE)
    assert set(load_connectors(FACT_FIELDS, tmp_path)) == {*SHIPPED, "probe"}


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("other.toml", HEAD + RULE, "expected 'other', as the file is called"),
        ("stripe.toml", HEAD.replace("probe", "stripe", 1) + RULE, "belongs to a shipped connector"),
        ("bytes.toml", b"\xff", "cannot be read"),
    ],
)
def test_a_directory_with_a_wrong_file_is_refused(tmp_path, file, text, why):
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConnectorError, match=why):
        load_connectors(FACT_FIELDS, tmp_path)


def test_a_directory_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConnectorError, match="no such directory"):
        load_connectors(FACT_FIELDS, tmp_path / "nowhere")


def test_the_example_of_the_page_loads_and_does_what_the_page_says():
    example = re.search(r"```toml\n(name = .*?)```", PAGE.read_text(), re.DOTALL)[1]
    assert len(example.splitlines()) < 40
    connector = load_text(example, "example.toml", FACT_FIELDS)
    payload = re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[1].encode()
    (item,) = map_body(connector, {}, payload)
    assert item.failed is None
    assert [fact.type for fact in item.facts] == ["pulse.answered"]


# --- settings -----------------------------------------------------------------------------------------------------


def test_settings_are_completed_with_defaults():
    spec = SHIPPED["hubspot"].spec
    assert resolve_settings(spec, {"client": "Ville de Brest"}) == {
        "client": "Ville de Brest",
        "won_stages": ["closedwon"],
        "lost_stages": ["closedlost"],
        "open_on_deal": True,
        "open_on_company": False,
    }


def test_a_required_setting_must_be_there():
    text = HEAD.replace('default = "client"', "required = true").replace('type = "string"', 'type = "integer"') + RULE
    spec = probe(text).spec
    assert resolve_settings(spec, {"side": 3})["side"] == 3
    with pytest.raises(SettingsError, match="'side' is missing: expected a whole number"):
        resolve_settings(spec, {})
    with pytest.raises(SettingsError, match="'side' is True: expected a whole number"):
        resolve_settings(spec, {"side": True})


@pytest.mark.parametrize(
    ("name", "chosen", "why"),
    [
        ("hubspot", {"clinet": "x"}, "no setting 'clinet'"),
        ("hubspot", {"client": ""}, "a text that is not empty"),
        ("hubspot", {"won_stages": "closedwon"}, "a list of texts"),
        ("hubspot", {"open_on_deal": "yes"}, "true or false"),
        ("stripe", {"notice_side": "both"}, "one of client, partner"),
        ("pagerduty", {"priorities": ["P1"]}, "an object"),
    ],
)
def test_a_wrong_setting_is_named_and_fails_items_that_keep_their_keys(name, chosen, why):
    with pytest.raises(SettingsError, match=why):
        resolve_settings(SHIPPED[name].spec, chosen)
    (item,) = map_body(SHIPPED[name], chosen, b'[{"subscriptionId":1}]' if name == "hubspot" else b"{}")
    assert why in item.failed


# --- explaining ---------------------------------------------------------------------------------------------------


def test_a_dry_run_says_which_rule_matched_and_why_the_others_did_not():
    (report,) = explain(SHIPPED["pagerduty"], {}, body_of("pagerduty/incident.triggered-p3")).items
    assert (report.outcome, report.item.rule) == ("facts", "incident-triggered")
    assert [(each.rule, each.because) for each in report.passed_over] == [
        ("ping", 'event.event_type is "incident.triggered", wanted "pagey.ping"')
    ]
    assert [(each.rule, each.because) for each in report.facts_left_out] == [
        ("crisis.opened", "let priority is 3, wanted 1")
    ]


def test_a_dry_run_of_a_batch_reports_each_item_and_encodes_as_json():
    report = explain(SHIPPED["hubspot"], {}, body_of("hubspot/batch"))
    assert [item.outcome for item in report.items] == ["facts", "failed", "facts", "ignored"]
    assert msgspec.json.decode(msgspec.json.encode(report))["connector"] == "hubspot"


def test_a_dry_run_of_what_is_no_json_says_so():
    assert [item.outcome for item in explain(SHIPPED["stripe"], {}, b"no").items] == ["failed"]


# --- hostile bodies -----------------------------------------------------------------------------------------------

DEEP = [b"[" * 100_000, b'{"a":' * 800 + b"1" + b"}" * 800, b"[" * 900 + b"]" * 900]
ODD_BODIES = [
    b"",
    b"no",
    b"\xff\xfe",
    b"null",
    b"5",
    b'"x"',
    b"[]",
    b"{}",
    b"[null,1,[],{}]",
    b'"\\ud800"',
    b"NaN",
    b'{"id":1' + b"0" * 5_000 + b"}",
    *DEEP,
]


@pytest.mark.parametrize("name", sorted(SHIPPED))
@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:12]))
def test_an_odd_body_never_raises_and_every_item_ends_somewhere(name, body):
    items = map_body(SHIPPED[name], {}, body)
    assert items
    assert all(item.failed or item.ignored for item in items)
    assert len({item.key for item in items}) == len(items)


def test_what_is_no_json_is_one_failed_item_with_the_digest_of_the_body_as_key():
    (item,) = map_body(SHIPPED["stripe"], {}, b"no")
    assert item.key == "9390298f3fb0c5b160498935d79cb139aef28e1c47358b4bbba61862b9c26e59"
    assert item.failed.startswith("the body is not JSON")


def test_a_byte_order_mark_is_no_harm():
    body = b"\xef\xbb\xbf" + body_of("stripe/invoice.paid")
    assert map_body(SHIPPED["stripe"], {}, body) == items_of("stripe/invoice.paid")


def test_more_items_than_any_sender_batches_fail_as_one():
    (item,) = map_body(SHIPPED["hubspot"], {}, b"[" + b"{}," * 1_000 + b"{}]")
    assert "1001 items" in item.failed


def test_a_long_or_strange_key_is_digested():
    for name in ("e" * 300, "a\nb", "a\0b"):
        (item,) = map_body(SHIPPED["stripe"], {}, msgspec.json.encode({"id": name, "type": "x"}))
        assert re.fullmatch("[0-9a-f]{64}", item.key)


def test_an_external_id_that_is_too_long_fails():
    raw = body_of("stripe/invoice.finalized").replace(b"cus_Noces0001", b"c" * 300)
    (item,) = map_body(SHIPPED["stripe"], {}, raw)
    assert "stripe/customer has 300 characters" in item.failed


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner))
SAMPLES = sorted(path for path in FOLDER.rglob("*.json") if path.parent.name in SHIPPED)


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*path, name))


def replaced(value, path, new):
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)
    return copied


@settings(deadline=None)
@given(data=st.data())
def test_no_change_of_a_real_body_makes_the_mapper_raise(data):
    sample = data.draw(st.sampled_from(SAMPLES))
    content = json.loads(sample.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content = replaced(content, data.draw(st.sampled_from(list(places(content)))), data.draw(JSON))
    raw = json.dumps(content).encode("utf-8", "surrogatepass")
    connector = SHIPPED[sample.parent.name]
    items = map_body(connector, {}, raw, (("x-a", "b"),))
    assert items
    assert items == map_body(connector, {}, raw)
    assert [report.item for report in explain(connector, {}, raw).items] == list(items)


@settings(deadline=None)
@given(body=st.binary(max_size=200))
def test_no_bytes_make_the_mapper_raise(body):
    for connector in SHIPPED.values():
        assert map_body(connector, {}, body)
