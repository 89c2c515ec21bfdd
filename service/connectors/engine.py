"""From a delivery to facts: pure, and never raising on what a sender sends.

A delivery splits into items; each has a key that the sender's repetition has too, and an end of its own: facts to
append, a reason to ignore it, or a reason why it failed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from service.connectors.compiled import CompiledFact, CompiledInstant, CompiledLink, CompiledRule, Connector
from service.connectors.context import ODD, Compute, Context, Unmappable, empty, key_text, shown
from service.connectors.formats import read_body
from service.connectors.model import Json, Standing
from service.connectors.searches import chosen_search
from service.connectors.settings import SettingsError, resolve_settings

ITEMS = 1_000  # more in one delivery than any sender batches
_KEY_LENGTH = 200
_ID_LENGTH = 200
_TEXT_LENGTH = 1_000
_LINE_LENGTH = 500


class Arrival(Struct, frozen=True):
    """A delivery as it came: the raw body, all headers, the id of its source, and when it was received."""

    body: bytes
    headers: Sequence[tuple[str, str]]
    source: str
    at: datetime


class LinkRef(Struct, frozen=True):
    """A partnership as another system names it."""

    system: str
    kind: str
    external_id: str


class Opening(Struct, frozen=True):
    """What to open a partnership with when no link finds one."""

    client: str
    partner: str
    opened_at: datetime


class MappedFact(Struct, frozen=True, omit_defaults=True):
    """A fact to append, where its matter stands so in our own log; the fields are as its JSON form wants them."""

    type: str
    occurred_at: datetime
    fields: dict[str, Json]
    standing: tuple[Standing, ...] = ()


class Item(Struct, frozen=True, kw_only=True):
    """One item of a delivery: at most one of `ignored` and `failed` is set, and only without them is there work.

    `links` are tried in order to find the partnership; `new_links` are added to it when the item is applied; `called` is
    what the sender's people call it.
    """

    key: str
    event: str | None = None
    rule: str | None = None
    ignored: str | None = None
    failed: str | None = None
    links: tuple[LinkRef, ...] = ()
    new_links: tuple[LinkRef, ...] = ()
    called: tuple[str, ...] = ()
    opens: Opening | None = None
    facts: tuple[MappedFact, ...] = ()


def map_delivery(connector: Connector, settings: Mapping[str, Json], arrival: Arrival) -> tuple[Item, ...]:
    """The items of a delivery, each with a key of its own; an item that repeats another's key is left out."""
    items: dict[str, Item] = {}
    for key, context in contexts(connector, settings, arrival):
        item = context if isinstance(context, Item) else map_item(connector, key, context)
        items.setdefault(key, item)
    return tuple(items.values())


def contexts(
    connector: Connector, settings: Mapping[str, Json], arrival: Arrival
) -> list[tuple[str, Context | Item]]:  # fmt: skip
    """The keys and the contents of a delivery's items; what cannot be split is one item that failed."""
    whole = hashlib.sha256(arrival.body).hexdigest()
    known = _headers(arrival.headers)
    resolved, problem = _resolved(connector, settings)
    try:
        data = read_body(connector.spec.format, arrival.body, known)
        elements = _elements(connector, resolved, data)
    except Unmappable as error:
        return [(whole, Item(key=whole, failed=str(error)))]
    except ODD as error:
        return [(whole, Item(key=whole, failed=f"the body holds something odd ({type(error).__name__})"))]
    if not elements:
        return [(whole, Item(key=whole, ignored="the delivery holds no items"))]
    found = [Context(element, data, known, resolved, arrival.source, arrival.at, whole) for element in elements]
    keyed = [(_key(connector, context, f"{whole}-{index}"), context) for index, context in enumerate(found)]
    return [(key, context if problem is None else Item(key=key, failed=problem)) for key, context in keyed]


def _resolved(connector: Connector, settings: Mapping[str, Json]) -> tuple[dict[str, Json], str | None]:
    """The settings, or why they cannot be used: then every item fails and keeps its key, to be run again."""
    try:
        return resolve_settings(connector.spec, settings), None
    except SettingsError as error:
        return {}, str(error)


def map_item(connector: Connector, key: str, context: Context) -> Item:
    """One item, by the first rule whose conditions hold."""
    try:
        return _matched(connector, key, context)
    except Unmappable as error:
        return Item(key=key, failed=str(error))
    except ODD as error:
        return Item(key=key, failed=f"the item holds something odd ({type(error).__name__})")


def _matched(connector: Connector, key: str, context: Context) -> Item:
    if not isinstance(context.item, dict):
        raise Unmappable(f"the item is {shown(context.item)}: expected a JSON object")
    found = connector.event(context) if connector.event else None
    event = None if empty(found) else _line(key_text(found))
    rule = next((rule for rule in connector.rules if all(check.holds(context) for check in rule.checks)), None)
    if rule is None:
        named = "this item" if event is None else f"the event {event}"
        return Item(key=key, event=event, ignored=f"no rule matches {named}")
    return _applied(rule, key, event, context)


def _applied(rule: CompiledRule, key: str, event: str | None, context: Context) -> Item:
    if rule.ignore is not None:
        return Item(key=key, event=event, rule=rule.name, ignored=_line(f"rule {rule.name}: {rule.ignore(context)}"))
    try:
        return _worked(rule, key, event, context)
    except Unmappable as error:
        return Item(key=key, event=event, rule=rule.name, failed=f"rule {rule.name}: {error}")


def _worked(rule: CompiledRule, key: str, event: str | None, context: Context) -> Item:
    facts = tuple(_fact(each, context) for each in rule.facts if all(check.holds(context) for check in each.checks))
    opens, new_links = _opening(rule, context), _links(rule.new_links, context)
    if not facts and opens is None and (rule.facts or not new_links):
        return Item(key=key, event=event, rule=rule.name, ignored=f"rule {rule.name}: none of its facts applies")
    links = _links(rule.links, context)
    if not links:
        kinds = " or ".join(dict.fromkeys(f"{link.system}/{link.kind}" for link in rule.links))
        raise Unmappable(f"the item names no partnership: expected the id of a {kinds}")
    return Item(
        key=key, event=event, rule=rule.name, links=links, new_links=new_links,
        called=_called(rule.links, context), opens=opens, facts=facts,
    )  # fmt: skip


def _opening(rule: CompiledRule, context: Context) -> Opening | None:
    if rule.opens is None:
        return None
    client = _text(rule.opens.client, context, "client")
    partner = _text(rule.opens.partner, context, "partner")
    return Opening(client, partner, _at(rule.opens.opened_at, context, "opened_at"))


def _fact(fact: CompiledFact, context: Context) -> MappedFact:
    fields = _given_fields(fact, context)
    for name, compute, optional in fact.fields:
        if not empty(value := _computed(compute, context, name)):
            fields[name] = _clean(value)
        elif not optional:
            raise Unmappable(f"{fact.name} has no {name}: the delivery holds nothing for it")
    return MappedFact(_type(fact, context), _at(fact.occurred_at, context, "occurred_at"), fields, fact.standing)


def _given_fields(fact: CompiledFact, context: Context) -> dict[str, Json]:
    """The fields that the delivery names itself."""
    if fact.fields_of is None:
        return {}
    found = _computed(fact.fields_of, context, "fields_of")
    if not isinstance(found, dict):
        raise Unmappable(f"the fields of {fact.name} are {shown(found)}: expected a JSON object")
    return {_clean_text(str(name)): _clean(value) for name, value in found.items()}


def _type(fact: CompiledFact, context: Context) -> str:
    if fact.type is not None:
        return fact.type
    found = _computed(fact.type_of, context, "type_of") if fact.type_of else None
    if not isinstance(found, str) or found not in fact.known:
        raise Unmappable(f"there is no fact type {shown(found)}: expected one like {', '.join(sorted(fact.known)[:3])}")
    return found


def _at(instant: CompiledInstant, context: Context, name: str) -> datetime:
    try:
        found = instant.compute(context)
    except ODD as error:
        raise Unmappable(f"{name} cannot be read: {error}") from None
    if found is None:
        raise Unmappable(f"{name} is empty: {instant.place} gave nothing")
    return found


def _links(links: tuple[CompiledLink, ...], context: Context) -> tuple[LinkRef, ...]:
    found: dict[LinkRef, None] = {}
    for link in links:
        name = f"{link.system}/{link.kind}"
        if not empty(value := _computed(link.external_id, context, name)):
            found[LinkRef(link.system, link.kind, _bounded(_clean_text(key_text(value)), name, _ID_LENGTH))] = None
    return tuple(found)


def _called(links: tuple[CompiledLink, ...], context: Context) -> tuple[str, ...]:
    """What people call the partnership there: a help for whoever links it, so nothing fails for it."""
    found: dict[str, None] = {}
    for link in links:
        try:
            name = link.called(context) if link.called else None
        except (Unmappable, *ODD):
            continue
        if isinstance(name, str) and name.strip():
            found[_line(name.strip())] = None
    return tuple(found)


def _text(compute: Compute, context: Context, name: str) -> str:
    if empty(value := _computed(compute, context, name)):
        raise Unmappable(f"{name} is empty: the delivery and the settings hold nothing for it")
    return _bounded(_clean_text(key_text(value)), name, _TEXT_LENGTH)


def _computed(compute: Compute, context: Context, name: str) -> Json:
    try:
        return compute(context)
    except Unmappable as error:
        raise Unmappable(f"{name}: {error}") from None
    except ODD as error:
        raise Unmappable(f"{name} cannot be read: {error}") from None


def _line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:_LINE_LENGTH])


def _clean(value: Json) -> Json:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return {_clean_text(str(name)): _clean(each) for name, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value


def _clean_text(text: str) -> str:
    if "\x00" in text:
        raise Unmappable("a text holds a NUL character, which no store keeps: the sender must leave it out")
    return text


def _bounded(text: str, name: str, longest: int) -> str:
    if len(text) > longest:
        raise Unmappable(f"{name} has {len(text)} characters: expected at most {longest}")
    return text


def _elements(connector: Connector, settings: Mapping[str, Json], data: Json) -> Sequence[Json]:
    spec = connector.spec
    chosen = settings.get(spec.items_setting) if spec.items_setting else None
    search = chosen_search(chosen) if isinstance(chosen, str) else connector.items
    if search is None and spec.format != "cloudevents":
        return [data]
    found = data if search is None else search(data)
    if not isinstance(found, list):
        raise Unmappable(f"the body has no array at {chosen or spec.items!r}: found {shown(found)}")
    if len(found) > ITEMS:
        raise Unmappable(f"the delivery holds {len(found)} items: expected at most {ITEMS}")
    return found


def _headers(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        joined[lower] = f"{joined[lower]}, {value}" if lower in joined else value
    return joined


def _key(connector: Connector, context: Context, fallback: str) -> str:
    """The sender's own key where every part of it is there, else the digest of the item in a canonical form."""
    try:
        parts = [(compute(context), optional) for compute, optional in connector.key]
        whole = all(optional or not empty(part) for part, optional in parts)
        if whole and any(not empty(part) for part, _ in parts):
            return _joined([None if empty(part) else key_text(part) for part, _ in parts])
    except (Unmappable, *ODD):
        pass
    try:
        return hashlib.sha256(msgspec.json.encode(context.item, order="sorted")).hexdigest()
    except ODD:
        return fallback


def _joined(parts: list[str | None]) -> str:
    text = parts[0] if len(parts) == 1 and parts[0] is not None else msgspec.json.encode(parts).decode()
    if len(text) > _KEY_LENGTH or not text.isprintable():
        return hashlib.sha256(text.encode()).hexdigest()
    return text
