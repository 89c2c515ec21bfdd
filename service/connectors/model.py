"""What a connector file may say, field by field; anything else in it is refused when it is loaded."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from service.scheme import Scheme

Json = object  # what JSON or TOML can hold; narrowed where it is used
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
TimeUnit = Literal["s", "ms", "us", "ns", "iso", "dotnet", "date"]
Shape = Literal["string", "lower", "upper", "number", "integer", "boolean", "date", "instant"]
SettingType = Literal["string", "strings", "boolean", "integer", "map", "path", "paths", "zone"]
Standing = Literal["unknown", "open", "closed"]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Any table of a connector file."""


class Source(Part, kw_only=True, frozen=True):
    """Where something stands: a value takes exactly one of these."""

    path: str | None = None  # a JMESPath into the item
    body: str | None = None  # a JMESPath into the whole body, where it is split into items
    header: str | None = None
    setting: str | None = None
    path_setting: str | None = None  # a setting that is a JMESPath into the item
    paths_setting: str | None = None  # a setting that names JMESPaths: an object of what they give
    let: str | None = None
    delivery: Literal["received_at", "digest"] | None = None


class Value(Source, kw_only=True, frozen=True):
    """One value: where it comes from (exactly one source), then what is done to it, in the order of the fields."""

    template: str | None = None
    const: Json | UnsetType = UNSET
    extract: str | None = None  # an RE2 expression: what its first group, or all of it, finds in a text
    map: dict[str, Json] | None = None
    map_setting: str | None = None
    otherwise: "Value | None" = None  # taken when the source is empty or the map does not know it
    default: Json | UnsetType = UNSET  # the same, as a constant
    unit: TimeUnit | None = None
    zone: str | None = None  # of times that are written without one
    zone_setting: str | None = None
    scale: int | float | None = None
    minor_of: "Value | None" = None  # the currency whose minor unit an amount is turned into
    shape: Shape | None = field(default=None, name="as")
    cut: Annotated[int, Meta(ge=1, le=8_000)] | None = None  # the most characters of a text
    optional: bool = False


class Instant(Source, kw_only=True, frozen=True):
    """When something happened: where it stands, and the unit of what stands there."""

    unit: TimeUnit = "iso"
    zone: str | None = None
    zone_setting: str | None = None
    otherwise: "Instant | None" = None


class Condition(Source, kw_only=True, frozen=True):
    """One thing that must hold: a source and at least one test; with `was`, the value must also have changed."""

    equals: Json | UnsetType = UNSET
    one_of: list[Json] | None = field(default=None, name="in")
    not_in: list[Json] | None = None
    in_setting: str | None = None
    not_in_setting: str | None = None  # holds where the setting lists something else
    matches: str | None = None  # an RE2 expression that finds something in the text
    present: bool | None = None
    was: str | None = None  # a JMESPath to the value before
    before: list[Json] | None = field(default=None, name="from")


class Link(Part, kw_only=True, frozen=True):
    """How the sender names the partnership: `external_id` of a kind in a system, and what people call it there."""

    system: Name
    kind: Name
    external_id: Value
    called: Value | None = None


class Opens(Part, kw_only=True, frozen=True):
    """What a partnership is opened with when none is linked yet."""

    client: Value
    partner: Value
    opened_at: Instant


class Fact(Part, kw_only=True, frozen=True):
    """One fact that a rule writes; `standing` is what our own log must say of the matter that the fact names."""

    type: str | None = None
    type_of: Value | None = None  # where the delivery names the type
    occurred_at: Instant
    when: list[Condition] = []
    standing: list[Standing] = []
    fields_of: Value | None = None  # an object with fields as they are
    fields: dict[str, Value] = {}

    def __post_init__(self) -> None:
        if (self.type is None) == (self.type_of is None):
            raise ValueError("a fact has a `type`, or a `type_of` where the delivery names it: give exactly one")


class Rule(Part, kw_only=True, frozen=True):
    """What to do with the items that it matches: ignore them with a reason, open or link a partnership, write facts."""

    name: Name
    when: list[Condition] = []
    ignore: Text | None = None
    links: list[Link] | None = None
    new_links: list[Link] = []
    opens: Opens | None = None
    fact: list[Fact] = []

    def __post_init__(self) -> None:
        if (self.ignore is not None) == bool(self.fact or self.opens or self.new_links):
            raise ValueError("a rule either has `ignore` with a reason, or `opens`, `new_links` or a `fact`")


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
    """What the sender wants to be answered once a delivery is durable; without a text, our own receipt."""

    status: Literal[200, 201, 202, 204] = 202
    media_type: Text = "application/json"
    text: Text | None = None


class Token(Part, kw_only=True, frozen=True):
    """Where a sender that tries an address out puts the text it wants to see again."""

    query: str | None = None
    header: str | None = None
    body: str | None = None  # a JMESPath

    def __post_init__(self) -> None:
        if sum(place is not None for place in (self.query, self.header, self.body)) != 1:
            raise ValueError("a token stands in a `query`, a `header` or the `body`: give exactly one")


class Handshake(Part, kw_only=True, frozen=True):
    """How a sender makes sure that somebody is there: `{token}` and `{hmac}` of it, in hex, may be answered.

    What holds `{hmac}` answers only who is `proven`, or whose token is itself the HMAC of `expects`: else anybody could
    have their own deliveries signed.
    """

    name: Name
    method: Literal["GET", "POST", "OPTIONS"]
    token: Token
    when: dict[str, Json] = {}  # JMESPaths into the body and what they must give
    proven: bool = False
    expects: Text | None = None
    status: Literal[200, 204] = 200
    text: Text | None = None
    members: dict[str, Text] = field(default={}, name="json")
    headers: dict[str, Text] = {}

    def __post_init__(self) -> None:
        told = [self.text or "", *self.members.values(), *self.headers.values()]
        if any("{hmac}" in text for text in told) and not self.proven and self.expects is None:
            raise ValueError("`{hmac}` would sign for anybody: add `proven` or `expects`")


class Spec(Part, kw_only=True, frozen=True):
    """A connector file."""

    name: Name
    title: Text
    summary: Text
    scheme: Annotated[list[Scheme], Meta(min_length=1)]
    rule: Annotated[list[Rule], Meta(min_length=1)]
    format: Literal["json", "xml", "cloudevents"] = "json"
    items: str | None = None  # a JMESPath to the array that a delivery is split into
    items_setting: str | None = None
    event: str | Value | None = None  # the sender's name of what happened, for messages
    key: list[str | Value] = []  # what names an item together; none: the digest of the item
    mask: list[Text] = []  # members or elements, at any depth, whose content is never kept
    answer: Answer = Answer()
    handshake: list[Handshake] = []
    settings: dict[str, Setting] = {}
    link_kind: list[LinkKind] = []
    let: dict[str, Value] = {}
    link: list[Link] = []
