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

TITLE = "The stages of a technology partnership"

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
    parts = [
        tag("title", TITLE, id="machine-title"),
        tag("desc", escape(" ".join(sentence for _, sentence in told.values())), id="machine-desc"),
        _style(),
        _markers(),
        _rectangle(Box(0.5, 0.5, WIDTH - 1, HEIGHT - 1), "paper", "#fcfbf8", "#d9d5cb", 1, rx=16),
        *_fifth(),
        *(_arrow(arrow, *told[arrow]) for arrow in told),
        *_start(),
        *_states(),
        *_names(told),
        *_legend(),
    ]
    return tag(
        "svg",
        "\n".join(["", *parts, ""]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
        aria_labelledby="machine-title machine-desc",
        font_family=escape(FONT),
    )


def tag(name: str, content: str = "", /, **attributes: str | float) -> str:
    """An element; attributes are written with hyphens, `class_` without its underscore, numbers without idle zeros."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{f"{value:g}" if isinstance(value, float) else value}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


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
    return Way(
        f"M{x:g} {start:g}V{end:g}", (x - 8 if left else x + 8, (start + end) / 2 + 4), "end" if left else "start"
    )


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
    """Other colours where the reader's screen is dark; without it everything stands on its own light paper."""
    colours = "".join(
        f".{name}{{stroke:{colour}}}.{name}-name,.{name}-head{{fill:{colour}}}" for name, colour in DARK.items()
    )
    papers = ".paper{fill:#15181e;stroke:#343a46}.outer{fill:#1a1e26}.box{fill:#1f242d}"
    return tag(
        "style", f"@media (prefers-color-scheme: dark){{{papers}.ink{{fill:#eef1f6}}.quiet{{fill:#aab3c2}}{colours}}}"
    )


def _markers() -> str:
    heads = [
        tag(
            "marker",
            tag("path", class_=f"{name}-head", d="M0 0L10 5L0 10Z", fill=colour),
            id=f"machine-{name}",
            viewBox="0 0 10 10",
            refX=9,
            refY=5,
            markerWidth=8,
            markerHeight=8,
            markerUnits="userSpaceOnUse",
            orient="auto",
        )
        for name, colour in KINDS.items()
    ]
    return tag("defs", "".join(heads))


def _rectangle(box: Box, name: str, fill: str, stroke: str, thick: float = 1.6, /, **more: str | float) -> str:
    placed: dict[str, str | float] = {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "rx": 12}
    return tag("rect", class_=name, fill=fill, stroke=stroke, stroke_width=thick, **(placed | more))


def _line(kind: str, path: str, content: str = "", /, **more: str | float) -> str:
    dashes = {"stroke_dasharray": "6 4"} if kind == "automatic" else {}
    head = f"url(#machine-{kind})"
    return tag(
        "path",
        content,
        class_=kind,
        d=path,
        fill="none",
        stroke=KINDS[kind],
        stroke_width=2,
        marker_end=head,
        **dashes,
        **more,
    )


def _text(words: str, x: float, y: float, size: float, /, **more: str | float) -> str:
    plain: dict[str, str | float] = {"class_": "ink", "fill": "#1c2330"}
    return tag("text", escape(words), x=x, y=y, font_size=size, **(plain | more))


def _quiet(words: str, x: float, y: float, size: float, /, **more: str | float) -> str:
    return _text(words, x, y, size, class_="quiet", fill="#5b6472", **more)


def _number(number: int, x: float, y: float) -> list[str]:
    """A stage's number on a disc of its colour."""
    return [
        tag("circle", cx=x, cy=y, r=11, fill=ACCENTS[number - 1]),
        tag("text", str(number), x=x, y=y + 4.5, text_anchor="middle", font_size=12, font_weight=700, fill="#ffffff"),
    ]


def _arrow(arrow: Arrow, mode: str, sentence: str) -> str:
    more = {"data_trigger": arrow.trigger, "data_from": arrow.source, "data_to": arrow.target, "data_mode": mode}
    return _line(kind(arrow, mode), way(arrow).path, tag("title", escape(sentence)), **more)


def _names(told: Told) -> Iterable[str]:
    """The triggers' names, once a place: ways that share a lane share their name."""
    found: dict[tuple[str, tuple[float, float]], str] = {}
    for arrow, (mode, _) in told.items():
        placed, name = way(arrow), kind(arrow, mode)
        lane = arrow.came_from is not None and arrow.target != machine.MATURITY
        shown = f"{arrow.trigger}, to where it came from" if lane else arrow.trigger
        marks = {
            "class_": f"{name}-name",
            "fill": KINDS[name],
            "text_anchor": placed.anchor,
            "font_family": escape(MONO),
        }
        found.setdefault((arrow.trigger, placed.label), _text(shown, *placed.label, 12, **marks))
    return found.values()


def _start() -> Iterable[str]:
    yield tag("circle", class_="forward-head", cx=26, cy=ROW, r=6, fill=KINDS["forward"])
    yield _line("forward", f"M32 {ROW}H{place(machine.HONEYMOON).x:g}")


# --- states ------------------------------------------------------------------------------------------------------------


def _states() -> Iterable[str]:
    for number, (stage, labels) in enumerate(machine.LABELS.items(), 1):
        if stage != machine.FIFTH:
            yield from _stage(number, labels, place(stage))
    for state in machine.STATES:
        if "." in state:
            yield from _outcome(state, place(state))


def _stage(number: int, labels: Mapping[str, str], box: Box) -> Iterable[str]:
    yield _rectangle(box, "box", "#ffffff", ACCENTS[number - 1])
    yield from _number(number, box.middle, box.y)
    yield _text(labels["en"], box.middle, box.y + 36, 15, text_anchor="middle", font_weight=650)
    for row, part in enumerate(_lines(labels["fr"])):
        yield _quiet(part, box.middle, box.y + 54 + 14 * row, 11, text_anchor="middle", font_style="italic")


def _lines(text: str) -> list[str]:
    """A label in at most two lines of about the same length."""
    words = text.split(" ")
    cuts = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    return [text] if len(text) < 20 else list(min(cuts, key=lambda cut: max(map(len, cut))))  # noqa: PLR2004


def _fifth() -> Iterable[str]:
    """The composite stage around its outcomes."""
    box, number, labels = _outer(), len(machine.LABELS), machine.LABELS[machine.FIFTH]
    yield _rectangle(box, "outer", "#f4f1f9", ACCENTS[number - 1], 1.6, rx=14)
    yield from _number(number, box.x + 26, box.y + 22)
    yield _text(labels["en"], box.x + 43, box.y + 27, 14, font_weight=650)
    yield _quiet(labels["fr"], box.x + 43, box.y + 45, 11, font_style="italic")


def _outcome(state: str, box: Box) -> Iterable[str]:
    accent, final = ACCENTS[-1], state == machine.SEPARATED
    name = machine.split(state)[1] or ""
    yield _rectangle(box, "box", "#ffffff", accent)
    if final:
        yield _rectangle(Box(box.x + 4, box.y + 4, box.width - 8, box.height - 8), "", "none", accent, 1, rx=8)
    yield _text(
        f"{name} (final)" if final else name, box.middle, box.centre + 5, 14, text_anchor="middle", font_weight=650
    )


def _legend() -> Iterable[str]:
    """What the lines mean, in the free corner below the stages."""
    texts = {
        "forward": "confirmed: people ask, all guards must be met",
        "automatic": "automatic: facts decide, any guard is enough",
        "leaving": "confirmed: the ways out",
        "returning": "confirmed: the way back",
    }
    for number, (name, text) in enumerate(texts.items()):
        x, y = LEFT + (number % 2) * 400, HEIGHT - 70 + (number // 2) * 28
        yield _line(name, f"M{x} {y}H{x + 44}")
        yield _quiet(text, x + 56, y + 4, 12)
