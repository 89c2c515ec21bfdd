"""The readable report: the partnerships' stages, what let each in and what was refused, as one printable page.

It is a function of the entries, the machine and the manifest alone, so that whoever checks a capsule makes it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from html import escape
from typing import Any, NamedTuple

from service.capsule.entries import Entry, instant
from service.capsule.story import Machine, Path, Spell
from service.capsule.timeline import COLOURS, Stretch, draw
from service.capsule.words import WORDS

REPORT = 1
"""The version of this page: another release that writes it otherwise has another one, and cannot compare it."""
STYLE = """
body{font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:#1c2330}
body{max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.2rem}h2{margin:2.2rem 0 .3rem;break-after:avoid}p{margin:.3rem 0}
table{border-collapse:collapse;width:100%;margin:.6rem 0;font-size:13px}
th,td{text-align:left;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid #d9d5cb}tr{break-inside:avoid}
td.n{text-align:right;font-variant-numeric:tabular-nums}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px;overflow-wrap:anywhere}
.line{width:100%;height:auto;margin:.6rem 0}.line text{font-size:12px;fill:#5b6472}.quiet{color:#5b6472}
i.stage{display:inline-block;width:.75em;height:.75em;border-radius:2px;margin-right:.4em}
@media print{body{margin:0;max-width:none;font-size:11pt}rect,i.stage{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


class Report(NamedTuple):
    """What a report is made of."""

    manifest: dict[str, Any]
    key: str
    machine: Machine
    paths: dict[str, Path]
    read: Callable[[int], Entry]
    """The entry at a position."""

    @property
    def words(self) -> dict[str, str]:
        """The words of the report's language."""
        return WORDS[self.manifest["language"]]


def render(report: Report) -> str:
    """The whole page."""
    words = report.words
    told = sorted(_asked(report), key=lambda path: (path.client, path.partner, path.identifier))
    title = escape(f"{words['title']} — {report.manifest['log']}")
    lines = [
        f'<!doctype html>\n<html lang="{report.manifest["language"]}">\n<head>\n<meta charset="utf-8">',
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>",
        *_head(report),
        f"<h2>{words['contents']}</h2>",
        *(f'<p><a href="#{escape(path.identifier)}">{_name(path)}</a></p>' for path in told),
        *([] if told else [f"<p>{words['nothing']}</p>"]),
        *(line for path in told for line in _section(report, path)),
        "</body>\n</html>\n",
    ]
    return "\n".join(lines)


def _asked(report: Report) -> Iterator[Path]:
    for identifier in report.manifest["partnerships"]:
        if identifier in report.paths:
            yield report.paths[identifier]


def _head(report: Report) -> Iterator[str]:
    words, manifest = report.words, report.manifest
    yield f"<p class=quiet>{words['how']}</p>\n<table>"
    rows = {
        "log": manifest["origin"], "entries": str(manifest["size"]), "root": manifest["root"], "key": report.key,
        "as_of": manifest["as_of"],
    }  # fmt: skip
    for name, value in rows.items():
        yield f"<tr><th>{words[name]}</th><td><code>{escape(value)}</code></td></tr>"
    yield "</table>"


def _section(report: Report, path: Path) -> Iterator[str]:
    words = report.words
    yield f'<section id="{escape(path.identifier)}">\n<h2>{_name(path)}</h2>'
    yield f"<p class=quiet><code>{escape(path.identifier)}</code>, {len(path.positions)} {words['events']}</p>"
    stays = list(_stays(report, path))
    if not stays:
        yield f"<p>{words['never']}</p>\n</section>"
        return
    if path.spells[-1].state.endswith(".separated"):
        yield f"<p>{_ending(report, path.spells[-1].entry.data)}</p>"
    yield draw([stay.stretch for stay in stays], f"{path.client} — {path.partner}")
    yield f"<h3>{words['stages']}</h3>\n<table>"
    columns = ("stage", "from", "to", "days", "through", "why", "position", "policy")
    yield "<tr>" + "".join(f"<th>{words[each]}</th>" for each in columns) + "</tr>"
    yield from (stay.row for stay in stays)
    yield "</table>"
    if path.refusals:
        yield from _refusals(report, path)
    yield "</section>"


def _name(path: Path) -> str:
    return escape(f"{path.client} — {path.partner}")


def _ending(report: Report, data: dict[str, Any]) -> str:
    words = report.words
    how = {True: words["respectful"], False: words["no_respect"]}.get(data.get("respectful"), words["unsaid"])  # type: ignore[arg-type]  # or nobody said
    return f"{words['ended']}: {escape(data.get('ending', ''))}, {how}."


class Stay(NamedTuple):
    """One stay as a row of the table and as a stretch of the line."""

    row: str
    stretch: Stretch


def _stays(report: Report, path: Path) -> Iterator[Stay]:
    until = instant(report.manifest["as_of"])
    for place, spell in enumerate(path.spells):
        entered = spell.entry.occurred_at
        left = path.spells[place + 1].entry.occurred_at if place + 1 < len(path.spells) else None
        end = max(left or until, entered)
        days = (end - entered) // timedelta(days=1)
        label = _label(report, spell.state)
        to = _day(left) if left else report.words["today"]
        cells = (
            f'<td><i class=stage style="background:{COLOURS.get(spell.state, "#5b6472")}"></i>{label}</td>',
            f"<td>{_day(entered)}</td><td>{to}</td><td class=n>{days}</td>",
            f"<td>{_through(report, spell)}</td><td>{_because(report, spell)}</td>",
            f"<td class=n>{spell.entry.position}</td><td class=n>{spell.entry.data.get('policy', '')}</td>",
        )
        title = f"{label}: {_day(entered)} – {to}, {days} {report.words['days'].lower()}"
        yield Stay(f"<tr>{''.join(cells)}</tr>", Stretch(spell.state, title, entered, end))


def _label(report: Report, state: str) -> str:
    stage, _, outcome = state.partition(".")
    label = report.machine.labels.get(stage, {}).get(report.manifest["language"], stage)
    return escape(f"{label} ({report.words[outcome]})" if outcome in report.words else label)


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


def _through(report: Report, spell: Spell) -> str:
    data = spell.entry.data
    if "trigger" not in data:
        return ""
    met = [_verdict(each) for each in data["guards"] if each["met"]]
    forced = [report.words["forced"]] if data.get("forced") else []
    return "<br>".join([f"<b>{escape(data['trigger'])}</b>", *forced, *met])


def _verdict(verdict: dict[str, Any]) -> str:
    return escape(f"{verdict['code']}: {verdict['actual']} / {verdict['required']}")


def _because(report: Report, spell: Spell) -> str:
    cause = report.read(spell.cause)
    who = f"{report.words['by']} {cause.source or cause.actor}"
    told = f"{_day(cause.occurred_at)}, {cause.position}, {who}"
    return f"{escape(cause.type)}<br><span class=quiet>{escape(told)}</span>"


def _refusals(report: Report, path: Path) -> Iterator[str]:
    words = report.words
    yield f"<h3>{words['refusals']}</h3>\n<table>"
    columns = ("asked", "on", "missing", "position")
    yield "<tr>" + "".join(f"<th>{words[each]}</th>" for each in columns) + "</tr>"
    for each in path.refusals:
        missing = "<br>".join(_verdict(verdict) for verdict in each.data["guards"] if not verdict["met"])
        yield (
            f"<tr><td>{escape(each.data['trigger'])}</td><td>{_day(each.occurred_at)}</td><td>{missing}</td>"
            f"<td class=n>{each.position}</td></tr>"
        )
    yield "</table>"
