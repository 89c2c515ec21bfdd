"""A connector file made ready to run: every path parsed, every name looked up, every fact and field known to exist."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

from msgspec import UNSET

from service.connectors.conditions import Check, compile_checks
from service.connectors.model import Fact, Instant, Json, Link, Rule, Spec
from service.connectors.settings import complain
from service.connectors.times import ReadTime
from service.connectors.values import (
    Compute,
    FieldError,
    Names,
    Where,
    check_json,
    compile_instant,
    compile_path,
    compile_template,
    compile_value,
)

Search = Callable[[Json], Json]
FactFields = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class CompiledInstant:
    """Where a time stands and how it is read."""

    path: str
    search: Search
    read: ReadTime


@dataclass(frozen=True, slots=True)
class CompiledLink:
    """How an item names a partnership."""

    system: str
    kind: str
    external_id: Compute


@dataclass(frozen=True, slots=True)
class CompiledOpens:
    """What a partnership is opened with."""

    client: Compute
    partner: Compute
    opened_at: CompiledInstant


@dataclass(frozen=True, slots=True)
class CompiledFact:
    """A fact to write when its checks hold."""

    type: str
    occurred_at: CompiledInstant
    checks: tuple[Check, ...]
    fields: tuple[tuple[str, Compute, bool], ...]  # name, value, optional


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
    event: Search | None
    key: tuple[Search, ...]
    rules: tuple[CompiledRule, ...]

    @property
    def name(self) -> str:
        """The name that sources call it by."""
        return self.spec.name


def compile_connector(spec: Spec, fact_fields: FactFields) -> Connector:
    """Check and compile a file; raises FieldError where something in it can never work."""
    _check_settings(spec)
    names = _names(spec)
    _check_unique([rule.name for rule in spec.rule], "rule")
    links = _links(spec.link, names, ("link",))
    return Connector(
        spec=spec,
        items=None if spec.items is None else compile_path(spec.items, ("items",)),
        event=None if spec.event is None else compile_path(spec.event, ("event",)),
        key=tuple(compile_path(path, ("key", index)) for index, path in enumerate(spec.key)),
        rules=tuple(_rule(rule, links, names, fact_fields, ("rule", n)) for n, rule in enumerate(spec.rule)),
    )


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
        CompiledLink(link.system, link.kind, compile_value(link.external_id, names, (*where, n, "external_id")))
        for n, link in enumerate(links)
    )


def _opens(rule: Rule, names: Names, where: Where) -> CompiledOpens | None:
    if (opens := rule.opens) is None:
        return None
    client = compile_value(opens.client, names, (*where, "client"))
    partner = compile_value(opens.partner, names, (*where, "partner"))
    return CompiledOpens(client, partner, _instant(opens.opened_at, (*where, "opened_at")))


def _fact(fact: Fact, names: Names, fact_fields: FactFields, where: Where) -> CompiledFact:
    if (known := fact_fields.get(fact.type)) is None:
        _unknown((*where, "type"), "fact type", fact.type, fact_fields)
    for name in fact.fields:
        if name not in known:
            _unknown((*where, "fields", name), f"field of {fact.type}", name, known)
    return CompiledFact(
        type=fact.type,
        occurred_at=_instant(fact.occurred_at, (*where, "occurred_at")),
        checks=compile_checks(fact.when, names, where),
        fields=tuple(
            (name, compile_value(value, names, (*where, "fields", name)), value.optional)
            for name, value in fact.fields.items()
        ),
    )


def _instant(instant: Instant, where: Where) -> CompiledInstant:
    return CompiledInstant(instant.path, *compile_instant(instant, where))


def _unknown(where: Where, what: str, name: str, known: Mapping[str, object] | frozenset[str]) -> NoReturn:
    close = get_close_matches(name, known, n=3) or sorted(known)
    raise FieldError(where, f"there is no {what} {name!r}: expected one like {', '.join(close[:12])}")
