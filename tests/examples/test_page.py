"""The page of the real logs tells the figures that the tests find."""

import re

import pytest

from tests.examples.test_programs import WHOLE
from tests.service.processes import ROOT

PAGE = (ROOT / "docs" / "real-logs.md").read_text(encoding="utf-8")
SECTIONS = dict(zip(WHOLE, PAGE.split("\n## ")[1:], strict=True))


@pytest.mark.parametrize("log", WHOLE)
def test_the_page_tells_what_came_out(log):
    _, case = WHOLE[log]
    assert f"{case.accepted:,} facts" in SECTIONS[log]
    assert str(case.partnerships) in SECTIONS[log]
    told = re.search(r"\| where they stood.*?\n\|---\|---\|\n(.*?)\n\n", SECTIONS[log], re.DOTALL)
    assert told is not None
    assert {
        stage: int(count) for stage, count in re.findall(r"^\| (.+?) \| (\d+) \|$", told[1], re.MULTILINE)
    } == case.stages


@pytest.mark.parametrize("log", WHOLE)
def test_every_log_has_its_source_its_licence_its_mapping_and_its_assumptions(log):
    for part in ("| source |", "| licence |", "| in the log | becomes |", "**Assumptions.**"):
        assert part in SECTIONS[log]
