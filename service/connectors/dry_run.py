"""What a connector would make of a delivery, told so that whoever writes the file sees why."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from service.connectors.compiled import CompiledRule, Connector
from service.connectors.conditions import Check
from service.connectors.context import ODD, Context, Unmappable
from service.connectors.engine import Arrival, Item, MappedFact, contexts, map_item
from service.connectors.model import Json

Outcome = Literal["facts", "ignored", "failed"]


class NotMatched(Struct, frozen=True):
    """A rule that came before and the first of its conditions that did not hold."""

    rule: str
    because: str


class ItemReport(Struct, frozen=True):
    """One item: what it ends as, why, and which earlier rules did not take it."""

    outcome: Outcome
    item: Item
    passed_over: tuple[NotMatched, ...]
    facts_left_out: tuple[NotMatched, ...]


class DryRun(Struct, frozen=True):
    """The report of a delivery, encodable as JSON."""

    connector: str
    items: tuple[ItemReport, ...]


def dry_run(
    connector: Connector, settings: Mapping[str, Json], arrival: Arrival, refusal: Callable[[MappedFact], str | None]
) -> DryRun:
    """Map a delivery as a source would, without its signature, and explain each item.

    `refusal` tells why the domain would refuse a fact as it is, whatever the partnership's state.
    """
    reports: dict[str, ItemReport] = {}
    for key, context in contexts(connector, settings, arrival):
        if isinstance(context, Item):
            reports[key] = ItemReport(_outcome(context), context, (), ())
        elif key not in reports:
            item = _refused(map_item(connector, key, context), refusal)
            reports[key] = _report(connector, item, context)
    return DryRun(connector.name, tuple(reports.values()))


def _refused(item: Item, refusal: Callable[[MappedFact], str | None]) -> Item:
    because = next((why for fact in item.facts if (why := refusal(fact)) is not None), None)
    return item if because is None else replace(item, failed=because, facts=())


def _outcome(item: Item) -> Outcome:
    if item.failed is not None:
        return "failed"
    return "facts" if item.ignored is None else "ignored"


def _report(connector: Connector, item: Item, context: Context) -> ItemReport:
    before: list[NotMatched] = []
    for rule in connector.rules:
        if rule.name == item.rule:
            return ItemReport(_outcome(item), item, tuple(before), _left_out(rule, context))
        if complaint := _complaint(rule.checks, context):
            before.append(NotMatched(rule.name, complaint))
    return ItemReport(_outcome(item), item, tuple(before), ())


def _left_out(rule: CompiledRule, context: Context) -> tuple[NotMatched, ...]:
    reasons = [(fact.name, _complaint(fact.checks, context)) for fact in rule.facts]
    return tuple(NotMatched(name, reason) for name, reason in reasons if reason)


def _complaint(checks: Sequence[Check], context: Context) -> str | None:
    try:
        return next((check.complaint(context) for check in checks if not check.holds(context)), None)
    except (Unmappable, *ODD) as error:
        return str(error)
