"""What only years bring: the guards of `mature` (its cadence stands with those of `commit`)."""

from domain import events as e
from domain.guards.case import Case, Finding, guard, moments, unmet
from domain.types import SIDES, months_before, whole_days


@guard(
    "Wait: the first contract must be three years old.",
    "Patientez : le premier contrat doit avoir trois ans.",
    reads=(e.ContractSigned, e.ContractRenewed),
)
def partnership_age(case: Case) -> Finding:
    """At least 3 years since the first contract."""
    years = case.policy.partnership_years
    contracts = moments(case, "contract/start")
    if not contracts:
        return unmet("no contract signed", f"{years} years")
    first = contracts[0]
    old = months_before(first.at, -12 * years) <= case.now
    return Finding(old, f"{whole_days(first.at, case.now)} days", f"{years} years", (first,))


@guard(
    "Wait: twelve months in commitment are needed.",
    "Patientez : douze mois d'engagement sont nécessaires.",
)
def time_in_commitment(case: Case) -> Finding:
    """At least 12 months in commitment."""
    months = case.policy.commitment_months
    over = months_before(case.since, -months) <= case.now
    return Finding(over, f"{whole_days(case.since, case.now)} days", f"{months} months")


@guard(
    "Speak of it together: record testimony.given or reference.granted.",
    "Témoignez ensemble : enregistrez testimony.given ou reference.granted.",
    reads=(e.TestimonyGiven, e.ReferenceGranted, e.ReferenceWithdrawn),
)
def made_public(case: Case) -> Finding:
    """A testimony, or a reference that stands."""
    found = moments(case, "testimony.given")
    for side in SIDES:
        withdrawn = [seen.at for seen in moments(case, f"reference.withdrawn/{side}")]
        last = max(withdrawn, default=None)
        found += [seen for seen in moments(case, f"reference.granted/{side}") if last is None or seen.at > last]
    return Finding(bool(found), len(found), 1, tuple(found))


@guard(
    "Deliver something new together: record innovation.delivered with joint = true.",
    "Innovez ensemble : enregistrez innovation.delivered avec joint = true.",
    reads=(e.InnovationDelivered,),
)
def innovated_together(case: Case) -> Finding:
    """At least one joint innovation."""
    found = moments(case, "innovation.delivered/joint")
    return Finding(bool(found), len(found), 1, tuple(found))
