"""A connector file made ready to run: every path parsed, every name looked up, every fact and field known to exist."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import NoReturn

from msgspec import UNSET

from domain.partnership.standing import KINDS
from service.connectors.conditions import Check, compile_checks
from service.connectors.context import Compute, Context, FieldError, Names, Where, declared
from service.connectors.model import Fact, Instant, Json, Link, Rule, Spec, Standing, Value
from service.connectors.references import SOURCES, compile_template
from service.connectors.searches import compile_path
from service.connectors.settings import complain
from service.connectors.shapes import check_json
from service.connectors.values import compile_instant, compile_value

MATTERS = frozenset(KINDS)
Search = Callable[[Json], Json]
FactFields = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class CompiledInstant:
    """When something happened, and where that is looked for, in words."""

    place: str
    compute: Callable[[Context], datetime | None]


@dataclass(frozen=True, slots=True)
class CompiledLink:
    """How an item names a partnership."""

    system: str
    kind: str
    external_id: Compute
    called: Compute | None


@dataclass(frozen=True, slots=True)
class CompiledOpens:
    """What a partnership is opened with."""

    client: Compute
    partner: Compute
    opened_at: CompiledInstant


@dataclass(frozen=True, slots=True)
class CompiledFact:
    """A fact to write when its checks hold; its type stands in the file or, with `type_of`, in the delivery."""

    type: str | None
    type_of: Compute | None
    known: FactFields
    occurred_at: CompiledInstant
    checks: tuple[Check, ...]
    standing: tuple[Standing, ...]
    fields_of: Compute | None
    fields: tuple[tuple[str, Compute, bool], ...]  # name, value, optional

    @property
    def name(self) -> str:
        """The type, for messages."""
        return self.type or "the fact"


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """What becomes of an item for which all checks hold."""

    name: str
    checks: tuple[Check, ...]
    ignore: Compute | None
    links: tuple[CompiledLink, ...]
    new_links: tuple[CompiledLink, ...]
    opens: CompiledOpens | None
    facts: tuple[CompiledFact, ...]


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector ready to map deliveries; `spec` is what its file says."""

    spec: Spec
    items: Search | None
    event: Compute | None
    key: tuple[tuple[Compute, bool], ...]  # value, optional
    rules: tuple[CompiledRule, ...]

    @property
    def name(self) -> str:
        """The name that sources call it by."""
        return self.spec.name


def compile_connector(spec: Spec, fact_fields: FactFields) -> Connector:
    """Check and compile a file; raises FieldError where something in it can never work."""
    _check_settings(spec)
    _check_handshakes(spec)
    names = _names(spec)
    _check_unique([rule.name for rule in spec.rule], "rule")
    links = _links(spec.link, names, ("link",))
    if spec.items is not None and spec.items_setting is not None:
        raise FieldError(("items_setting",), "the array stands at `items` or at the path of `items_setting`: not both")
    if spec.items_setting is not None:
        declared(spec.items_setting, ("path",), names, ("items_setting",))
    return Connector(
        spec=spec,
        items=None if spec.items is None else compile_path(spec.items, ("items",)),
        event=None if spec.event is None else _named(spec.event, names, ("event",)),
        key=tuple(_key(each, names, ("key", index)) for index, each in enumerate(spec.key)),
        rules=tuple(_rule(rule, links, names, fact_fields, ("rule", n)) for n, rule in enumerate(spec.rule)),
    )


def _named(value: str | Value, names: Names, where: Where) -> Compute:
    """A path may stand alone where a value is meant."""
    if isinstance(value, Value):
        return compile_value(value, names, where)
    search = compile_path(value, where)
    return lambda context: search(context.item)


def _maybe(value: Value | None, names: Names, where: Where) -> Compute | None:
    return None if value is None else compile_value(value, names, where)


def _key(part: str | Value, names: Names, where: Where) -> tuple[Compute, bool]:
    return _named(part, names, where), isinstance(part, Value) and part.optional


def _check_handshakes(spec: Spec) -> None:
    for index, handshake in enumerate(spec.handshake):
        for path in (*handshake.when, *([handshake.token.body] if handshake.token.body else [])):
            compile_path(path, ("handshake", index))


def _check_settings(spec: Spec) -> None:
    for name, setting in spec.settings.items():
        where = ("settings", name)
        if setting.default is UNSET:
            continue
        check_json(setting.default, (*where, "default"))
        if complaint := complain(setting, setting.default):
            raise FieldError((*where, "default"), f"the default of {name!r} {complaint}")
        if setting.required:
            raise FieldError((*where, "required"), "a setting with a default is never required: leave one of them out")


def _check_unique(names: Sequence[str], table: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise FieldError((table, index, "name"), f"the {table} name {name!r} is there twice: expected it once")


def _names(spec: Spec) -> Names:
    lets: dict[str, Compute] = {}
    names = Names(spec.settings, lets)
    for name, value in spec.let.items():
        lets[name] = compile_value(value, names, ("let", name))  # sees only what stands above, so it cannot go round
    return names


def _rule(
    rule: Rule, links: tuple[CompiledLink, ...], names: Names, fact_fields: FactFields, where: Where
) -> CompiledRule:
    own = links if rule.links is None else _links(rule.links, names, (*where, "links"))
    if not own and not rule.ignore:
        raise FieldError(where, f"the rule {rule.name!r} finds no partnership: add `links`, or [[link]] to the file")
    learned = _links(rule.new_links, names, (*where, "new_links"))
    return CompiledRule(
        name=rule.name,
        checks=compile_checks(rule.when, names, where),
        ignore=None if rule.ignore is None else compile_template(rule.ignore, names, (*where, "ignore"), "nothing"),
        links=own,
        new_links=learned or (own if rule.opens else ()),
        opens=_opens(rule, names, (*where, "opens")),
        facts=tuple(_fact(fact, names, fact_fields, (*where, "fact", n)) for n, fact in enumerate(rule.fact)),
    )


def _links(links: Sequence[Link], names: Names, where: Where) -> tuple[CompiledLink, ...]:
    return tuple(
        CompiledLink(
            link.system,
            link.kind,
            compile_value(link.external_id, names, (*where, n, "external_id")),
            _maybe(link.called, names, (*where, n, "called")),
        )
        for n, link in enumerate(links)
    )


def _opens(rule: Rule, names: Names, where: Where) -> CompiledOpens | None:
    if (opens := rule.opens) is None:
        return None
    client = compile_value(opens.client, names, (*where, "client"))
    partner = compile_value(opens.partner, names, (*where, "partner"))
    return CompiledOpens(client, partner, _instant(opens.opened_at, names, (*where, "opened_at")))


def _fact(fact: Fact, names: Names, fact_fields: FactFields, where: Where) -> CompiledFact:
    if fact.type is not None:
        _check_fact(fact.type, fact, fact_fields, where)
    return CompiledFact(
        type=fact.type,
        type_of=_maybe(fact.type_of, names, (*where, "type_of")),
        known=fact_fields,
        occurred_at=_instant(fact.occurred_at, names, (*where, "occurred_at")),
        checks=compile_checks(fact.when, names, where),
        standing=tuple(fact.standing),
        fields_of=_maybe(fact.fields_of, names, (*where, "fields_of")),
        fields=tuple(
            (name, compile_value(value, names, (*where, "fields", name)), value.optional)
            for name, value in fact.fields.items()
        ),
    )


def _check_fact(kind: str, fact: Fact, fact_fields: FactFields, where: Where) -> None:
    if (known := fact_fields.get(kind)) is None:
        _unknown((*where, "type"), "fact type", kind, fact_fields)
    for name in fact.fields:
        if name not in known:
            _unknown((*where, "fields", name), f"field of {kind}", name, known)
    if fact.standing and not known & MATTERS:
        raise FieldError((*where, "standing"), f"{kind} names no matter that is open or closed: leave `standing` out")


def _instant(instant: Instant, names: Names, where: Where) -> CompiledInstant:
    kind, name = next((kind, name) for kind in SOURCES if (name := getattr(instant, kind)) is not None)
    return CompiledInstant(f"the {kind} {name!r}", compile_instant(instant, names, where))


def _unknown(where: Where, what: str, name: str, known: Mapping[str, object] | frozenset[str]) -> NoReturn:
    close = get_close_matches(name, known, n=3) or sorted(known)
    raise FieldError(where, f"there is no {what} {name!r}: expected one like {', '.join(close[:12])}")
