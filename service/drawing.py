"""Where the boxes and arrows of the machine's drawing go: stages left to right, ways out and back below them."""

from collections.abc import Iterable, Mapping
from html import escape

from msgspec import Struct

from domain import machine
from domain.machine import Arrow

BOX, GAP, HIGH = 150, 108, 84
OUTCOME, OUTCOME_HIGH, INSET = 236, 60, 22
LEFT, ROW, STEP = 64, 200, 136
LANE = 16
ROUND = 14
WIDTH = LEFT + 4 * (BOX + GAP) + OUTCOME + 2 * INSET + 24
HEIGHT = ROW + 2 * STEP + OUTCOME_HIGH // 2 + INSET + 24
OVER = ROW - 124
"""The height at which the shorter of the long ways back runs above the stages; each longer one runs higher."""

KINDS = {"forward": "#33415c", "automatic": "#a04a00", "leaving": "#9b1c3f", "returning": "#0b6b62"}
DARK = {"forward": "#c3cee3", "automatic": "#ffb066", "leaving": "#ff9db4", "returning": "#6fd6c8"}
ACCENTS = ("#b7791f", "#b83232", "#2b6cb0", "#2f7d4f", "#6b46a3")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

Told = Mapping[Arrow, tuple[str, str]]
"""Arrow -> (automatic or confirmed, the sentence that tells it)."""


class Box(Struct, frozen=True):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Its middle from left to right."""
        return self.x + self.width / 2

    @property
    def centre(self) -> float:
        """Its middle from top to bottom."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


class Way(Struct, frozen=True):
    """An arrow's path and where its name stands."""

    path: str
    label: tuple[float, float]
    anchor: str = "middle"


def draw(told: Told) -> str:
    """The whole document; `told` says of each arrow who decides it and how to say it."""
    title = "The stages of a technology partnership"
    drawn = [_arrow(arrow, *told[arrow]) for arrow in told]
    names = _names(told)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' role="img" aria-labelledby="machine-title machine-desc" font-family="{escape(FONT)}">',
        f'<title id="machine-title">{title}</title>',
        f'<desc id="machine-desc">{escape(" ".join(sentence for _, sentence in told.values()))}</desc>',
        _style(), _markers(),
        f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="16" fill="#fcfbf8" stroke="#d9d5cb"/>',
        _composite(), *drawn, _start(), *_states(), *names, _legend(), "</svg>",
    ]  # fmt: skip
    return "\n".join(body)


# --- places ------------------------------------------------------------------------------------------------------------


def _outer() -> Box:
    top = ROW - OUTCOME_HIGH / 2 - 68
    return Box(LEFT + 4 * (BOX + GAP), top, OUTCOME + 2 * INSET, HEIGHT - 24 - top)


def place(state: str) -> Box:
    """Where a state stands."""
    stage, outcome = machine.split(state)
    if outcome is None:
        column = list(machine.LABELS).index(stage)
        return Box(LEFT + column * (BOX + GAP), ROW - HIGH / 2, BOX, HIGH)
    row = [state for state in machine.STATES if "." in state].index(state)
    return Box(_outer().x + INSET, ROW + row * STEP - OUTCOME_HIGH / 2, OUTCOME, OUTCOME_HIGH)


def way(arrow: Arrow) -> Way:
    """Neighbours face each other; leaving and returning run below, other ways back above."""
    source, target = place(arrow.source), place(arrow.target)
    if source.x == target.x:
        return _upright(arrow, source, target)
    if machine.SEPARATING in (arrow.source, arrow.target):
        return _below(source, target)
    if abs(_column(arrow.source) - _column(arrow.target)) == 1:
        return _beside(source, target)
    return _above(source, target)


def _column(state: str) -> int:
    return list(machine.LABELS).index(machine.split(state)[0])


def _beside(source: Box, target: Box) -> Way:
    ahead = target.x > source.x
    y = ROW + (-LANE if ahead else LANE)
    start, end = (source.right, target.x) if ahead else (source.x, target.right)
    box = _outer() if max(source.right, target.right) > _outer().x else None
    left, right = min(start, end), max(start, end) - (INSET if box else 0)
    label = ((left + right) / 2, y - 8 if ahead else y + 17)
    return Way(f"M{start:g} {y:g}H{end:g}", label)


def _upright(arrow: Arrow, source: Box, target: Box) -> Way:
    """Between two outcomes: down in the left third, up in the right third, the only way in the middle."""
    down = target.y > source.y
    both = any((other.source, other.target) == (arrow.target, arrow.source) for other in machine.ARROWS)
    x = source.middle + ((-OUTCOME // 6 if down else OUTCOME // 6) if both else -OUTCOME // 6)
    start, end = (source.bottom, target.y) if down else (source.y, target.bottom)
    left = both and down
    return Way(f"M{x:g} {start:g}V{end:g}", (x - 8 if left else x + 8, (start + end) / 2 + 4), "end" if left else "start")


def _below(source: Box, target: Box) -> Way:
    """Along a lane at the height of the separation: the upper lane leaves, the lower one returns."""
    leaving = target.x > source.x
    if leaving:
        x, lane = source.middle - 28, target.centre - LANE
        path = f"M{x:g} {source.bottom:g}V{lane - ROUND:g}Q{x:g} {lane:g} {x + ROUND:g} {lane:g}H{target.x:g}"
    else:
        x, lane = target.middle + 28, source.centre + LANE
        path = f"M{source.x:g} {lane:g}H{x + ROUND:g}Q{x:g} {lane:g} {x:g} {lane - ROUND:g}V{target.bottom:g}"
    return Way(path, (LEFT + BOX + GAP + BOX + GAP / 2, lane - 7 if leaving else lane + 16))


def _above(source: Box, target: Box) -> Way:
    """Over the stages between; the longest way back runs highest and lands farthest left."""
    outermost = source.width == OUTCOME
    lane = OVER - 28 if outermost else OVER
    start = source.right - 18 if outermost else source.middle + 34
    end = target.middle + (-34 if outermost else 34)
    path = (
        f"M{start:g} {source.y:g}V{lane + ROUND:g}Q{start:g} {lane:g} {start - ROUND:g} {lane:g}"
        f"H{end + ROUND:g}Q{end:g} {lane:g} {end:g} {lane + ROUND:g}V{target.y:g}"
    )
    return Way(path, ((start + end) / 2, lane - 7))


def kind(arrow: Arrow, mode: str) -> str:
    """How an arrow is coloured: by who decides it and where it leads."""
    if mode == "automatic":
        return "automatic"
    if arrow.source == machine.SEPARATING and arrow.target != machine.SEPARATED:
        return "returning"
    return "leaving" if arrow.target in (machine.SEPARATING, machine.SEPARATED) else "forward"


# --- marks -------------------------------------------------------------------------------------------------------------


def _style() -> str:
    colours = "".join(
        f".{name}{{stroke:{colour}}}.{name}-name,.{name}-head{{fill:{colour}}}" for name, colour in DARK.items()
    )
    dark = f".paper{{fill:#15181e;stroke:#343a46}}.box{{fill:#1f242d}}.outer{{fill:#1a1e26}}.ink{{fill:#eef1f6}}.quiet{{fill:#aab3c2}}{colours}"
    return f"<style>@media (prefers-color-scheme: dark){{{dark}}}</style>"


def _markers() -> str:
    heads = "".join(
        f'<marker id="machine-{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8"'
        f' markerUnits="userSpaceOnUse" orient="auto"><path class="{name}-head" d="M0 0L10 5L0 10Z" fill="{colour}"/></marker>'
        for name, colour in KINDS.items()
    )
    return f"<defs>{heads}</defs>"


def _arrow(arrow: Arrow, mode: str, sentence: str) -> str:
    name = kind(arrow, mode)
    dashes = ' stroke-dasharray="6 4"' if mode == "automatic" else ""
    return (
        f'<path class="{name}" data-trigger="{arrow.trigger}" data-from="{arrow.source}" data-to="{arrow.target}" data-mode="{mode}"'
        f' d="{way(arrow).path}" fill="none" stroke="{KINDS[name]}" stroke-width="2"{dashes}'
        f' marker-end="url(#machine-{name})"><title>{escape(sentence)}</title></path>'
    )


def _names(told: Told) -> Iterable[str]:
    """The triggers' names, once a place: ways that share a lane share their name."""
    found: dict[tuple[str, tuple[float, float]], str] = {}
    for arrow, (mode, _) in told.items():
        placed, name = way(arrow), kind(arrow, mode)
        lane = arrow.came_from is not None and arrow.target != machine.MATURITY
        shown = f"{arrow.trigger}, to where it came from" if lane else arrow.trigger
        found.setdefault(
            (arrow.trigger, placed.label),
            f'<text class="{name}-name" x="{placed.label[0]:g}" y="{placed.label[1]:g}" text-anchor="{placed.anchor}"'
            f' font-size="12" font-family="{escape(MONO)}" fill="{KINDS[name]}">{shown}</text>',
        )
    return found.values()


def _composite() -> str:
    box, number = _outer(), len(machine.LABELS)
    head = _heading(number, machine.LABELS[machine.FIFTH], box.x + 16, box.y + 27)
    return (
        f'<rect class="outer" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="14"'
        f' fill="#f4f1f9" stroke="{ACCENTS[number - 1]}" stroke-width="1.5"/>{head}'
    )


def _heading(number: int, labels: Mapping[str, str], x: float, y: float) -> str:
    return (
        f'<circle cx="{x + 10:g}" cy="{y - 5:g}" r="10" fill="{ACCENTS[number - 1]}"/>'
        f'<text x="{x + 10:g}" y="{y - 1:g}" text-anchor="middle" font-size="12" font-weight="700" fill="#ffffff">{number}</text>'
        f'<text class="ink" x="{x + 27:g}" y="{y:g}" font-size="14" font-weight="650" fill="#1c2330">{escape(labels["en"])}</text>'
        f'<text class="quiet" x="{x + 27:g}" y="{y + 18:g}" font-size="11" font-style="italic" fill="#5b6472">{escape(labels["fr"])}</text>'
    )


def _states() -> Iterable[str]:
    for number, (stage, labels) in enumerate(machine.LABELS.items(), 1):
        if stage != machine.FIFTH:
            yield _stage(number, labels, place(stage))
    for state in machine.STATES:
        if "." in state:
            yield _outcome(state, place(state))


def _stage(number: int, labels: Mapping[str, str], box: Box) -> str:
    accent = ACCENTS[number - 1]
    french = "".join(
        f'<text class="quiet" x="{box.middle:g}" y="{box.y + 54 + 14 * line:g}" text-anchor="middle" font-size="11"'
        f' font-style="italic" fill="#5b6472">{escape(part)}</text>'
        for line, part in enumerate(_lines(labels["fr"]))
    )
    return (
        f'<rect class="box" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="12" fill="#ffffff"'
        f' stroke="{accent}" stroke-width="1.8"/><circle cx="{box.middle:g}" cy="{box.y:g}" r="11" fill="{accent}"/>'
        f'<text x="{box.middle:g}" y="{box.y + 4.5:g}" text-anchor="middle" font-size="12" font-weight="700" fill="#ffffff">{number}</text>'
        f'<text class="ink" x="{box.middle:g}" y="{box.y + 36:g}" text-anchor="middle" font-size="15" font-weight="650"'
        f' fill="#1c2330">{escape(labels["en"])}</text>{french}'
    )


def _lines(text: str) -> list[str]:
    """A label in at most two lines of about the same length."""
    words = text.split(" ")
    cuts = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    return [text] if len(text) < 20 else list(min(cuts, key=lambda cut: max(map(len, cut))))  # noqa: PLR2004


def _outcome(state: str, box: Box) -> str:
    accent = ACCENTS[-1]
    final = state == machine.SEPARATED
    inner = (
        f'<rect x="{box.x + 4:g}" y="{box.y + 4:g}" width="{box.width - 8:g}" height="{box.height - 8:g}" rx="8" fill="none" stroke="{accent}"/>'
        if final
        else ""
    )
    note = '<tspan class="quiet" font-weight="400" font-style="italic" fill="#5b6472"> (final)</tspan>' if final else ""
    return (
        f'<rect class="box" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="12" fill="#ffffff"'
        f' stroke="{accent}" stroke-width="1.5"/>{inner}<text class="ink" x="{box.middle:g}" y="{box.centre + 5:g}"'
        f' text-anchor="middle" font-size="14" font-weight="650" fill="#1c2330">{machine.split(state)[1]}{note}</text>'
    )


def _start() -> str:
    box = place(machine.HONEYMOON)
    return (
        f'<circle class="forward-head" cx="26" cy="{ROW}" r="6" fill="{KINDS["forward"]}"/><path class="forward" d="M32 {ROW}H{box.x:g}"'
        f' fill="none" stroke="{KINDS["forward"]}" stroke-width="2" marker-end="url(#machine-forward)"/>'
    )


def _legend() -> str:
    """What the lines mean, in the free corner below the stages."""
    texts = {
        "forward": ("confirmed: people ask, all guards must be met", ""),
        "automatic": ("automatic: facts decide, any guard is enough", ' stroke-dasharray="6 4"'),
        "leaving": ("confirmed: the ways out", ""),
        "returning": ("confirmed: the way back", ""),
    }
    rows = []
    for number, (name, (text, dashes)) in enumerate(texts.items()):
        x, y = LEFT + (number % 2) * 400, HEIGHT - 70 + (number // 2) * 28
        rows.append(
            f'<path class="{name}" d="M{x} {y}H{x + 44}" fill="none" stroke="{KINDS[name]}" stroke-width="2"{dashes}'
            f' marker-end="url(#machine-{name})"/><text class="quiet" x="{x + 56}" y="{y + 4}" font-size="12" fill="#5b6472">{text}</text>'
        )
    return "".join(rows)
