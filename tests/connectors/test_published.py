"""The table of published bodies holds, where the folder with them is at hand."""

import re
from pathlib import Path

import msgspec
import pytest

from service.connectors.engine import map_delivery
from service.connectors.load import read_sample
from tests.connectors.test_shipped import CONNECTORS, PAGES, when_received

BODIES = Path(__file__).parents[3] / "shared" / "payloads"
ROW = re.compile(r"^\| `([^`]+)` \| ([a-z-]+) \| (?:`(.*)`|none) \| (.*) \|$", re.MULTILINE)
ROWS = ROW.findall((PAGES / "published.md").read_text())


def outcome(item):
    if item.failed:
        return f"failed: {item.failed}"
    if item.ignored:
        return f"ignored by `{item.rule}`" if item.rule else "ignored: no rule"
    opens = ["opens a partnership"] if item.opens else []
    return ", ".join(
        [*opens, *(f"`{fact.type}`" + " if it was closed" * (fact.standing == ("closed",)) for fact in item.facts)]
    )


@pytest.mark.parametrize(("name", "connector", "chosen", "wanted"), ROWS)
def test_a_published_body_becomes_what_the_page_says(name, connector, chosen, wanted):
    if not (path := BODIES / name).exists():
        pytest.skip("the published bodies are not beside this checkout")  # their publishers' own: never committed
    settings = msgspec.json.decode(chosen) if chosen else {}
    items = map_delivery(CONNECTORS[connector], settings, when_received(*read_sample(path)))
    assert "; ".join(dict.fromkeys(map(outcome, items))) == wanted


def test_every_published_body_has_a_row():
    there = {str(path.relative_to(BODIES)) for path in BODIES.glob("*/*") if not path.name.endswith(".headers.json")}
    assert there <= {row[0] for row in ROWS}
