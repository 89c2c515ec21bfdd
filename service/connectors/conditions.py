"""Conditions of a connector file, compiled: each can say what it found and what it wanted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from service.connectors.context import Compute, Context, FieldError, Names, Where, declared, empty, shown
from service.connectors.model import Condition, Json
from service.connectors.references import SOURCES, compile_source
from service.connectors.searches import compile_path, compile_regex
from service.connectors.shapes import check_json

Test = Callable[[Json, Context], bool]
TESTS = ("equals", "in", "not_in", "in_setting", "not_in_setting", "matches", "present", "was")


@dataclass(frozen=True, slots=True)
class Check:
    """One compiled condition: `subject` is what it looks at, `wanted` what it asks, in words."""

    name: str
    subject: Compute
    wanted: str
    tests: tuple[Test, ...]

    def holds(self, context: Context) -> bool:
        """Whether every test passes."""
        found = self.subject(context)
        return all(test(found, context) for test in self.tests)

    def complaint(self, context: Context) -> str:
        """What was found instead of what was wanted."""
        return f"{self.name} is {shown(self.subject(context))}, wanted {self.wanted}"


def compile_checks(conditions: Sequence[Condition], names: Names, where: Where) -> tuple[Check, ...]:
    """All conditions of a rule or of a fact; each must hold."""
    return tuple(_check(each, names, (*where, "when", index)) for index, each in enumerate(conditions))


def same(one: Json, other: Json) -> bool:
    """Equality as JSON means it: true is not 1, text is not a number."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _check(condition: Condition, names: Names, where: Where) -> Check:
    for name in ("equals", "one_of", "not_in", "before"):
        check_json(getattr(condition, name), where)
    tests = _tests(condition, names, where)
    if not tests:
        raise FieldError(where, f"a condition tests nothing: expected one of {', '.join(TESTS)}")
    wanted, passes = zip(*tests, strict=True)
    subject = compile_source(condition, names, where)
    kind, name = next((kind, name) for kind in SOURCES if (name := getattr(condition, kind)) is not None)
    return Check(name if kind == "path" else f"{kind} {name}", subject, " and ".join(wanted), passes)


def _tests(condition: Condition, names: Names, where: Where) -> list[tuple[str, Test]]:
    tests: list[tuple[str, Test]] = []
    if condition.equals is not UNSET:
        tests.append((shown(condition.equals), _among([condition.equals])))
    if condition.one_of is not None:
        tests.append((f"one of {shown(condition.one_of)}", _among(condition.one_of)))
    if condition.not_in is not None:
        among = _among(condition.not_in)
        tests.append((f"none of {shown(condition.not_in)}", lambda found, context: not among(found, context)))
    if condition.in_setting is not None:
        tests.append((f"one of the setting {condition.in_setting}", _in_setting(condition.in_setting, names, where)))
    if condition.not_in_setting is not None:
        listed = _in_setting(condition.not_in_setting, names, where, empty_holds=True)
        tests.append(
            (f"none of the setting {condition.not_in_setting}", lambda found, context: not listed(found, context))
        )
    if condition.matches is not None:
        tests.append((f"text that {condition.matches!r} matches", _matching(condition.matches, where)))
    if condition.present is not None:
        present = condition.present
        tests.append(("something" if present else "nothing", lambda found, _: empty(found) != present))
    if condition.was is not None or condition.before is not None:
        tests.append(_changed(condition, where))
    return tests


def _among(values: Sequence[Json]) -> Test:
    return lambda found, _: any(same(found, value) for value in values)


def _in_setting(name: str, names: Names, where: Where, *, empty_holds: bool = False) -> Test:
    """Whether a setting lists the value; one that lists nothing lists everything where `empty_holds`."""
    declared(name, ("strings",), names, (*where, "not_in_setting" if empty_holds else "in_setting"))

    def test(found: Json, context: Context) -> bool:
        values = context.settings.get(name) or ()
        return isinstance(values, Sequence) and (found in values or (empty_holds and not values))

    return test


def _matching(expression: str, where: Where) -> Test:
    search = compile_regex(expression, (*where, "matches"), whole=True)
    return lambda found, _: isinstance(found, str) and search(found) is not None


def _changed(condition: Condition, where: Where) -> tuple[str, Test]:
    if condition.was is None:
        raise FieldError((*where, "from"), "`from` needs `was`, the path to the value before")
    previous = compile_path(condition.was, (*where, "was"))
    before = condition.before

    def test(found: Json, context: Context) -> bool:
        old = previous(context.item)
        changed = not empty(old) and not same(old, found)
        return changed and (before is None or any(same(old, value) for value in before))

    return f"changed from {'anything' if before is None else shown(before)}", test
