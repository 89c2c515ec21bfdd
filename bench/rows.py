"""Rows: what was measured against what was promised, as a table for people and as JSON."""

import os
import platform
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

Verdict = Literal["met", "below aim", "BELOW FLOOR", "information", "not judged"]

HEADINGS = ("what", "measured", "floor", "aim", "verdict")
LIBRARIES = ("litestar", "uvicorn", "msgspec", "aiosqlite", "transitions")


class Row(Struct, kw_only=True):
    """One figure and its promise; `better` says whether the floor is a least or a most."""

    name: str
    what: str
    measured: float
    unit: str
    floor: float | None = None
    aim: float | None = None
    better: Literal["higher", "lower"] = "higher"
    figures: dict[str, float] = field(default_factory=dict)
    """The parts that the figure is made of, and what was measured beside it."""

    def reaches(self, bound: float) -> bool:
        """Whether the figure is on the right side of a bound."""
        return self.measured >= bound if self.better == "higher" else self.measured <= bound

    def verdict(self, *, judged: bool = True) -> Verdict:
        """What the figure means for the promise."""
        if self.floor is None:
            return "information"
        if not judged:
            return "not judged"
        if not self.reaches(self.floor):
            return "BELOW FLOOR"
        return "met" if self.aim is None or self.reaches(self.aim) else "below aim"


def conditions() -> dict[str, Any]:
    """On what the figures were measured."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in LIBRARIES},
    }


def table(rows: Sequence[Row], *, judged: bool) -> str:
    """The rows for people, and under each what it is made of."""
    lines = [HEADINGS, *(_cells(row, row.verdict(judged=judged)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    told = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    for number, row in enumerate(rows):
        if row.figures:
            parts = ", ".join(f"{name} {figure(value)}" for name, value in row.figures.items())
            told[number + 1] += f"\n    {parts}"
    return "\n".join(told)


def _cells(row: Row, verdict: Verdict) -> tuple[str, ...]:
    measured = f"{figure(row.measured)} {row.unit}"
    return f"{row.name}: {row.what}", measured, _bound(row, row.floor), _bound(row, row.aim), verdict


def _bound(row: Row, bound: float | None) -> str:
    if bound is None:
        return "-"
    return f"{'>=' if row.better == 'higher' else '<='} {figure(bound)}"


def figure(value: float) -> str:
    """A number with as many digits as anyone reads."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def write(path: Path, rows: Sequence[Row], told: dict[str, Any], *, judged: bool) -> None:
    """All of it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [{**msgspec.to_builtins(row), "verdict": row.verdict(judged=judged)} for row in rows]
    raw = msgspec.json.encode({"conditions": told, "judged": judged, "rows": found})
    path.write_bytes(msgspec.json.format(raw, indent=2) + b"\n")


def interleaved(rounds: int, sides: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each side over rounds in which all sides take turns."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            found[name].append(measure())
    return {name: median(values) for name, values in found.items()}
