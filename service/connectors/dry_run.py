"""What a connector would make of a delivery, told so that whoever writes the file sees why."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from service.connectors.compiled import CompiledRule, Connector
from service.connectors.conditions import Check
from service.connectors.engine import Item, contexts, map_item
from service.connectors.model import Json
from service.connectors.values import ODD, Context, Unmappable

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
    connector: Connector, settings: Mapping[str, Json], body: bytes, headers: Sequence[tuple[str, str]] = ()
) -> DryRun:
    """Map a delivery as a source would, without its signature, and explain each item."""
    reports: dict[str, ItemReport] = {}
    for key, context in contexts(connector, body, headers, "src_dry_run"):
        if isinstance(context, Item):
            reports[key] = ItemReport(_outcome(context), context, (), ())
        elif key not in reports:
            reports[key] = _report(connector, map_item(connector, settings, key, context), context)
    return DryRun(connector.name, tuple(reports.values()))


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
    reasons = [(fact.type, _complaint(fact.checks, context)) for fact in rule.facts]
    return tuple(NotMatched(name, reason) for name, reason in reasons if reason)


def _complaint(checks: Sequence[Check], context: Context) -> str | None:
    try:
        return next((check.complaint(context) for check in checks if not check.holds(context)), None)
    except (Unmappable, *ODD) as error:
        return str(error)
