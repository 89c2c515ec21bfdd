"""What a connector file may say, field by field; anything else in it is refused when it is loaded."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from service.scheme import Scheme

Json = object  # what JSON or TOML can hold; narrowed where it is used
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
TimeUnit = Literal["s", "ms", "us", "ns", "iso", "dotnet", "date"]
Shape = Literal["string", "lower", "upper", "number", "integer", "boolean", "date", "instant"]
SettingType = Literal["string", "strings", "boolean", "integer", "map"]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Any table of a connector file."""


class Value(Part, kw_only=True, frozen=True):
    """One value: where it comes from (exactly one source), then what is done to it, in the order of the fields."""

    path: str | None = None  # a JMESPath into the item
    body: str | None = None  # a JMESPath into the whole body, where it is split into items
    header: str | None = None
    setting: str | None = None
    let: str | None = None
    template: str | None = None
    const: Json | UnsetType = UNSET
    map: dict[str, Json] | None = None
    map_setting: str | None = None
    otherwise: "Value | None" = None  # taken when the source is empty or the map does not know it
    default: Json | UnsetType = UNSET  # the same, as a constant
    unit: TimeUnit | None = None
    zone: str | None = None  # of times that are written without one
    scale: int | float | None = None
    shape: Shape | None = field(default=None, name="as")
    optional: bool = False


class Instant(Part, kw_only=True, frozen=True):
    """When something happened: a path and the unit of what stands there."""

    path: str
    unit: TimeUnit = "iso"
    zone: str | None = None


class Condition(Part, kw_only=True, frozen=True):
    """One thing that must hold: a source and at least one test; with `was`, the value must also have changed."""

    path: str | None = None
    body: str | None = None
    header: str | None = None
    setting: str | None = None
    let: str | None = None
    equals: Json | UnsetType = UNSET
    one_of: list[Json] | None = field(default=None, name="in")
    not_in: list[Json] | None = None
    in_setting: str | None = None
    present: bool | None = None
    was: str | None = None  # a JMESPath to the value before
    before: list[Json] | None = field(default=None, name="from")


class Link(Part, kw_only=True, frozen=True):
    """How the sender names the partnership: `external_id` of a kind in a system."""

    system: Name
    kind: Name
    external_id: Value


class Opens(Part, kw_only=True, frozen=True):
    """What a partnership is opened with when none is linked yet."""

    client: Value
    partner: Value
    opened_at: Instant


class Fact(Part, kw_only=True, frozen=True):
    """One fact that a rule writes."""

    type: str
    occurred_at: Instant
    when: list[Condition] = []
    fields: dict[str, Value] = {}


class Rule(Part, kw_only=True, frozen=True):
    """What to do with the items that it matches: ignore them with a reason, open a partnership, write facts."""

    name: Name
    when: list[Condition] = []
    ignore: Text | None = None
    links: list[Link] | None = None
    new_links: list[Link] = []
    opens: Opens | None = None
    fact: list[Fact] = []

    def __post_init__(self) -> None:
        if (self.ignore is not None) == bool(self.fact or self.opens):
            raise ValueError("a rule either has `ignore` with a reason, or `opens` or a `fact`")


class Setting(Part, kw_only=True, frozen=True):
    """Something that whoever adds a source may choose."""

    type: SettingType
    description: Text
    default: Json | UnsetType = UNSET
    choices: list[str] | None = None
    required: bool = False


class LinkKind(Part, kw_only=True, frozen=True):
    """One way in which the sender names a partnership, for people."""

    system: Name
    kind: Name
    description: Text


class Answer(Part, kw_only=True, frozen=True):
    """What the sender wants to be answered."""

    form: Literal["json"] = "json"


class Spec(Part, kw_only=True, frozen=True):
    """A connector file."""

    name: Name
    title: Text
    summary: Text
    scheme: Annotated[list[Scheme], Meta(min_length=1)]
    rule: Annotated[list[Rule], Meta(min_length=1)]
    items: str | None = None  # a JMESPath to the array that a delivery is split into
    event: str | None = None  # a JMESPath to the sender's name of what happened, for messages
    key: list[str] = []  # JMESPaths that together name an item; none: the digest of the item
    answer: Answer = Answer()
    settings: dict[str, Setting] = {}
    link_kind: list[LinkKind] = []
    let: dict[str, Value] = {}
    link: list[Link] = []
