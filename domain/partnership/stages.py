"""How the system's own events change the state: stages, refusals, reassessments, overrides, links."""

from domain import events as e
from domain.machine import HONEYMOON, SEPARATED, SEPARATING, name
from domain.partnership.evolving import evolves, rule
from domain.partnership.state import Partnership
from domain.partnership.values import Override, Refusal, Seen, Separation, Spell, link_key


@evolves(e.PartnershipOpened, changes=("spells",))
def _opened(state: Partnership, fact: e.PartnershipOpened, seen: Seen) -> None:
    state.client, state.partner, state.critical = fact.client, fact.partner, fact.critical
    state.observed_since = fact.observed_since
    state.opened, state.since, state.state = seen, seen.at, HONEYMOON
    state.spells.append(Spell(state=HONEYMOON, entered_at=seen.at, version=seen.version, cause=seen.version))


@evolves(e.StageEntered, changes=("spells",))
def _entered(state: Partnership, fact: e.StageEntered, seen: Seen) -> None:
    here = name(fact.stage, fact.outcome)
    if here == SEPARATING and state.state != SEPARATED:
        state.came_from = state.state
    if here not in (SEPARATING, SEPARATED):
        # A separation that was taken back, or forced back, says nothing about the next one.
        state.separation = None
    state.state, state.since = here, seen.at
    state.ending, state.respectful, state.separated_from = fact.ending, fact.respectful, fact.separated_from
    state.spells.append(
        Spell(
            state=here, entered_at=seen.at, version=seen.version, trigger=fact.trigger, cause=fact.cause,
            policy=fact.policy, forced=bool(fact.forced),
        )
    )  # fmt: skip


@evolves(e.TransitionRefused, changes=("refusals",))
def _refused(state: Partnership, fact: e.TransitionRefused, seen: Seen) -> None:
    state.refusals[fact.trigger] = Refusal(seen.version, seen.at, fact.guards)


@evolves(e.StageReassessed)
def _reassessed(state: Partnership, fact: e.StageReassessed, _seen: Seen) -> None:
    state.reassessed = fact.otherwise


@evolves(e.SeparationDecided)
def _separation(state: Partnership, fact: e.SeparationDecided, seen: Seen) -> None:
    state.separation = Separation(seen.at, seen.version, fact.reason, fact.side)


@evolves(e.OverrideRequested, changes=("overrides",))
def _override(state: Partnership, fact: e.OverrideRequested, seen: Seen) -> None:
    state.overrides[fact.override] = Override(fact.to, fact.by, seen.version, fact.reason)


@evolves(e.OverrideApproved, changes=("overrides",))
def _override_done(state: Partnership, fact: e.OverrideApproved, _seen: Seen) -> None:
    state.overrides.pop(fact.override, None)


@evolves(e.LinkAdded, changes=("links",))
def _linked(state: Partnership, fact: e.LinkAdded, seen: Seen) -> None:
    state.links[link_key(fact.system, fact.kind, fact.external_id)] = seen.version


@evolves(e.LinkRemoved, changes=("links",))
def _unlinked(state: Partnership, fact: e.LinkRemoved, _seen: Seen) -> None:
    state.links.pop(link_key(fact.system, fact.kind, fact.external_id), None)


for _kind in (
    e.SeparationRevoked, e.FactRetracted, e.PolicyAdopted, e.KeyCreated, e.KeyChanged, e.KeyLimited, e.KeyRotated, e.KeyRevoked,
    e.SourceCreated, e.SourceChanged, e.SourceSecretsRotated, e.SourceWatched, e.SourceRemoved, e.ConnectorAdded,
    e.ConnectorRemoved, e.SubscriptionCreated, e.SubscriptionChanged, e.SubscriptionRemoved, e.PersonErased, e.TextErased,
    e.LogForked, e.LogKeyAdded,
):  # fmt: skip
    rule(_kind, None)
