"""The machine drawn from its table: Mermaid for texts, SVG for pages."""

from domain import machine
from domain.machine import Arrow, Trigger
from domain.policy import GUARDS
from service import drawing

INDENT = "    "


def mode(trigger: Trigger) -> str:
    """Who decides a trigger by default: `automatic` by facts, `confirmed` by people."""
    return "automatic" if trigger.decided_by == "facts" else "confirmed"


def asks(trigger: Trigger) -> str:
    """What a trigger needs, in words and guard codes."""
    codes = ", ".join(GUARDS[trigger.name])
    if len(GUARDS[trigger.name]) == 1:
        return codes
    return f"{'any' if trigger.needs == 'any' else 'all'} of {codes}"


def told(arrow: Arrow) -> str:
    """An arrow as a sentence for people who do not see the drawing."""
    trigger = machine.TRIGGERS[arrow.trigger]
    back = ", only to the stage that it came from" if arrow.came_from else ""
    return f"{arrow.source} to {arrow.target} by {arrow.trigger}: {mode(trigger)}{back}, needs {asks(trigger)}."


# --- Mermaid -----------------------------------------------------------------------------------------------------------


def mermaid() -> str:
    """The machine as a Mermaid state diagram; every arrow says whether facts or people decide it."""
    lines = [
        "stateDiagram-v2",
        "accTitle: The stages of a technology partnership",
        "accDescr: Five stages, the fifth with three outcomes, and every arrow between them.",
        "classDef stage fill:#e8eef7,stroke:#3b5b8c,color:#14213d",
        "classDef ended fill:#f1e4e8,stroke:#8c2f4b,color:#3d0f1d",
        f"[*] --> {machine.HONEYMOON}",
        *_mermaid_states(),
        *(_mermaid_arrow(arrow) for arrow in machine.ARROWS if not _inside(arrow)),
        *_mermaid_notes(),
        f"class {','.join(machine.LABELS)} stage",
        f"class {','.join(_id(state) for state in machine.STATES if '.' in state)} ended",
    ]
    return "\n".join([lines[0], *(f"{INDENT}{line}" for line in lines[1:])])


def _id(state: str) -> str:
    return state.rpartition(".")[2]


def _inside(arrow: Arrow) -> bool:
    return "." in arrow.source and "." in arrow.target


def _mermaid_states() -> list[str]:
    lines = []
    for number, (stage, labels) in enumerate(machine.LABELS.items(), 1):
        title = f'state "{number}. {labels["en"]} / {labels["fr"]}" as {stage}'
        lines.append(f"{title} {{" if stage == machine.FIFTH else title)
    inner = [_mermaid_arrow(arrow) for arrow in machine.ARROWS if _inside(arrow)]
    return [*lines, *(f"{INDENT}{line}" for line in (*inner, f"{_id(machine.SEPARATED)} --> [*]")), "}"]


def _mermaid_arrow(arrow: Arrow) -> str:
    back = ", back" if arrow.came_from else ""
    return (
        f"{_id(arrow.source)} --> {_id(arrow.target)} : {arrow.trigger} ({mode(machine.TRIGGERS[arrow.trigger])}{back})"
    )


def _mermaid_notes() -> list[str]:
    """One note a state: what the triggers ask that leave from it and were not told yet."""
    lines: list[str] = []
    seen: set[str] = set()
    for state in machine.STATES:
        fresh = dict.fromkeys(arrow.trigger for arrow in machine.ARROWS if arrow.source == state)
        triggers = [machine.TRIGGERS[name] for name in fresh if name not in seen]
        seen.update(fresh)
        if triggers:
            body = [line for trigger in triggers for line in _mermaid_asks(trigger)]
            lines += [f"note right of {_id(state)}", *(f"{INDENT}{line}" for line in body), "end note"]
    return lines


def _mermaid_asks(trigger: Trigger) -> list[str]:
    word = "any" if trigger.needs == "any" else "all"
    return [f"{trigger.name} ({mode(trigger)}), {word} of", *GUARDS[trigger.name]]


# --- SVG ---------------------------------------------------------------------------------------------------------------


def svg() -> str:
    """The machine as one SVG document: readable on light and dark, described for who does not see it."""
    return drawing.draw({arrow: (mode(machine.TRIGGERS[arrow.trigger]), told(arrow)) for arrow in machine.ARROWS})
