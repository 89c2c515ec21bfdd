"""How matters change the state: opened once, closed later, in any order of arrival."""

from msgspec.structs import replace

from domain import events as e
from domain.partnership.evolving import evolves
from domain.partnership.state import Partnership
from domain.partnership.values import KEPT_CLOSED, Matter, Seen, fingerprint
from domain.types import midnight

MATTERS = {
    "contract": "contracts",
    "dispute": "disputes",
    "crisis": "crises",
    "advice": "advice",
    "demand": "demands",
    "request": "requests",
    "change": "changes",
}
"""Kind -> the container of the state that keeps it; the kind is also the field that names it in a fact."""

OPENS: dict[type[e.Event], str] = {
    e.ContractSigned: "contract",
    e.DisputeOpened: "dispute",
    e.CrisisOpened: "crisis",
    e.AdviceGiven: "advice",
    e.DemandRaised: "demand",
    e.ExpertTimeRequested: "request",
    e.ChangePrepared: "change",
}
CLOSES: dict[type[e.Event], str] = {
    e.DisputeSettled: "dispute",
    e.CrisisOvercome: "crisis",
    e.CrisisFailed: "crisis",
    e.AdviceAnswered: "advice",
    e.DemandRefused: "demand",
    e.ExpertTimeGranted: "request",
}
_NONE = Matter()
FORGOTTEN = ("advice", "demand", "request")
"""Kinds that no guard asks about: of the closed ones only the newest are kept."""


def matters(state: Partnership, kind: str) -> dict[str, Matter]:
    """The matters of a kind by their ids."""
    known: dict[str, Matter] = getattr(state, MATTERS[kind])
    return known


def _opens(state: Partnership, fact: e.Event, seen: Seen) -> None:
    kind = OPENS[type(fact)]
    known, key = matters(state, kind), getattr(fact, kind)
    known[key] = replace(known.get(key, _NONE), opened=seen, opening=fingerprint(fact))


def _closes(state: Partnership, fact: e.Event, seen: Seen) -> None:
    kind = CLOSES[type(fact)]
    known, key = matters(state, kind), getattr(fact, kind)
    matter = known.get(key, _NONE)
    if matter.closed is None or matter.closed < seen:
        own_parts = fact.own_parts if isinstance(fact, (e.DisputeSettled, e.CrisisOvercome)) else ()
        known[key] = replace(matter, closed=seen, own_parts=own_parts, failed=type(fact) is e.CrisisFailed)
        if len(known) > 2 * KEPT_CLOSED and kind in FORGOTTEN:
            _forget(known)


def _forget(known: dict[str, Matter]) -> None:
    closed = [(matter.closed, key) for key, matter in known.items() if matter.opened and matter.closed]
    for _, key in sorted(closed)[:-KEPT_CLOSED]:
        del known[key]


for _kind, _matter in OPENS.items():
    if _kind is not e.ContractSigned:
        evolves(_kind, changes=(MATTERS[_matter],))(_opens)
for _kind, _matter in CLOSES.items():
    evolves(_kind, changes=(MATTERS[_matter],))(_closes)


def contract_seen(state: Partnership, fact: e.ContractSigned, seen: Seen) -> Seen:
    """Keep a contract that was signed or renewed; answers when it began, for a renewal proves that there was one."""
    known = state.contracts.get(fact.contract) or Matter()
    if not isinstance(fact, e.ContractRenewed):
        state.contracts[fact.contract] = replace(known, opened=seen, opening=fingerprint(fact))
    elif not known.opening and (known.opened is None or seen < known.opened):
        state.contracts[fact.contract] = replace(known, opened=seen)
    return Seen(min(seen.at, midnight(fact.starts_on)), seen.version)


@evolves(e.ContractAmended, changes=("contracts",))
def _amended(state: Partnership, fact: e.ContractAmended, _seen: Seen) -> None:
    state.contracts.setdefault(fact.contract, Matter())


@evolves(e.ContractNoticeGiven, changes=("contracts",))
def _notice(state: Partnership, fact: e.ContractNoticeGiven, seen: Seen) -> None:
    known = state.contracts.get(fact.contract) or Matter()
    if known.closed is None or known.closed < seen:
        state.contracts[fact.contract] = replace(known, closed=seen)
