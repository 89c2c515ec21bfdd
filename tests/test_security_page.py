"""The page of risks names a test for each control, and each of those tests is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "security.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| risk", "|---"))
]


def functions(path):
    return {
        each.name
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1][:40])
def test_every_control_has_a_test_that_is_there(row):
    risk, control, named = row
    assert risk
    assert control
    path, _, name = re.fullmatch(r"`(\S+)`", named)[1].partition("::")
    assert name in functions(ROOT / path)


def test_every_risk_of_the_list_has_a_control():
    named = {row[0].split()[0] for row in ROWS}
    assert {f"API{number}" for number in range(1, 11)} <= named
