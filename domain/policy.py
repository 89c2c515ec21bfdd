"""The thresholds and switches that decisions are taken under: data, versioned, adopted by an event in the log."""

import tomllib
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

Ratio = Annotated[float, Meta(gt=0, lt=1_000)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
Months = Annotated[int, Meta(ge=1, le=120)]
Portion = Annotated[float, Meta(ge=0, le=1)]

AUTOMATIC = ("relapse", "loosen", "fade", "face_reality")
"""Triggers that facts decide by default, in the order in which they are asked."""

GUARDS: dict[str, tuple[str, ...]] = {
    "face_reality": (
        "delay_doubled", "budget_blown", "rework_half", "seniority_halved", "lesser_breaches", "threat_open",
        "honeymoon_over",
    ),
    "share_power": (
        "budget_renegotiated", "priorities_agreed", "tradeoff_decided", "constraints_acknowledged", "self_reviews",
        "no_threat_open", "sla_negotiated",
    ),
    "commit": (
        "commitment_formalised", "sla_kept", "cadence_kept", "crisis_survived", "knowledge_mapped",
        "own_parts_recorded", "payments_punctual", "no_dispute_open", "no_threat_open", "no_crisis_open",
    ),
    "mature": ("partnership_age", "time_in_commitment", "made_public", "innovated_together", "cadence_kept"),
    "separate": ("reason_given", "exit_plan_recorded"),
    "complete_separation": ("data_returned", "access_revoked", "invoices_settled", "knowledge_transferred"),
    "reconcile": ("asked_by_decider",),
    "relapse": (
        "delay_doubled", "budget_blown", "rework_half", "seniority_halved", "lesser_breaches", "threat_open",
        "reality_concealed", "meetings_and_sla_missed",
    ),
    "loosen": ("cadence_lapsed", "sla_missed"),
    "fade": ("reference_withdrawn", "renown_faded"),
}  # fmt: skip


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every number that a guard compares with; the defaults are policy 1 (DOMAIN 4)."""

    automatic: tuple[str, ...] = AUTOMATIC
    guards: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: dict(GUARDS))

    delay_doubled: Ratio = 2.0
    budget_blown: Ratio = 1.3
    rework_half: Portion = 0.5
    seniority_halved: Ratio = 0.5
    lesser_delay: Ratio = 1.25
    lesser_budget: Ratio = 1.1
    lesser_breaches: Annotated[int, Meta(ge=1, le=20)] = 2
    lesser_breaches_days: Days = 180
    honeymoon_days: Days = 730

    self_review_days: Days = 180

    sla_months_running: Months = 3
    sla_months_kept: Months = 5
    sla_months_window: Months = 6
    cadence_share: Portion = 0.8
    cadence_months: Months = 6
    crisis_free_months: Months = 24
    own_parts_share: Portion = 0.8
    punctual_share: Portion = 0.95
    punctual_months: Months = 12
    payment_days: Days = 30
    payment_days_at_most: Days = 60

    partnership_years: Annotated[int, Meta(ge=0, le=50)] = 3
    commitment_months: Months = 12
    mature_cadence_months: Months = 12

    missed_meetings_running: Annotated[int, Meta(ge=1, le=20)] = 2
    relapse_sla_months: Months = 2
    loosen_cadence_share: Portion = 0.5
    loosen_cadence_months: Months = 6
    loosen_sla_months: Months = 3
    fade_months: Months = 24

    activation_days: Days = 180
    overlap_share: Portion = 0.25
    overlap_facts: Annotated[int, Meta(ge=1, le=100)] = 3
    overlap_calm_days: Days = 30
    telescoped_days: Days = 30
    meeting_tolerance: Portion = 0.5


POLICY_1 = Policy()


def parse_policy(text: str) -> Policy:
    """Read a policy from its TOML form; names left out keep the values of policy 1.

    Raises ValueError in one sentence that names the setting.
    """
    try:
        return checked(msgspec.convert(tomllib.loads(text), Policy))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        message = f"This policy cannot be read: {error}."
        raise ValueError(message) from error


def checked(policy: Policy) -> Policy:
    """The policy itself when each trigger and guard that it names exists; ValueError otherwise."""
    for trigger, codes in policy.guards.items():
        if trigger not in GUARDS:
            message = f"Trigger {trigger!r} does not exist; a policy may name {', '.join(GUARDS)}."
            raise ValueError(message)
        if unknown := set(codes) - set(GUARDS[trigger]):
            message = f"Guard {min(unknown)!r} does not belong to {trigger}; it may name {', '.join(GUARDS[trigger])}."
            raise ValueError(message)
    if missing := set(GUARDS) - set(policy.guards):
        message = f"Trigger {min(missing)!r} has no guards in this policy; every trigger needs its list."
        raise ValueError(message)
    if unswitchable := set(policy.automatic) - {*AUTOMATIC, "share_power"}:
        message = f"Trigger {min(unswitchable)!r} cannot be automatic; {', '.join(AUTOMATIC)} and share_power can."
        raise ValueError(message)
    return policy


def policy_toml(policy: Policy) -> str:
    """The TOML form of a policy, one setting a line, readable again by `parse_policy`."""
    values: dict[str, Any] = msgspec.to_builtins(policy)
    guards = values.pop("guards")
    lines = [f"{name} = {_toml(value)}" for name, value in values.items()]
    return "\n".join([*lines, "", "[guards]", *(f"{name} = {_toml(codes)}" for name, codes in guards.items()), ""])


def _toml(value: object) -> str:
    return msgspec.json.encode(value).decode()
