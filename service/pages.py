"""The pages of `docs/` that are made from the code: the machine with its guards, and the errors."""

from collections.abc import Iterator
from pathlib import Path

from domain import machine
from domain.guards import GUARD, REMEDIES
from domain.policy import GUARDS
from service.diagram import mermaid, mode, svg
from service.error_guide import errors_markdown

INTRODUCTION = """\
# The machine

Five stages, the fifth with three outcomes. `domain/machine.py` is the table that everything here is drawn from: the
machine that is asked at every decision, this page, `GET /v1/machine` and `noces diagram`.

![The stages from left to right and the triggers between them](machine.svg)

*Automatic* triggers follow from facts and from time, as soon as any of their guards is met. *Confirmed* ones are asked
for by people, and every guard must be met; a refusal is recorded with what each guard saw. A policy may switch
`share_power` to automatic. `separate` leads from any stage to `separating`; `reconcile` leads back to the stage that it
came from, or to `power_struggle` where performance or a breach was the reason. Nothing skips a stage; what two actors
force follows the same arrows, forwards or back.
"""


def machine_markdown() -> str:
    """The page about the machine: drawings, and what every trigger asks."""
    parts = [INTRODUCTION, "```mermaid", mermaid(), "```", "", "## What each trigger asks", ""]
    parts += [line for trigger in machine.TRIGGERS.values() for line in _asked(trigger)]
    return "\n".join(parts)


def _asked(trigger: machine.Trigger) -> Iterator[str]:
    arrows = [f"`{each.source}` → `{each.target}`" for each in machine.ARROWS if each.trigger == trigger.name]
    needs = "any of these is enough" if trigger.needs == "any" else "all of these are needed"
    yield f"### `{trigger.name}`"
    yield ""
    yield f"{mode(trigger).capitalize()}; {needs}. {', '.join(arrows)}."
    yield ""
    yield "| guard | met when | what would meet it |"
    yield "|---|---|---|"
    yield from (f"| `{code}` | {_sentence(code)} | {REMEDIES[code].en} |" for code in GUARDS[trigger.name])
    yield ""


def _sentence(code: str) -> str:
    """A guard's own sentence, without the hints for who reads its code."""
    first = (GUARD[code].__doc__ or "").strip().partition("\n")[0]
    return first.partition(" (D")[0].rstrip(".") + "."


def pages() -> dict[str, str]:
    """Every page by its file name."""
    return {"machine.svg": svg() + "\n", "machine.md": machine_markdown(), "errors.md": errors_markdown()}


def write_pages(folder: Path) -> list[Path]:
    """Write every page into a folder; the paths that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written
