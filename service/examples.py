"""One story in examples: the bodies that callers send and what they are answered; tests read them with the real readers."""

from typing import Any

Json = dict[str, Any]

PARTNERSHIP = "pn_018cf2a6b1c07f3ad1925c4be60798f1"
KEY = "key_018cf29f04d85b7e21c3a6f09d4815b2"
SOURCE = "src_018cf2b93e61a4d70c52f8196b3ea07d"
INBOX = "inb_018e5f21c7b09a36d4e1780f2c5b93a6"
OVERRIDE = "ovr_018e5f3a90d24c17b6f80e35a1927cd4"
EVENT = "evt_018e5f08a2f46b91c3d7e05f1284ab69"
ENTERED = "evt_018e5f08a2f57d20e9b14c83f6a05d1c"
PERSON = "per_5f0c2ab8a1d94e7c8b6f0a3d91"
BEGUN = "2024-01-10T09:00:00Z"
LINK: Json = {"system": "hubspot", "kind": "company", "external_id": "5521"}

PATHS: dict[str, str] = {
    "keys": KEY, "persons": PERSON, "sources": SOURCE, "inbox": INBOX, "overrides": OVERRIDE, "partnerships": PARTNERSHIP,
    "position": "1234", "version": "1", "log": "acme",
    "size": "1234", "tokens": KEY, "token": f"noces_{KEY[4:]}_...",
    "tile": "0/000", "name": "pagerduty", "source": SOURCE, "system": LINK["system"],
    "kind": LINK["kind"], "external_id": LINK["external_id"],
}  # fmt: skip
"""Parameters of paths: `{id}` by the collection it stands in, others by their name."""

_FACTS: tuple[tuple[str, Json], ...] = (
    (
        "contract.signed",
        {
            "contract": "c-2024",
            "starts_on": "2024-02-01",
            "ends_on": "2027-01-31",
            "notice_days": 90,
            "amount": 12000000,
            "currency": "EUR",
        },
    ),
    ("contract.amended", {"contract": "c-2024", "starts_on": "2024-07-01", "amount": 13500000, "currency": "EUR"}),
    ("contract.renewed", {"contract": "c-2024", "starts_on": "2027-02-01", "ends_on": "2030-01-31"}),
    ("contract.notice_given", {"contract": "c-2024", "side": "client", "effective_on": "2027-01-31"}),
    (
        "promise.made",
        {
            "promise": "migration",
            "side": "partner",
            "kind": "delay",
            "promised": 30,
            "unit": "days",
            "due_on": "2024-03-01",
            "evidence": "declared",
            "text": "Live in a month",
        },
    ),
    (
        "promise.revised",
        {"promise": "migration", "promised": 45, "unit": "days", "reason": "The interfaces were not counted"},
    ),
    ("promise.measured", {"promise": "migration", "actual": 66, "unit": "days"}),
    (
        "reality.discovered",
        {
            "side": "client",
            "about": "legacy",
            "text": "Nobody knows the old billing",
            "promise": "migration",
            "rework_share": 0.3,
            "concealed": False,
        },
    ),
    ("demand.raised", {"demand": "on-site", "side": "client", "text": "Two people on site"}),
    ("demand.refused", {"demand": "on-site", "side": "partner", "reason": "Not in the price"}),
    ("termination.threatened", {"side": "client", "text": "One more month and we stop"}),
    ("threat.withdrawn", {"side": "client"}),
    ("dispute.opened", {"dispute": "d-1", "side": "partner", "subject": "Who pays for the rework"}),
    ("dispute.settled", {"dispute": "d-1", "own_parts": ["client", "partner"]}),
    ("readjustment.planned", {"on_date": "2024-09-02", "text": "A day away with both teams"}),
    ("imperfection.accepted", {"side": "client"}),
    ("constraint.acknowledged", {"side": "client", "of": "margin"}),
    ("budget.renegotiated", {"amount": 14000000, "currency": "EUR"}),
    ("priorities.agreed", {"items": ["billing first", "reporting later"]}),
    ("tradeoff.decided", {"kept": "the date", "given_up": "the mobile app"}),
    (
        "self_review.recorded",
        {
            "side": "partner",
            "own_part": "We sold what we had not estimated",
            "improvement": "An estimate before each promise",
        },
    ),
    ("contact.designated", {"side": "client", "person": "Ada Martin", "role": "product owner"}),
    ("contact.trained", {"side": "client", "person": "Ada Martin"}),
    ("contact.removed", {"side": "client", "person": "Ada Martin"}),
    ("process.documented", {"process": "release", "in_scope_total": 12}),
    ("change.prepared", {"change": "new-billing", "teams_ready": 3, "teams_affected": 4}),
    ("expert_time.requested", {"request": "r-7", "hours": 16}),
    ("expert_time.granted", {"request": "r-7", "hours": 12}),
    ("hours.invested", {"side": "client", "hours": 6.5, "on_date": "2024-10-03", "kind": "build"}),
    ("knowledge.transferred", {"side": "partner", "subject": "the deployment pipeline"}),
    ("sla.negotiated", {"sla": "p1-4h", "metric": "P1 solved within 4 hours", "target": 0.95, "side": "partner"}),
    ("sla.imposed", {"sla": "p1-4h", "metric": "P1 solved within 4 hours", "target": 0.99, "side": "client"}),
    ("sla.measured", {"sla": "p1-4h", "month": "2024-10", "met": 39, "total": 40}),
    ("sla.withdrawn", {"sla": "p1-4h"}),
    (
        "culture.agreed",
        {
            "channel": "one chat",
            "testing": "before each release",
            "delivery_calendar": "every second Tuesday",
            "working_hours": "9 to 18, Paris",
        },
    ),
    ("cadence.agreed", {"level": "tactical", "every_days": 30}),
    (
        "meeting.held",
        {"level": "tactical", "on_date": "2024-11-05", "hours": 1.5, "attendees": ["Ada Martin", "Luc Petit"]},
    ),
    ("meeting.missed", {"level": "tactical", "due_on": "2024-12-05"}),
    ("invoice.issued", {"invoice": "F-881", "amount": 450000, "currency": "EUR", "due_on": "2024-12-31"}),
    ("invoice.paid", {"invoice": "F-881", "paid_on": "2024-12-20"}),
    ("invoice.overdue", {"invoice": "F-882"}),
    ("advice.given", {"advice": "a-3", "text": "Freeze the scope in December"}),
    ("advice.answered", {"advice": "a-3", "accepted": True, "reason": "It cost us last year"}),
    ("pulse.answered", {"side": "partner", "score": 4}),
    ("incident.raised", {"incident": "INC-42", "priority": 1}),
    ("incident.resolved", {"incident": "INC-42", "within_sla": True}),
    ("incident.reopened", {"incident": "INC-42"}),
    ("crisis.opened", {"crisis": "outage", "severity": 3, "text": "Two days without orders"}),
    ("crisis.overcome", {"crisis": "outage", "own_parts": ["client", "partner"]}),
    ("crisis.failed", {"crisis": "outage"}),
    ("leadership.changed", {"side": "client"}),
    ("party.acquired", {"side": "partner", "by": "Grande SI"}),
    ("technology.retired", {"subject": "the mainframe"}),
    ("strategy.changed", {"side": "client", "text": "Everything to the cloud"}),
    ("knowledge.mapped", {"side": "client", "strengths": "They know our trade", "weaknesses": "Slow to hire"}),
    ("commitment.formalised", {"side": "partner", "text": "The same team for three years"}),
    ("innovation.delivered", {"text": "Forecasts from the order book", "joint": True}),
    ("testimony.given", {"where": "a talk at the CIO forum"}),
    ("reference.granted", {"side": "client"}),
    ("reference.withdrawn", {"side": "client"}),
    (
        "mirror.reviewed",
        {"answers": ["Two in five years, for cost", "One they wish to keep", "We invest", "Half of it was ours"]},
    ),
    ("exit_plan.recorded", {"tested_on": "2025-03-14", "alternatives": ["Autre SI"]}),
    ("handover.completed", {"step": "data_returned"}),
    ("fact.retracted", {"event": EVENT, "reason": "Counted twice"}),
)

FACTS: dict[str, Json] = {
    name: {"type": name, "occurred_at": "2024-03-20T17:00:00Z", **fields} for name, fields in _FACTS
}
"""One of every fact that callers may record."""

IMPORT = (
    '{"link": {"system": "hubspot", "kind": "company", "external_id": "5521"}, "type": "pulse.answered", '
    '"occurred_at": "2024-04-02T08:00:00Z", "side": "partner", "score": 4, "key": "survey-981"}\n'
    f'{{"partnership": "{PARTNERSHIP}", "type": "invoice.paid", "invoice": "F-881", "paid_on": "2024-12-20"}}\n'
)
IMPORTED = (
    '{"line":2,"status":"refused","code":"not_found","detail":"There is no partnership \'pn_…\' here."}\n'
    '{"lines":2,"accepted":1,"repeated":0,"refused":1,"last_position":1236}\n'
)

CONNECTOR = """
name = "surveys"
title = "Surveys"
summary = "Answers of satisfaction surveys."
key = ["answer"]
scheme = [{ name = "token", method = "token", header = "X-Survey-Token" }]
link = [{ system = "surveys", kind = "account", external_id = { path = "account" } }]

[[rule]]
name = "answered"

[[rule.fact]]
type = "pulse.answered"
occurred_at = { path = "given" }
fields.side = { const = "partner" }
fields.score = { path = "score", as = "integer" }
"""

BODIES: dict[str, Any] = {
    "PartnershipBody": {
        "client": "Atelier Nord", "partner": "Rapide SI", "opened_at": BEGUN, "links": [LINK],
    },
    "Fact": FACTS["promise.measured"],
    "TargetedFact": {"link": LINK, **FACTS["promise.measured"]},
    "TransitionBody": {"trigger": "share_power", "side": "client", "occurred_at": "2024-09-01T09:00:00Z"},
    "KeyBody": {"scopes": ["read"], "name": "dashboard", "expires_at": "2026-12-31T00:00:00Z"},
    "TokenBody": {"name": "the auditor's mirror", "expires_at": "2026-12-31T00:00:00Z"},
    "AuditBody": {"mode": "verify", "strict": True},
    "PersonName": {"name": "Agnès Martin"},
    "KeyChange": {"name": "dashboard, Lyon", "expires_at": "2027-06-30T00:00:00Z"},
    "SourceBody": {"connector": "pagerduty", "name": "on call", "secrets": ["the secret of the subscription"]},
    "SourceChange": {"name": "on call, Paris", "silence_after": 86_400},
    "ConnectorBody": {"toml": CONNECTOR},
    "SecretsBody": {"secrets": ["the new secret", "the old secret"]},
    "ReplayBody": {"status": "failed", "source": SOURCE},
    "Policy": {"automatic": ["relapse", "loosen", "fade", "face_reality"], "delay_doubled": 1.8, "punctual_share": 0.9},
}  # fmt: skip
"""By the name of the body's struct."""

FORCE: Json = {"force": {"to": "power_sharing", "reason": "The threat was dated wrongly"}}

# --- answers -----------------------------------------------------------------------------------------------------------

_REMEDY = {
    "en": "Nothing to do: a measured delay of at least the policy's multiple of the promised one brings this.",
    "fr": "Rien à faire : un délai mesuré d'au moins le multiple prévu du délai promis l'entraîne.",
}
_VERDICT: Json = {
    "code": "delay_doubled", "met": True, "actual": 2.2, "required": 2, "evidence": [1230, 1234], "remedy": _REMEDY,
}  # fmt: skip
_EVENT: Json = {
    "position": 1234, "v": 1, "id": EVENT, "stream": f"partnership-{PARTNERSHIP}", "version": 16,
    "type": "promise.measured", "schema": 1, "occurred_at": "2024-03-20T17:00:00Z",
    "recorded_at": "2024-03-21T08:12:05.120000Z", "actor": KEY,
    "data": {"promise": "migration", "actual": 66, "unit": "days"}, "partnership": PARTNERSHIP,
}  # fmt: skip
_ENTERED: Json = {
    **_EVENT, "position": 1235, "id": ENTERED, "version": 17, "type": "stage.entered",
    "decided_at": "2024-03-20T17:00:00Z",
    "data": {
        "stage": "power_struggle", "left": "honeymoon", "trigger": "face_reality", "policy": 1, "guards": [_VERDICT],
        "cause": 1234, "decided_on": 16,
    },
}  # fmt: skip
_PARTNERSHIP: Json = {
    "id": PARTNERSHIP, "client": "Atelier Nord", "partner": "Rapide SI", "critical": False, "stage": "power_struggle",
    "outcome": None, "ending": None, "respectful": None, "separated_from": None, "since": "2024-03-20T17:00:00Z",
    "opened_at": BEGUN, "observed_since": None, "version": 17, "position": 1235, "telescoped": False,
    "overlapping": ["honeymoon"],
    "activation": {
        "honeymoon": 0.75, "power_struggle": 0.25, "power_sharing": 0.0, "commitment": 0.0,
        "maturity_or_separation": 0.0,
    },
    "open": {"promises": ["seniority"], "disputes": [], "threats": [], "crises": [], "unmatched": []}, "flags": [],
    "policy": 1, "labels": {"fr": "La lutte pour le pouvoir", "en": "Power struggle"}, "links": [LINK],
}  # fmt: skip
_STAY: Json = {
    "stage": "honeymoon", "outcome": None, "entered_at": BEGUN, "left_at": "2024-03-20T17:00:00Z",
    "days": 70, "trigger": None, "cause": 1219, "policy": None, "telescoped": False, "forced": False,
}  # fmt: skip

AUDITED = (
    '{"progress":{"position":2000,"of":3012}}\n'
    '{"result":{"events":1506,"ok":true,"divergences":0,"seconds":0.031,'
    '"state_hash":"5f0c2ab8a1d94e7c8b6f0a3d915f0c2ab8a1d94e7c8b6f0a3d915f0c2ab8a1d94"}}\n'
)
"""The lines of an audit."""

COSIGNED = (
    "noces.example/acme\n1234\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 noces.example/acme Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ"
    "qhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
"""A checkpoint with the line of a witness."""

ANSWERS: dict[str, Any] = {
    "Partnership": _PARTNERSHIP,
    "PartnershipPage": {"items": [_PARTNERSHIP], "next": None},
    "Recorded": {"events": [_EVENT, _ENTERED], "stage": "power_struggle", "outcome": None, "version": 17},
    "Event": _EVENT,
    "EventPage": {"items": [_EVENT], "next": "1234", "position": 1234},
    "History": {
        "partnership": PARTNERSHIP, "as_of": "2024-04-01T00:00:00Z", "known_at": "2024-04-02T00:00:00Z",
        "stages": [
            _STAY,
            {
                **_STAY, "stage": "power_struggle", "entered_at": "2024-03-20T17:00:00Z", "left_at": None, "days": 11,
                "trigger": "face_reality", "cause": 1234, "policy": 1,
            },
        ],
        "overlaps": [{"stage": "honeymoon", "from": "2024-03-20T17:00:00Z", "to": None}],
        "separated_from": None, "respectful": None, "ending": None,
    },
    "Transitions": {
        "stage": "honeymoon", "outcome": None,
        "transitions": [
            {
                "trigger": "face_reality", "to": {"stage": "power_struggle", "outcome": None}, "mode": "automatic",
                "allowed": True, "guards": [_VERDICT],
            },
        ],
    },
    "Override": {"id": OVERRIDE, "partnership": PARTNERSHIP, "to": "power_sharing"},
    "Me": {
        "key": KEY, "organisation": "demo", "log": "demo", "scopes": ["read", "write"], "side": None,
        "partnerships": None,
    },
    "NewKey": {"id": KEY, "key": f"noces_{KEY[4:]}_…"},
    "NewSource": {"id": SOURCE, "url": f"https://noces.example/hooks/{SOURCE}"},
    "Receipt": {"inbox": INBOX},
    "Problem": {
        "type": "https://noces.readthedocs.io/errors/bad_shape", "code": "bad_shape",
        "title": "The request cannot be read", "status": 400,
        "detail": "Object contains unknown field `actualy`.", "instance": "req_018e5f08a2e01f4c7ab35d92e8610b4f",
        "errors": [{"pointer": "", "detail": "Object contains unknown field `actualy`"}],
    },
}  # fmt: skip
"""By the name of the answer."""
