"""The measurements run, whatever they measure: at tiny sizes, with every row and every part of it told."""

import math
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.rows import Row

pytestmark = pytest.mark.xdist_group("bench")  # one worker makes what all of them look at
ROOT = Path(__file__).parent.parent
ROWS = [
    "http",
    "stream",
    "replay",
    "verify",
    "strict",
    "import",
    "restore",
    "peer",
    "scale",
    "inbox",
    "hostile",
    "memory",
    "start",
    "limits",
    "micro",
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "bench", "--quick", "--out", str(folder / "bench.json"), "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in folder.iterdir()] == ["bench.json"]
    return done.stdout, msgspec.json.decode((folder / "bench.json").read_bytes())


def test_every_row_is_measured_once(told):
    _, measured = told
    assert [row["name"] for row in measured["rows"]] == ROWS


def test_every_figure_is_a_number(told):
    _, measured = told
    for row in measured["rows"]:
        assert row["figures"], row["name"]
        for figure in (row["measured"], *row["figures"].values()):
            assert math.isfinite(figure), row["name"]


def test_tiny_sizes_are_not_judged(told):
    _, measured = told
    assert measured["judged"] is False
    assert {row["verdict"] for row in measured["rows"]} == {"not judged", "information"}


def test_the_table_tells_every_row_and_the_conditions(told):
    table, measured = told
    for row in measured["rows"]:
        assert f"{row['name']}: {row['what']}" in table
    for name in ("cores", "sqlite", "python"):
        assert f"{name} {measured['conditions'][name]}" in table


def test_a_floor_that_is_missed_is_told():
    row = Row(name="x", what="y", measured=0.3, unit="x", floor=0.35, aim=0.5)
    assert row.verdict() == "BELOW FLOOR"
    row.measured = 0.4
    assert row.verdict() == "below aim"
    row.measured = 0.5
    assert row.verdict() == "met"


def test_where_less_is_better_the_floor_is_a_most():
    row = Row(name="x", what="y", measured=1.6, unit="s", floor=1.5, better="lower")
    assert row.verdict() == "BELOW FLOOR"
    row.measured = 1.5
    assert row.verdict() == "met"
