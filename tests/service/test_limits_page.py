"""The page of limits says what the code does: every setting with its default, every limit of the contract."""

import re
from pathlib import Path

import pytest

from domain.types import NAME_LIMIT, TEXT_LIMIT
from events.store import ENTRY_LIMIT
from service.api.events import WAIT_LIMIT
from service.api.facts import ARRAY_LIMIT
from service.api.route import DEFAULT_PAGE, PAGE_LIMIT
from service.body import DEPTH_LIMIT
from service.importing import LINE_LIMIT
from service.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
SETTINGS = dict(re.findall(r"^\| `NOCES_(\w+)` \| (.+?) \|", PAGE, re.MULTILINE))
FIXED = dict(re.findall(r"^\| ([a-z].+?) \| (\d+)\b", PAGE, re.MULTILINE))
ELSEWHERE = {
    "database", "host", "port", "public_base_url", "master_key", "demo", "organisation", "clock_seconds",
    "clock_quiet_seconds", "inbox_days", "connectors", "outbound_allow",
}  # fmt: skip
"""Settings that bound nothing."""


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_page_is_there_with_its_default(name):
    default = getattr(Settings(), name.lower())
    told = {"none": "", "all": "", "on": True}.get(SETTINGS[name], SETTINGS[name].strip("`"))
    assert told == default or float(told) == default


def test_every_setting_that_bounds_something_is_on_the_page():
    bounds = {
        name
        for name, value in zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True)
        if type(value) in (int, float)
    }
    assert {name.upper() for name in bounds - ELSEWHERE} <= SETTINGS.keys()


def test_the_limits_of_the_contract_are_those_of_the_code():
    told = {name: int(figure) for name, figure in FIXED.items()}
    assert told == {
        "facts an array": ARRAY_LIMIT, "items a page (`limit`)": PAGE_LIMIT, "levels of nesting": DEPTH_LIMIT,
        "characters of a text": TEXT_LIMIT, "characters of a name or an id": NAME_LIMIT,
        "characters of an Idempotency-Key": 255, "bytes of an entry in the log": ENTRY_LIMIT,
        "bytes of an imported line": LINE_LIMIT, "seconds that a feed may be asked to wait": WAIT_LIMIT,
    }  # fmt: skip
    assert f"{DEFAULT_PAGE} unless asked" in PAGE
