"""A partnership's stages on a line of time, as SVG."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from html import escape
from typing import NamedTuple

COLOURS = {
    "honeymoon": "#b7791f", "power_struggle": "#b83232", "power_sharing": "#2b6cb0", "commitment": "#2f7d4f",
    "maturity_or_separation.maturity": "#6b46a3", "maturity_or_separation.separating": "#a8577e",
    "maturity_or_separation.separated": "#9aa1ad",
}  # fmt: skip
"""By the state's name in the machine."""
WIDTH, BAR, AXIS = 960, 34, 22
YEAR = timedelta(days=365.25)


class Stretch(NamedTuple):
    """One stay on the line."""

    state: str
    title: str
    start: datetime
    end: datetime


def draw(stretches: list[Stretch], name: str) -> str:
    """The drawing; a year is marked at its beginning, as many as there is room for."""
    first, last = stretches[0].start, max(each.end for each in stretches)
    span = max((last - first).total_seconds(), 1.0)

    def across(at: datetime) -> float:
        return round((at - first).total_seconds() / span * WIDTH, 2)

    parts = [f'<svg class="line" viewBox="0 0 {WIDTH} {BAR + AXIS}" role="img" aria-label="{escape(name)}">']
    for each in stretches:
        start, end = across(each.start), across(each.end)
        parts.append(
            f'<rect x="{start}" y="0" width="{round(max(end - start, 1.0), 2)}" height="{BAR}" '
            f'fill="{COLOURS.get(each.state, "#5b6472")}"><title>{escape(each.title)}</title></rect>'
        )
    for year in _years(first, last):
        x = across(datetime(year, 1, 1, tzinfo=timezone.utc))  # noqa: UP017  # read by Pythons before 3.11 too
        parts.append(f'<path d="M{x} {BAR}v5" stroke="#5b6472"/><text x="{x + 3}" y="{BAR + 17}">{year}</text>')
    return "".join([*parts, "</svg>"])


def _years(first: datetime, last: datetime) -> range:
    """The years that begin between two instants, every second or fifth where they are many."""
    years = (last - first) / YEAR
    step = 1 if years <= 16 else 2 if years <= 32 else 5  # noqa: PLR2004  # so many numbers fit beside each other
    start = first.year + 1
    return range(start + -start % step, last.year + 1, step)
