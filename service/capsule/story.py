"""The partnerships' paths told from their entries: each transition an arrow of the machine, each verdict enough for it.

Nothing is decided again here, for that needs every guard; `noces verify --capsule` does it. What is checked is that what
was recorded holds together: state after state, arrow after arrow, verdict beside outcome.
"""

from __future__ import annotations

from array import array
from collections.abc import Container
from typing import Any, NamedTuple, Optional

from service.capsule.entries import Entry, Finding

PREFIX = "partnership-"
HONEYMOON = "honeymoon"


class Spell(NamedTuple):
    """A stay in a state: what began it, and the position of what brought that about."""

    state: str
    entry: Entry
    cause: int


class Path:
    """One partnership as far as its entries tell it; of one that nobody reports on, no more than checking needs."""

    def __init__(self, identifier: str, *, is_reported: bool) -> None:
        self.identifier = identifier
        self.client = self.partner = ""
        self.spells: list[Spell] = []
        self.refusals: list[Entry] = []
        self.facts = 0
        self.came_from = ""
        self.positions = array("Q")
        """Of every entry, by version."""
        self._is_reported = is_reported
        self._last = ""

    @property
    def last(self) -> str:
        """The type of its newest entry."""
        return self._last

    def add(self, entry: Entry) -> None:
        """Take an entry that was told."""
        self.positions.append(entry.position)
        self._last = entry.type
        if not self._is_reported:
            del self.spells[:-1], self.refusals[:]

    @property
    def state(self) -> str:
        """Where it stands."""
        return self.spells[-1].state if self.spells else ""


class Machine:
    """The machine as the capsule tells it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.labels: dict[str, dict[str, str]] = {each["stage"]: each["labels"] for each in told["stages"]}
        self.needs: dict[str, str] = {each["trigger"]: each["needs"] for each in told["triggers"]}
        self.guards: dict[str, list[str]] = {each["trigger"]: each["guards"] for each in told["triggers"]}
        self.arrows = {
            (each["trigger"], arrow["from"], arrow["to"]) for each in told["triggers"] for arrow in each["arrows"]
        }

    def leads(self, trigger: str, left: str, to: str, came_from: str) -> bool:
        """Whether there is this arrow; back from a separation it leads whence it came, or into the struggle."""
        if trigger == "reconcile" and to not in (came_from, "power_struggle"):
            return False
        return (trigger, left, to) in self.arrows

    def may_force(self, left: str, to: str) -> bool:
        """Whether an arrow leads from one to the other, or back."""
        return any((a, b) in ((left, to), (to, left)) for _, a, b in self.arrows)

    def suffices(self, trigger: str, verdicts: list[dict[str, Any]]) -> bool:
        """Whether verdicts let a trigger pass: any of them, or all."""
        met = [each["met"] is True for each in verdicts]
        return any(met) if self.needs.get(trigger) == "any" else all(met)


class Story:
    """Every partnership of a log, entry after entry."""

    def __init__(self, machine: Machine, reported: Container[str]) -> None:
        self.paths: dict[str, Path] = {}
        self.policies: dict[int, dict[str, Any]] = {}
        self._machine = machine
        self._reported = reported
        self._policy = 0
        self._overrides: dict[str, str] = {}

    def take(self, entry: Entry) -> list[Finding]:
        """What does not hold together about the next entry."""
        found: list[Finding] = []
        if entry.type == "policy.adopted":
            self._policy = entry.data["version"]
            self.policies[self._policy] = entry.data["policy"]
        if entry.stream.startswith(PREFIX):
            identifier = entry.stream[len(PREFIX) :]
            path = self.paths.get(identifier)
            if path is None:
                path = self.paths[identifier] = Path(identifier, is_reported=identifier in self._reported)
            found = [Finding(entry.position, *each, entry.stream) for each in self._tell(path, entry)]
            path.add(entry)
        return found

    def _tell(self, path: Path, entry: Entry) -> list[tuple[str, str, str]]:
        if entry.type == "partnership.opened":
            path.client, path.partner = entry.data["client"], entry.data["partner"]
            path.spells.append(Spell(HONEYMOON, entry, entry.position))
        elif entry.type == "override.requested":
            self._overrides[entry.data["override"]] = entry.actor
        elif entry.type == "override.approved":
            asked = self._overrides.get(entry.data["override"])
            if asked in (None, entry.actor):
                return [("override", "a request of another actor", str(asked))]
        elif entry.type == "stage.entered":
            return self._enter(path, entry)
        elif entry.type == "transition.refused":
            path.refusals.append(entry)
            return self._refused(path, entry)
        else:
            path.facts += 1
        return []

    def _enter(self, path: Path, entry: Entry) -> list[tuple[str, str, str]]:
        data = entry.data
        to = data["stage"] + (f".{data['outcome']}" if data.get("outcome") else "")
        found = self._differences(path, entry, to)
        known = len(path.positions)
        if 0 < data["cause"] <= known:
            path.spells.append(Spell(to, entry, path.positions[data["cause"] - 1]))
        else:
            path.spells.append(Spell(to, entry, entry.position))
            found.append(("cause", f"a version from 1 to {known}", str(data["cause"])))
        if to.endswith(".separating"):
            path.came_from = data["left"]
        return found

    def _differences(self, path: Path, entry: Entry, to: str) -> list[tuple[str, str, str]]:
        data, left = entry.data, path.state
        if not path.spells:
            return [("opened", "a partnership that was opened", "none")]
        found = []
        if data["left"] != left:
            found.append(("left", left, data["left"]))
        entered_at = path.spells[-1].entry.occurred_at
        if entry.occurred_at < entered_at:
            found.append(("occurred_at", f"{entered_at} or later", str(entry.occurred_at)))
        if data.get("forced"):
            found += self._forced(path, left, to)
        elif not self._machine.leads(data["trigger"], left, to, path.came_from):
            found.append(("arrow", f"an arrow from {left}", f"{data['trigger']} to {to}"))
        elif not self._machine.suffices(data["trigger"], data["guards"]):
            found.append(("verdicts", f"enough for {data['trigger']}", _told(data["guards"])))
        if not data.get("forced"):
            found += self._decided(entry)
        return found

    def _forced(self, path: Path, left: str, to: str) -> list[tuple[str, str, str]]:
        found = []
        if path.last != "override.approved":
            found.append(("forced", "an approval just before", path.last))
        if not self._machine.may_force(left, to):
            found.append(("forced", f"a state beside {left}", to))
        return found

    def _refused(self, path: Path, entry: Entry) -> list[tuple[str, str, str]]:
        data = entry.data
        found = [] if path.spells else [("opened", "a partnership that was opened", "none")]
        if self._machine.suffices(data["trigger"], data["guards"]):
            found.append(("verdicts", f"too little for {data['trigger']}", _told(data["guards"])))
        return found + self._decided(entry)

    def _decided(self, entry: Entry) -> list[tuple[str, str, str]]:
        """What every decision tells: its policy, all guards of its trigger, evidence that was there already."""
        data, found = entry.data, []
        if data["policy"] != self._policy:
            found.append(("policy", str(self._policy), str(data["policy"])))
        guards = self._guards(data["trigger"])
        told = [each["code"] for each in data["guards"]]
        if guards is not None and told != guards:
            found.append(("guards", ", ".join(guards), ", ".join(told)))
        seen = [each for verdict in data["guards"] for each in verdict["evidence"]]
        if not all(0 < each < entry.version for each in [*seen, data["decided_on"]]):
            found.append(("evidence", f"versions from 1 to {entry.version - 1}", str(max(seen, default=0))))
        return found

    def _guards(self, trigger: str) -> Optional[list[str]]:  # noqa: UP045  # read by Pythons before 3.10 too
        policy = self.policies.get(self._policy)
        found: Optional[list[str]] = (policy["guards"] if policy else self._machine.guards).get(trigger)  # noqa: UP045
        return found


def _told(verdicts: list[dict[str, Any]]) -> str:
    return ", ".join(f"{each['code']} {'met' if each['met'] else 'not met'}" for each in verdicts) or "none"
