"""The state of a partnership, and how each fact changes it.

Everything but the spells is a function of the set of facts, whatever their order of arrival: what came in is kept
sorted by `occurred_at`. Values are frozen and only the containers change, so `copy` is shallow and cheap. The state is
bounded: of what repeats without end only the newest is kept, and tallies of the rest.
"""

import copy as copying
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from domain import events as e
from domain.machine import HONEYMOON, SEPARATED, SEPARATING, name
from domain.types import Ending, Side, Stage, midnight, parse_month, person

FOLD = 1
"""The version of this folding code; snapshots of another version are thrown away."""

KEPT_MOMENTS = 200
KEPT_MEASURES = 50
KEPT_MEETINGS = 600
KEPT_MONTHS = 240
KEPT_CLOSED = 1_000


class Seen(NamedTuple):
    """When something was true, and the version of the event that says so; sorts by time, then by arrival."""

    at: datetime
    version: int


class Measure(NamedTuple):
    """A measured or revised value of a promise."""

    at: datetime
    version: int
    value: float
    revised: bool


class Promise(Struct, frozen=True):
    """A promise with its measures; `made` is absent while only measures have arrived (unmatched)."""

    made: Seen | None = None
    side: Side = "partner"
    kind: e.PromiseKind = "other"
    promised: float = 0.0
    unit: str = ""
    due_on: date | None = None
    measures: tuple[Measure, ...] = ()
    units: tuple[str, ...] = ()
    opening: int = 0


class Matter(Struct, frozen=True):
    """Something with an opening and an end; either may arrive first. `opening` fingerprints what opened it."""

    opened: Seen | None = None
    closed: Seen | None = None
    own_parts: tuple[Side, ...] = ()
    failed: bool = False
    opening: int = 0


class Invoice(Struct, frozen=True):
    """An invoice and its payment; either may arrive first."""

    issued: Seen | None = None
    amount: int = 0
    currency: str = ""
    due_on: date | None = None
    paid: Seen | None = None
    paid_on: date | None = None
    overdue: Seen | None = None
    opening: int = 0


class Incident(Struct, frozen=True):
    """An incident; `last` is its newest resolution or reopening."""

    raised: Seen | None = None
    priority: int = 5
    last: Seen | None = None
    resolved: bool = False
    opening: int = 0


class Term(NamedTuple):
    """What was said about an SLA."""

    at: datetime
    version: int
    how: Literal["negotiated", "imposed", "withdrawn"]
    target: float


class SlaMonth(NamedTuple):
    """A month's attainment: `met` of `total`."""

    month: int
    at: datetime
    version: int
    met: int
    total: int


class Sla(Struct, frozen=True):
    """An SLA's terms and its measured months, both in order."""

    terms: tuple[Term, ...] = ()
    months: tuple[SlaMonth, ...] = ()


class Meeting(NamedTuple):
    """A meeting that was held, or missed, on a day."""

    at: datetime
    version: int
    day: date
    held: bool


class Cadence(NamedTuple):
    """An agreed rhythm of meetings."""

    at: datetime
    version: int
    every_days: int


class Reality(NamedTuple):
    """A reality that came to light."""

    at: datetime
    version: int
    about: str
    rework_share: float
    concealed: bool


class Budget(NamedTuple):
    """A renegotiated budget."""

    at: datetime
    version: int
    amount: int
    currency: str


class Spell(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stay in a state, from its `stage.entered` (or the opening)."""

    state: str
    entered_at: datetime
    version: int
    trigger: str | None = None
    cause: int
    policy: int | None = None
    forced: bool = False


class Separation(Struct, frozen=True):
    """The separation that was decided last."""

    at: datetime
    version: int
    reason: e.SeparationReason
    side: Side


class Override(Struct, frozen=True):
    """A forced transition that waits for its second actor."""

    to: str
    by: str
    version: int
    reason: Any


class Refusal(Struct, frozen=True):
    """The last refusal of a trigger."""

    version: int
    decided_at: datetime
    guards: tuple[e.Verdict, ...]


class Partnership(Struct):
    """A folded partnership; mutable inside the fold, treated as frozen by everyone else."""

    version: int = 0
    etag: int = 0
    client: str = ""
    partner: str = ""
    critical: bool = False
    observed_since: date | None = None
    opened: Seen | None = None
    latest: datetime | None = None
    state: str = HONEYMOON
    since: datetime | None = None
    spells: list[Spell] = field(default_factory=list)
    came_from: str | None = None
    separation: Separation | None = None
    separated_from: Stage | None = None
    ending: Ending | None = None
    respectful: bool | None = None

    promises: dict[str, Promise] = field(default_factory=dict)
    matters: dict[str, dict[str, Matter]] = field(default_factory=dict)
    invoices: dict[str, Invoice] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    slas: dict[str, Sla] = field(default_factory=dict)
    meetings: dict[str, tuple[Meeting, ...]] = field(default_factory=dict)
    cadences: dict[str, tuple[Cadence, ...]] = field(default_factory=dict)
    realities: tuple[Reality, ...] = ()
    budgets: tuple[Budget, ...] = ()
    moments: dict[str, tuple[Seen, ...]] = field(default_factory=dict)
    contacts: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    colours: dict[int, tuple[int, int, int, int, int]] = field(default_factory=dict)
    punctuality: dict[int, tuple[tuple[str, int, int], ...]] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    overrides: dict[str, Override] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    reassessed: tuple[e.PathSpell, ...] = ()

    @property
    def stage(self) -> Stage:
        """The authoritative stage."""
        return self.state.partition(".")[0]  # type: ignore[return-value]  # states come from the machine

    @property
    def outcome(self) -> str | None:
        """What the fifth stage came to; None in the other four."""
        return self.state.partition(".")[2] or None

    @property
    def entered(self) -> datetime:
        """When the current spell began."""
        if self.since is None:
            message = "A partnership that was never opened has no stage."
            raise ValueError(message)
        return self.since

    @property
    def newest(self) -> datetime:
        """The newest instant that any recorded event speaks of."""
        return self.latest or self.entered

    @property
    def first_spell(self) -> bool:
        """Whether the opening's honeymoon is still on: no earlier spell has answered any fact."""
        return len(self.spells) <= 1


def copy(state: Partnership) -> Partnership:
    """A state that can be evolved without touching the given one."""
    fresh = copying.copy(state)
    for each in _CONTAINERS:
        setattr(fresh, each, getattr(state, each).copy())
    fresh.matters = {kind: dict(known) for kind, known in state.matters.items()}
    return fresh


_CONTAINERS = tuple(
    each for each, value in ((f, getattr(Partnership(), f)) for f in Partnership.__struct_fields__)
    if isinstance(value, (dict, list))
)  # fmt: skip


T = TypeVar("T", bound=tuple[Any, ...])


def sorted_in(known: tuple[T, ...], item: T, most: int) -> tuple[T, ...]:
    """The sorted tuple with one more item, at most so many: the oldest goes, but never the very first."""
    if not known or known[-1] <= item:
        grown = (*known, item)
    else:
        at = bisect_left(known, item)
        grown = (*known[:at], item, *known[at:])
    return grown if len(grown) <= most else (grown[0], *grown[2:])


def between(known: Iterable[Any], start: datetime, end: datetime) -> list[Any]:
    """The items dated from start to end, both included."""
    return [each for each in known if start <= each.at <= end]


# --- evolving ----------------------------------------------------------------------------------------------------

Evolve = Callable[[Partnership, Any, Seen], None]
_EVOLVE: dict[type[e.Event], Evolve] = {}


def _evolves(*kinds: type[e.Event]) -> Callable[[Evolve], Evolve]:
    def register(function: Evolve) -> Evolve:
        _EVOLVE.update(dict.fromkeys(kinds, function))
        return function

    return register


@_evolves(e.PartnershipOpened)
def _opened(state: Partnership, fact: e.PartnershipOpened, seen: Seen) -> None:
    state.client, state.partner, state.critical = fact.client, fact.partner, fact.critical
    state.observed_since = fact.observed_since
    state.opened, state.since, state.state = seen, seen.at, HONEYMOON
    state.spells.append(Spell(state=HONEYMOON, entered_at=seen.at, version=seen.version, cause=seen.version))


@_evolves(e.StageEntered)
def _entered(state: Partnership, fact: e.StageEntered, seen: Seen) -> None:
    here = name(fact.stage, fact.outcome)
    if here == SEPARATING and state.state != SEPARATED:
        state.came_from = state.state
    state.state, state.since = here, seen.at
    state.ending, state.respectful, state.separated_from = fact.ending, fact.respectful, fact.separated_from
    state.spells.append(
        Spell(
            state=here, entered_at=seen.at, version=seen.version, trigger=fact.trigger, cause=fact.cause,
            policy=fact.policy, forced=bool(fact.forced),
        )
    )  # fmt: skip


@_evolves(e.TransitionRefused)
def _refused(state: Partnership, fact: e.TransitionRefused, seen: Seen) -> None:
    state.refusals[fact.trigger] = Refusal(seen.version, seen.at, fact.guards)


@_evolves(e.StageReassessed)
def _reassessed(state: Partnership, fact: e.StageReassessed, seen: Seen) -> None:
    state.reassessed = fact.otherwise


@_evolves(e.PromiseMade)
def _promise_made(state: Partnership, fact: e.PromiseMade, seen: Seen) -> None:
    known = state.promises.get(fact.promise) or Promise()
    state.promises[fact.promise] = replace(
        known, made=seen, side=fact.side, kind=fact.kind, promised=fact.promised, unit=fact.unit, due_on=fact.due_on,
        opening=fingerprint(fact),
    )  # fmt: skip


@_evolves(e.PromiseRevised, e.PromiseMeasured)
def _promise_measured(state: Partnership, fact: e.PromiseRevised | e.PromiseMeasured, seen: Seen) -> None:
    known = state.promises.get(fact.promise) or Promise()
    revised = isinstance(fact, e.PromiseRevised)
    value = fact.promised if isinstance(fact, e.PromiseRevised) else fact.actual
    units = known.units if fact.unit is None or fact.unit in known.units else (*known.units, fact.unit)
    measures = sorted_in(known.measures, Measure(seen.at, seen.version, value, revised), KEPT_MEASURES)
    state.promises[fact.promise] = replace(known, measures=measures, units=units)


@_evolves(e.RealityDiscovered)
def _reality(state: Partnership, fact: e.RealityDiscovered, seen: Seen) -> None:
    reality = Reality(*seen, fact.about, fact.rework_share or 0.0, fact.concealed)
    state.realities = sorted_in(state.realities, reality, KEPT_MOMENTS)


@_evolves(e.BudgetRenegotiated)
def _budget(state: Partnership, fact: e.BudgetRenegotiated, seen: Seen) -> None:
    _moment(state, fact.type, seen)
    state.budgets = sorted_in(state.budgets, Budget(*seen, fact.amount, fact.currency), KEPT_MOMENTS)


def _moment(state: Partnership, key: str, seen: Seen) -> None:
    state.moments[key] = sorted_in(state.moments.get(key, ()), seen, KEPT_MOMENTS)


@_evolves(
    e.TerminationThreatened, e.ThreatWithdrawn, e.ConstraintAcknowledged, e.SelfReviewRecorded, e.KnowledgeMapped,
    e.CommitmentFormalised, e.ReferenceGranted, e.ReferenceWithdrawn,
)  # fmt: skip
def _moment_of_a_side(state: Partnership, fact: Any, seen: Seen) -> None:
    _moment(state, f"{fact.type}/{fact.side}", seen)


@_evolves(
    e.PrioritiesAgreed, e.TradeoffDecided, e.TestimonyGiven, e.ExitPlanRecorded, e.ContractSigned, e.ContractRenewed,
    e.CultureAgreed, e.ReadjustmentPlanned, e.MirrorReviewed,
)  # fmt: skip
def _plain_moment(state: Partnership, fact: Any, seen: Seen) -> None:
    _moment(state, fact.type, seen)
    if isinstance(fact, e.ContractSigned):
        _matter_opened(state, "contract", fact.contract, seen, fingerprint(fact) if fact.type == "contract.signed" else 0)
        _moment(state, "contract/start", Seen(min(seen.at, midnight(fact.starts_on)), seen.version))


@_evolves(e.InnovationDelivered)
def _innovation(state: Partnership, fact: e.InnovationDelivered, seen: Seen) -> None:
    _moment(state, f"{fact.type}/{'joint' if fact.joint else 'alone'}", seen)


@_evolves(e.HandoverCompleted)
def _handover(state: Partnership, fact: e.HandoverCompleted, seen: Seen) -> None:
    _moment(state, f"{fact.type}/{fact.step}", seen)


@_evolves(e.SeparationDecided)
def _separation(state: Partnership, fact: e.SeparationDecided, seen: Seen) -> None:
    state.separation = Separation(*seen, fact.reason, fact.side)


@_evolves(e.OverrideRequested)
def _override(state: Partnership, fact: e.OverrideRequested, seen: Seen) -> None:
    state.overrides[fact.override] = Override(fact.to, fact.by, seen.version, fact.reason)


@_evolves(e.OverrideApproved)
def _override_done(state: Partnership, fact: e.OverrideApproved, seen: Seen) -> None:
    state.overrides.pop(fact.override, None)


@_evolves(e.LinkAdded)
def _linked(state: Partnership, fact: e.LinkAdded, seen: Seen) -> None:
    state.links[link_key(fact.system, fact.kind, fact.external_id)] = seen.version


@_evolves(e.LinkRemoved)
def _unlinked(state: Partnership, fact: e.LinkRemoved, seen: Seen) -> None:
    state.links.pop(link_key(fact.system, fact.kind, fact.external_id), None)


def link_key(system: str, kind: str, external_id: str) -> str:
    """A link as one string; the parts cannot hold the separator."""
    return "\x1f".join((system, kind, external_id))


# --- matters: opened once, closed later, in any order --------------------------------------------------------------

OPENS: dict[type[e.Event], tuple[str, str]] = {
    e.DisputeOpened: ("dispute", "dispute"),
    e.CrisisOpened: ("crisis", "crisis"),
    e.AdviceGiven: ("advice", "advice"),
    e.DemandRaised: ("demand", "demand"),
    e.ExpertTimeRequested: ("request", "request"),
    e.ChangePrepared: ("change", "change"),
}
CLOSES: dict[type[e.Event], tuple[str, str]] = {
    e.DisputeSettled: ("dispute", "dispute"),
    e.CrisisOvercome: ("crisis", "crisis"),
    e.CrisisFailed: ("crisis", "crisis"),
    e.AdviceAnswered: ("advice", "advice"),
    e.DemandRefused: ("demand", "demand"),
    e.ExpertTimeGranted: ("request", "request"),
}


def _matter_opened(state: Partnership, kind: str, key: str, seen: Seen, opening: int) -> None:
    known = state.matters.setdefault(kind, {}).get(key) or Matter()
    if opening or known.opened is None:
        state.matters[kind][key] = replace(known, opened=seen, opening=opening or known.opening)


@_evolves(*OPENS)
def _opens(state: Partnership, fact: Any, seen: Seen) -> None:
    kind, key = OPENS[type(fact)]
    _matter_opened(state, kind, getattr(fact, key), seen, fingerprint(fact))


@_evolves(*CLOSES)
def _closes(state: Partnership, fact: Any, seen: Seen) -> None:
    kind, key = CLOSES[type(fact)]
    known = state.matters.setdefault(kind, {}).get(getattr(fact, key)) or Matter()
    if known.closed is None or known.closed < seen:
        own_parts = tuple(getattr(fact, "own_parts", ()))
        closed = replace(known, closed=seen, own_parts=own_parts, failed=isinstance(fact, e.CrisisFailed))
        state.matters[kind][getattr(fact, key)] = closed


@_evolves(e.ContractAmended, e.ContractNoticeGiven)
def _contract_named(state: Partnership, fact: Any, seen: Seen) -> None:
    known = state.matters.setdefault("contract", {})
    known.setdefault(fact.contract, Matter())
    if isinstance(fact, e.ContractNoticeGiven):
        known[fact.contract] = replace(known[fact.contract], closed=seen)


# --- the daily run -------------------------------------------------------------------------------------------------


@_evolves(e.InvoiceIssued)
def _issued(state: Partnership, fact: e.InvoiceIssued, seen: Seen) -> None:
    known = state.invoices.get(fact.invoice) or Invoice()
    state.invoices[fact.invoice] = replace(
        known, issued=seen, amount=fact.amount, currency=fact.currency, due_on=fact.due_on, opening=fingerprint(fact)
    )
    _forget_invoices(state)


@_evolves(e.InvoicePaid)
def _paid(state: Partnership, fact: e.InvoicePaid, seen: Seen) -> None:
    known = state.invoices.get(fact.invoice) or Invoice()
    if known.paid is None or seen < known.paid:
        state.invoices[fact.invoice] = replace(known, paid=seen, paid_on=fact.paid_on)
        _forget_invoices(state)


@_evolves(e.InvoiceOverdue)
def _overdue(state: Partnership, fact: e.InvoiceOverdue, seen: Seen) -> None:
    known = state.invoices.get(fact.invoice) or Invoice()
    if known.overdue is None or seen < known.overdue:
        state.invoices[fact.invoice] = replace(known, overdue=seen)


def due_day(invoice: Invoice, payment_days: int = 30, at_most: int = 60) -> date:
    """The day an invoice falls due: the contract's, else 30 days after issue, never later than 60 (L441-10)."""
    if invoice.issued is None:
        message = "An invoice that was never issued has no due day."
        raise ValueError(message)
    issued = invoice.issued.at.date()
    return min(invoice.due_on or issued + timedelta(days=payment_days), issued + timedelta(days=at_most))


def _forget_invoices(state: Partnership) -> None:
    """Keep the newest settled invoices whole and the older ones as tallies a day and currency: (punctual, late)."""
    if len(state.invoices) <= 2 * KEPT_CLOSED:
        return
    settled = [key for key, invoice in state.invoices.items() if invoice.issued and invoice.paid_on]
    for key in settled[:-KEPT_CLOSED]:
        invoice = state.invoices.pop(key)
        due = due_day(invoice)
        late = invoice.paid_on is not None and invoice.paid_on > due
        row = (invoice.currency, 0 if late else invoice.amount, invoice.amount if late else 0)
        state.punctuality[due.toordinal()] = (*state.punctuality.get(due.toordinal(), ()), row)


@_evolves(e.IncidentRaised)
def _raised(state: Partnership, fact: e.IncidentRaised, seen: Seen) -> None:
    known = state.incidents.get(fact.incident) or Incident()
    state.incidents[fact.incident] = replace(known, raised=seen, priority=fact.priority, opening=fingerprint(fact))
    _forget_incidents(state)


@_evolves(e.IncidentResolved, e.IncidentReopened)
def _incident_moved(state: Partnership, fact: Any, seen: Seen) -> None:
    known = state.incidents.get(fact.incident) or Incident()
    if known.last is None or known.last <= seen:
        moved = replace(known, last=seen, resolved=isinstance(fact, e.IncidentResolved))
        state.incidents[fact.incident] = moved
        _forget_incidents(state)


def _forget_incidents(state: Partnership) -> None:
    if len(state.incidents) > 2 * KEPT_CLOSED:
        done = [key for key, incident in state.incidents.items() if incident.raised and incident.resolved]
        for key in done[:-KEPT_CLOSED]:
            del state.incidents[key]


@_evolves(e.SlaNegotiated, e.SlaImposed, e.SlaWithdrawn)
def _sla_said(state: Partnership, fact: Any, seen: Seen) -> None:
    known = state.slas.get(fact.sla) or Sla()
    term = Term(*seen, fact.type.partition(".")[2], getattr(fact, "target", 0.0))
    state.slas[fact.sla] = replace(known, terms=sorted_in(known.terms, term, KEPT_MOMENTS))


@_evolves(e.SlaMeasured)
def _sla_measured(state: Partnership, fact: e.SlaMeasured, seen: Seen) -> None:
    known = state.slas.get(fact.sla) or Sla()
    measured = SlaMonth(parse_month(fact.month), *seen, fact.met, fact.total)
    others = tuple(each for each in known.months if each.month != measured.month)
    same = [each for each in known.months if each.month == measured.month and each > measured]
    state.slas[fact.sla] = replace(known, months=sorted_in(others, same[0] if same else measured, KEPT_MONTHS))


@_evolves(e.CadenceAgreed)
def _cadence(state: Partnership, fact: e.CadenceAgreed, seen: Seen) -> None:
    known = state.cadences.get(fact.level, ())
    state.cadences[fact.level] = sorted_in(known, Cadence(*seen, fact.every_days), KEPT_MOMENTS)


@_evolves(e.MeetingHeld, e.MeetingMissed)
def _meeting(state: Partnership, fact: e.MeetingHeld | e.MeetingMissed, seen: Seen) -> None:
    held = isinstance(fact, e.MeetingHeld)
    day = fact.on_date if isinstance(fact, e.MeetingHeld) else fact.due_on
    meetings = sorted_in(state.meetings.get(fact.level, ()), Meeting(*seen, day, held), KEPT_MEETINGS)
    state.meetings[fact.level] = meetings


@_evolves(e.ContactDesignated, e.ContactTrained, e.ContactRemoved)
def _contact(state: Partnership, fact: Any, seen: Seen) -> None:
    key = f"{fact.side}/{person(fact.person)}"
    known = state.contacts.get(key)
    if known is None or known[0] <= seen.at:
        state.contacts[key] = (seen.at, not isinstance(fact, e.ContactRemoved))


@_evolves(
    e.ImperfectionAccepted, e.ProcessDocumented, e.HoursInvested, e.KnowledgeTransferred, e.PulseAnswered,
    e.LeadershipChanged, e.PartyAcquired, e.TechnologyRetired, e.StrategyChanged, e.SeparationRevoked, e.FactRetracted,
    e.PolicyAdopted, e.KeyCreated, e.KeyRotated, e.KeyRevoked, e.SourceCreated, e.SourceChanged,
    e.SourceSecretsRotated, e.SourceRemoved, e.ConnectorAdded, e.ConnectorRemoved, e.SubscriptionCreated,
    e.SubscriptionChanged, e.SubscriptionRemoved, e.PersonErased, e.LogForked, e.LogKeyAdded,
)  # fmt: skip
def _only_coloured(state: Partnership, fact: Any, seen: Seen) -> None:
    """What moves no guard: it counts by its colour and is kept by the log."""


def fingerprint(fact: e.Event) -> int:
    """A number for what an opening says, personal values aside, to tell a repetition from a contradiction."""
    plain = tuple(
        (each, value)
        for each in fact.__struct_fields__
        if each not in ("text", "subject") and (value := getattr(fact, each)) is not None
    )
    return int.from_bytes(blake2b(repr((fact.type, plain)).encode(), digest_size=6).digest()) | 1


# --- colours -------------------------------------------------------------------------------------------------------

COLOURS: dict[str, int] = {
    **dict.fromkeys(("partnership.opened", "contract.signed", "promise.made"), 1),
    **dict.fromkeys(
        ("contract.notice_given", "promise.revised", "reality.discovered", "demand.raised", "demand.refused",
         "termination.threatened", "threat.withdrawn", "dispute.opened", "sla.imposed", "crisis.opened",
         "crisis.failed"), 2,
    ),
    **dict.fromkeys(
        ("dispute.settled", "readjustment.planned", "imperfection.accepted", "constraint.acknowledged",
         "budget.renegotiated", "priorities.agreed", "tradeoff.decided", "self_review.recorded", "contact.designated",
         "contact.trained", "contact.removed", "process.documented", "change.prepared", "expert_time.requested",
         "expert_time.granted", "hours.invested", "sla.negotiated", "culture.agreed", "cadence.agreed",
         "advice.answered"), 3,
    ),
    **dict.fromkeys(
        ("contract.renewed", "knowledge.transferred", "crisis.overcome", "knowledge.mapped", "commitment.formalised",
         "innovation.delivered", "mirror.reviewed"), 4,
    ),
    **dict.fromkeys(("testimony.given", "reference.granted", "separation.decided", "handover.completed"), 5),
}  # fmt: skip
"""Type -> stage number (DOMAIN 3, last column); `promise.measured` takes its colour from its promise (measures.py)."""

_NO_COLOURS = (0, 0, 0, 0, 0)
_COLOURED = {kind: COLOURS[kind.type] - 1 for kind in e.ALL.values() if kind.type in COLOURS}
_QUIET = (e.TransitionRefused, e.MeetingMissed, e.InvoiceOverdue, e.StageReassessed)


def evolve(state: Partnership, happened: e.Happened) -> None:
    """Take one recorded event into the state. Total: every event of every type has its place."""
    kind = type(happened.data)
    seen = Seen(happened.occurred_at, happened.version)
    state.version = happened.version
    if kind not in _QUIET:
        state.etag = happened.version
    if state.latest is None or state.latest < seen.at:
        state.latest = seen.at
    _EVOLVE[kind](state, happened.data, seen)
    colour = _COLOURED.get(kind)
    if colour is not None:
        day = seen.at.toordinal()
        counts = state.colours.get(day, _NO_COLOURS)
        state.colours[day] = (*counts[:colour], counts[colour] + 1, *counts[colour + 1 :])  # type: ignore[assignment]


def fold(history: Sequence[e.Happened], state: Partnership | None = None) -> Partnership:
    """The state after a history; what a `fact.retracted` names is left out.

    With a state to start from, the history must not retract anything that the state already holds.
    """
    state = Partnership() if state is None else copy(state)
    retracted = {each.data.event for each in history if type(each.data) is e.FactRetracted}
    for each in history:
        if each.id not in retracted:
            evolve(state, each)
        else:
            state.version = each.version
    return state


_missing = set(e.ALL.values()) - set(_EVOLVE)
if _missing:
    message = f"evolve has no branch for {', '.join(sorted(kind.type for kind in _missing))}."
    raise TypeError(message)
