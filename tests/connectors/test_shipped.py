"""Every shipped connector: each sample gives exactly what its table says, each rule is shown, each page tells it all."""

import base64
import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service.app import FACT_FIELDS
from service.connectors.engine import Arrival, map_delivery
from service.connectors.load import load_directory
from service.operations.connectors import refusal
from service.signature import Delivery, Refused, Verified, verify
from service.signing import sign

HERE = Path(__file__).parent
SHIPPED_FOLDER = HERE.parents[1] / "service" / "connectors"
PAGES = HERE.parents[1] / "docs" / "connectors"
CONNECTORS = load_directory(SHIPPED_FOLDER, FACT_FIELDS)
TABLES = {name: tomllib.loads((HERE / f"{name}.toml").read_text())["case"] for name in sorted(CONNECTORS)}
CASES = [pytest.param(name, case, id=f"{name}-{index}-{case['sample']}") for name in TABLES for index, case in enumerate(TABLES[name])]  # fmt: skip
RECEIVED = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def sample_of(name, sample):
    """(body, headers) of a sample; its headers may stand beside it."""
    folder = SHIPPED_FOLDER / "samples" / name
    (body,) = (path for path in folder.iterdir() if path.stem == sample and not path.name.endswith(".headers.json"))
    beside = folder / f"{sample}.headers.json"
    return body.read_bytes(), list(json.loads(beside.read_text()).items()) if beside.exists() else []


def items_of(name, case):
    body, headers = sample_of(name, case["sample"])
    for old, new in case.get("replaced", {}).items():
        assert old.encode() in body, f"{old!r} is not in the sample"
        body = body.replace(old.encode(), new.encode())
    return map_delivery(CONNECTORS[name], case.get("settings", {}), when_received(body, headers))


def when_received(body, headers):
    return Arrival(body, headers, "src_1", RECEIVED)


def told(item):
    """An item in the words of the tables: what is not there is left out."""
    outcome = "failed" if item.failed else "ignored" if item.ignored else "facts"
    known = {
        "outcome": outcome,
        "rule": item.rule,
        "links": [f"{link.system}/{link.kind}/{link.external_id}" for link in item.links],
        "new_links": [f"{link.system}/{link.kind}/{link.external_id}" for link in item.new_links],
        "called": list(item.called),
        "opens": item.opens and {**msgspec.to_builtins(item.opens)},
        "fact": [msgspec.json.decode(msgspec.json.encode(fact)) for fact in item.facts],
    }
    return {name: value for name, value in known.items() if value}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_sample_gives_exactly_the_facts_of_its_table(name, case):
    found = items_of(name, case)
    assert len(found) == len(case["item"])
    for item, wanted in zip(found, case["item"], strict=True):
        expected = {key: value for key, value in wanted.items() if key not in ("reason", "key")}
        assert (item.failed, told(item)) == (item.failed, expected)
        assert wanted.get("reason", "") in (item.failed or item.ignored or "")
        assert bool(wanted.get("reason")) == (expected["outcome"] != "facts"), "an item without facts says why"
        assert wanted.get("key", item.key) == item.key


@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_domain_takes_every_mapped_fact_as_it_is(name, case):
    for item in items_of(name, case):
        assert [why for fact in item.facts if (why := refusal(fact)) is not None] == []


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_every_rule_and_every_sample_has_a_case(name):
    shown = {item.rule for case in TABLES[name] for item in items_of(name, case)}
    assert {rule.name for rule in CONNECTORS[name].rules} <= shown
    there = {
        path.stem for path in (SHIPPED_FOLDER / "samples" / name).iterdir() if not path.name.endswith(".headers.json")
    }
    assert there == {case["sample"] for case in TABLES[name]}


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_a_repetition_has_the_same_keys_and_another_delivery_has_others(name):
    for case in TABLES[name]:
        first, again = items_of(name, case), items_of(name, case)
        assert [item.key for item in first] == [item.key for item in again]
        assert len({item.key for item in first}) == len(first)


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_a_page_names_every_setting_link_and_fact(name):
    spec = CONNECTORS[name].spec
    used = {(link.system, link.kind) for rule in CONNECTORS[name].rules for link in (*rule.links, *rule.new_links)}
    assert used <= {(kind.system, kind.kind) for kind in spec.link_kind}
    page = (PAGES / f"{name}.md").read_text()
    facts = {fact.type for rule in spec.rule for fact in rule.fact if fact.type}
    for word in [*spec.settings, *(kind.kind for kind in spec.link_kind), *facts]:
        assert f"`{word}`" in page, word
    assert f"[{spec.title}]({name}.md)" in (PAGES / "README.md").read_text()
    assert re.search(r"^## Set it up$", page, re.MULTILINE)
    assert re.search(r"^## What becomes what$", page, re.MULTILINE)
    assert f"noces sources create --connector {name}" in page


PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def secrets_of(scheme):
    """(what the sender signs with, what the source is given, what another source would have)."""
    if scheme.method != "ed25519":
        return "c2VjcmV0LW9mLXRoaXMtc291cmNl", "c2VjcmV0LW9mLXRoaXMtc291cmNl", "b3RoZXItc2VjcmV0LW9mLWFub3RoZXI="
    public = PRIVATE.public_key().public_bytes_raw()
    written = [base64.b64encode(each).decode() for each in (PRIVATE.private_bytes_raw(), public, public[::-1])]
    return f"whsk_{written[0]}", f"whpk_{written[1]}", f"whpk_{written[2]}"


@pytest.mark.parametrize("name", sorted(CONNECTORS))
def test_every_proof_is_believed_and_a_forged_one_is_not(name):
    spec = CONNECTORS[name].spec
    body, headers = sample_of(name, TABLES[name][0]["sample"])
    known = tuple((key.lower(), value) for key, value in headers)
    for scheme in spec.scheme:
        secret, given, other = secrets_of(scheme)
        sent = sign(scheme, Delivery("POST", "https://noces.example/hooks/src_1", known, (), body), secret, NOW)
        assert verify(spec.scheme, sent, [given], NOW) == Verified(scheme.level, scheme.name)
        if scheme.method != "none":
            assert isinstance(verify(spec.scheme, sent, [other], NOW), Refused)
