"""What the routes answer, as JSON Schemas: the other half of service/views.py, kept equal by the contract tests."""

from domain import machine
from domain.types import SIDES, STAGES
from service.auth import SCOPES
from service.components import INSTANT, REFERENCE, TEXT, Json, nullable
from service.errors import STATUS
from service.projections.inbox import STATUSES

INTEGER: Json = {"type": "integer"}
BOOLEAN: Json = {"type": "boolean"}
FIGURE: Json = {"type": ["number", "string"]}
POSITION: Json = {"type": "integer", "minimum": 1}
DATE: Json = {"type": "string", "format": "date"}
NAME: Json = {"type": "string", "minLength": 1, "maxLength": 200}
SIDE: Json = {"type": "string", "enum": list(SIDES)}
STAGE: Json = {"type": "string", "enum": list(STAGES)}
OUTCOME = nullable({"type": "string", "enum": [machine.split(each)[1] for each in machine.STATES if "." in each]})
ENDING = nullable({"type": "string", "enum": ["stillborn", "exploded", "parted"]})
TRUST: Json = {"type": "string", "enum": ["signed", "shared_secret", "echo_token", "none"]}
ITEM_STATUS: Json = {"type": "string", "enum": list(STATUSES)}
MODE: Json = {"type": "string", "enum": ["confirmed", "automatic"]}
TRIGGER: Json = {"type": "string", "enum": list(machine.TRIGGERS)}


def ref(name: str) -> Json:
    """A reference to a component."""
    return {"$ref": f"{REFERENCE}{name}"}


def listed(items: Json) -> Json:
    """A list of something."""
    return {"type": "array", "items": items}


def mapped(values: Json) -> Json:
    """An object whose names are data."""
    return {"type": "object", "additionalProperties": values}


def about(description: str, schema: Json) -> Json:
    """A schema with a sentence."""
    return {**schema, "description": description}


def closed(description: str, optional: tuple[str, ...] = (), /, **properties: Json) -> Json:
    """An object with these members and no others; all stand in every answer but the optional ones."""
    found: Json = {"description": description, "type": "object", "properties": properties}
    required = [name for name in properties if name not in optional]
    return found | ({"required": required} if required else {}) | {"additionalProperties": False}


def paged(items: str) -> Json:
    """A page of a list."""
    following = about("The cursor of the next page; null at the end.", nullable(TEXT))
    return closed(f"A page of a list; each item is a {items}.", items=listed(ref(items)), next=following)


# --- partnerships --------------------------------------------------------------------------------------------------------

PARTNERSHIPS: dict[str, Json] = {
    "Link": closed("An id of another system.", system=NAME, kind=NAME, external_id=NAME),
    "Labels": closed("A label in both languages.", fr=TEXT, en=TEXT),
    "OpenMatters": closed(
        "What is not settled.",
        promises=about("Unmeasured and past their due date, by id.", listed(TEXT)),
        disputes=about("By id.", listed(TEXT)),
        threats=about("Sides that threatened to end the contract.", listed(SIDE)),
        crises=about("By id.", listed(TEXT)),
        unmatched=about("Named by facts and opened by none yet, as `kind/id`.", listed(TEXT)),
    ),
    "Partnership": closed(
        "A client and a partner, and where they stand.",
        id=TEXT, client=TEXT, partner=TEXT, critical=BOOLEAN, stage=STAGE, outcome=OUTCOME,
        ending=about("How it ended; null before.", ENDING),
        respectful=about("Whether it ended with respect; null where nobody said.", nullable(BOOLEAN)),
        separated_from=about("The stage that a separation left.", nullable(STAGE)),
        since=about("The entry into the stage.", nullable(INSTANT)), opened_at=nullable(INSTANT),
        observed_since=nullable(DATE), version=about("The version of its stream.", INTEGER),
        position=about("Its last event's position in the log.", INTEGER),
        telescoped=about("Whether the stay before this one was shorter than 30 days.", BOOLEAN),
        overlapping=about("Stages that are alive beside the authoritative one.", listed(STAGE)),
        activation=closed(
            "Per stage, its share of the coloured facts of the last 180 days.",
            **{stage: {"type": "number", "minimum": 0, "maximum": 1} for stage in STAGES},
        ),
        open=ref("OpenMatters"), flags=listed({"type": "string", "enum": ["unverified_honeymoon"]}),
        policy=about("The version of the policy in force.", INTEGER), labels=ref("Labels"), links=listed(ref("Link")),
    ),
    "PartnershipPage": paged("Partnership"),
    "Stay": closed(
        "One stay in a stage.",
        stage=STAGE, outcome=OUTCOME, entered_at=INSTANT,
        left_at=about("Null while it lasts.", nullable(INSTANT)),
        days=about("Whole days, until `as_of` while it lasts.", {**INTEGER, "minimum": 0}),
        trigger=nullable(TEXT), cause=about("The position of the event that brought it.", nullable(INTEGER)),
        policy=about("The policy that it was decided under.", nullable(INTEGER)),
        telescoped=BOOLEAN, forced=BOOLEAN,
    ),
    "Overlap": closed("A time in which a stage was alive beside the authoritative one.", **{
        "stage": STAGE, "from": INSTANT, "to": about("Null while it lasts.", nullable(INSTANT)),
    }),
    "History": closed(
        "The stages that a partnership went through, as true at `as_of` and known at `known_at`.",
        partnership=TEXT, as_of=INSTANT, known_at=INSTANT, stages=listed(ref("Stay")), overlaps=listed(ref("Overlap")),
        separated_from=nullable(STAGE), respectful=nullable(BOOLEAN), ending=ENDING,
    ),
    "HistoryDiff": closed(
        "What was believed of an instant, and what is known of it now.",
        partnership=TEXT, as_of=INSTANT,
        differs_from=about("The place of the first stay that differs; null where both are the same.", nullable(INTEGER)),
        believed=about("Null where nobody knew of the partnership.", nullable(ref("History"))), true=ref("History"),
    ),
    "ReplayedEvent": closed("An event, and what it changed.", event=ref("Event"), changes=listed(ref("Change"))),
    "Change": closed(
        "A JSON pointer into the state, with the value before and after; null where there was none.",
        path=TEXT, before={}, after={},
    ),
    "ReplayPage": paged("ReplayedEvent"),
}  # fmt: skip

# --- facts, transitions, events --------------------------------------------------------------------------------------------

DECISIONS: dict[str, Json] = {
    "Recorded": closed(
        "The events that were recorded, what followed from them, and where the partnership now stands.",
        events=listed(ref("Event")), stage=STAGE, outcome=OUTCOME, version=INTEGER,
    ),
    "Remedy": closed("One sentence a language.", en=TEXT, fr=TEXT),
    "Verdict": closed(
        "What one guard says.", ("count",),
        code=TEXT, met=BOOLEAN, actual=FIGURE, required=FIGURE,
        evidence=about("Positions of events, at most 20.", listed(POSITION)),
        count=about("How many events there were, where more than 20.", INTEGER),
        remedy=about("What would meet it.", ref("Remedy")),
    ),
    "State": closed("A stage, and the outcome of the fifth.", stage=STAGE, outcome=OUTCOME),
    "Transition": closed(
        "An arrow that leaves the current stage.",
        trigger=TRIGGER, to=ref("State"), mode=MODE, allowed=BOOLEAN, guards=listed(ref("Verdict")),
    ),
    "Transitions": closed("What may happen next.", stage=STAGE, outcome=OUTCOME, transitions=listed(ref("Transition"))),
    "Override": closed("A forced transition that waits for another actor.", id=TEXT, partnership=TEXT, to=TEXT),
    "Event": {
        "description": "An event of the log: its entry's fields, its position, personal values opened or `[erased]`.",
        "type": "object",
        "properties": {
            "position": POSITION, "v": about("The form of the entry.", INTEGER), "id": TEXT, "stream": TEXT,
            "version": about("Its place in its stream.", POSITION),
            "type": about("Such as `promise.made`; see `events.json` for all of them.", TEXT),
            "schema": about("The version of the type's shape.", POSITION),
            "occurred_at": about("When it was true.", INSTANT), "recorded_at": about("When it was learned.", INSTANT),
            "decided_at": about("When the guards looked.", INSTANT), "actor": about("Who wrote it, as an id.", TEXT),
            "side": SIDE, "source": about("The source it came from.", TEXT), "trust": TRUST, "correlation_id": TEXT,
            "causation_id": about("The delivery it came from.", TEXT),
            "partnership": about("Absent in the organisation's own streams.", TEXT),
            "data": about("The fields of the type; versions of evidence are told as positions.", {"type": "object"}),
            "receipt": about(
                "With `receipt=true`, of `stage.entered` alone: its C2SP tlog-proof; null where none could be made at once.",
                nullable(TEXT),
            ),
        },
        "required": [
            "position", "v", "id", "stream", "version", "type", "schema", "occurred_at", "recorded_at", "actor", "data",
        ],
        "additionalProperties": False,
    },
    "EventPage": closed(
        "A page of the feed; never the last one, for the log goes on.",
        items=listed(ref("Event")), next=about("The cursor to go on from, also where nothing matched.", TEXT),
        position=about("How far was read.", {**INTEGER, "minimum": 0}),
    ),
    "ImportedLine": closed(
        "What became of a line; those that were refused, or all of them with `results=all`.",
        ("position", "code", "detail"),
        line=POSITION,
        status={"type": "string", "enum": ["accepted", "repeated", "refused"]},
        position=POSITION,
        code=TEXT,
        detail=TEXT,
    ),
    "ImportSummary": closed(
        "The last line of an import's answer.",
        lines=INTEGER, accepted=INTEGER, repeated=INTEGER, refused=INTEGER,
        last_position=about("Where the last of the lines that are kept stands in the log; 0 when none is.", INTEGER),
    ),
}  # fmt: skip

# --- administration --------------------------------------------------------------------------------------------------------

_ITEM = {
    "key": about("How the item is known again.", TEXT), "status": ITEM_STATUS, "rule": nullable(TEXT),
    "reason": nullable(TEXT), "partnership": nullable(TEXT),
}  # fmt: skip
_DELIVERY = {
    "id": TEXT, "source": TEXT, "status": about("The most urgent of its items'.", ITEM_STATUS), "received_at": INSTANT,
    "trust": TRUST,
}  # fmt: skip
_SCOPES = listed({"type": "string", "enum": list(SCOPES)})

ADMINISTRATION: dict[str, Json] = {
    "Log": closed(
        "A log's name and the key that signs it.",
        log=TEXT, origin=TEXT, verifier=TEXT, size=INTEGER,
        verifiers=about("Every key that has signed under this name, the present one last.", listed(TEXT)),
    ),
    "SignedCheckpoint": closed(
        "A checkpoint that was signed.", size=INTEGER, witnesses=about("The names of those who have cosigned it.", listed(TEXT)),
        stamped_at=about("What a time-stamping authority says; null where none was asked.", nullable(INSTANT)),
    ),
    "SignedPage": paged("SignedCheckpoint"),
    "NewToken": closed(
        "A token and the address that it opens, told this once: null where the first answer is given again.",
        id=TEXT, token=nullable(TEXT), prefix=nullable(TEXT),
    ),
    "Token": closed(
        "A token, never its text.",
        id=TEXT, name=TEXT, created_at=INSTANT, expires_at=nullable(INSTANT), revoked_at=nullable(INSTANT),
        last_used=nullable(INSTANT),
    ),
    "TokenPage": paged("Token"),
    "Consistency": closed(
        "The proof that a log only grew; hashes in base64.",
        **{"from": INTEGER, "to": INTEGER}, proof=listed(TEXT), from_root=TEXT, to_root=TEXT,
    ),
    "AuditLines": {
        "type": "string",
        "description": "Lines of JSON, each an object of one member: `progress` (an AuditProgress) now and then, `finding` (an "
        "AuditFinding) as they come, and at the end one `result` (an AuditResult).",
    },
    "AuditProgress": closed("How far it is: every entry is read twice.", position=POSITION, of=INTEGER),
    "AuditFinding": closed(
        "What is otherwise, and exactly where; of `what_if` and `hindsight` both paths from the first spell that differs.",
        ("code", "position", "partnership", "stream", "version", "expected", "found", "recorded", "otherwise"),
        code=TEXT, position=POSITION, partnership=TEXT, stream=TEXT, version=INTEGER, expected=TEXT, found=TEXT,
        recorded=listed(ref("AuditSpell")), otherwise=listed(ref("AuditSpell")),
    ),
    "AuditSpell": closed(
        "One stay of a path; `guards` let it in.", ("trigger", "guards"),
        state=TEXT, entered_at=INSTANT, trigger=TEXT, guards=listed(TEXT),
    ),
    "AuditResult": closed(
        "What an audit came to; `state_hash` is the SHA-256 of all folded states, equal wherever the same log is read.",
        events=INTEGER, ok=BOOLEAN, divergences=INTEGER, seconds={"type": "number"}, state_hash=TEXT,
    ),
    "Me": closed(
        "The key, and whose log it reads.",
        key=TEXT, organisation=TEXT, log=TEXT, scopes=_SCOPES, side=nullable(SIDE), partnerships=nullable(listed(TEXT)),
    ),
    "Key": closed(
        "A key, without its secret.",
        id=TEXT, name=nullable(TEXT), scopes=_SCOPES, side=nullable(SIDE), partnerships=nullable(listed(TEXT)),
        expires_at=nullable(INSTANT), created_at=INSTANT, revoked_at=nullable(INSTANT),
        last_used=about("When it was last used, a minute late at most after a crash; null: never.", nullable(INSTANT)),
        requests_per_minute=about("How much it may ask; null: as much as any key.", nullable({"type": "integer", "minimum": 1})),
    ),
    "NewKey": closed("A key's text, told this once: null where the first answer is given again.", id=TEXT, key=nullable(TEXT)),
    "KeyPage": paged("Key"),
    "Person": closed(
        "A person as the log knows one: an id, and how many events name it.",
        id=TEXT, events={**INTEGER, "minimum": 0}, first_position=nullable(POSITION), last_position=nullable(POSITION),
        erased_at=nullable(INSTANT),
    ),
    "PersonPage": paged("Person"),
    "PersonExport": closed(
        "All that is held of a person; after an erasure the values are tombstones.",
        id=TEXT, names=listed(TEXT), events=listed(ref("Mention")), deliveries=listed(TEXT),
    ),
    "Mention": closed(
        "One value that names the person.",
        position=POSITION, event=TEXT, type=TEXT, field=TEXT, value=TEXT, occurred_at=INSTANT, recorded_at=INSTANT, stream=TEXT,
    ),
    "Erased": closed(
        "What was forgotten, when, and the position of the event that says so.",
        id=TEXT, erased_at=INSTANT, position=POSITION,
        deliveries=about("How many stored deliveries were purged.", {**INTEGER, "minimum": 0}),
    ),
    "Source": closed(
        "A source of deliveries, without its secrets.",
        id=TEXT, connector=TEXT, name=TEXT, settings=mapped({}), url=TEXT, created_at=INSTANT,
        last_seen=about("When it was last heard of; null before its first delivery.", nullable(INSTANT)),
        silence_after=about("After how many seconds of silence it is silent; null: it is not watched.", nullable(INTEGER)),
        silent=about("Whether it was silent for longer than that.", BOOLEAN),
    ),
    "NewSource": closed("A new source; `url` goes into the sender's settings.", id=TEXT, url=TEXT),
    "SourcePage": paged("Source"),
    "ConnectorTitle": closed("A connector at hand.", name=TEXT, title=TEXT, summary=TEXT),
    "ConnectorPage": paged("ConnectorTitle"),
    "AdoptedPolicy": closed("A policy of the log.", version=POSITION, position=POSITION, adopted_at=INSTANT, policy=ref("Policy")),
    "PolicyPage": paged("AdoptedPolicy"),
    "Receipt": closed("The delivery's id in the inbox.", inbox=TEXT),
    "InboxItem": closed("One item of a delivery, and what became of it.", **_ITEM),
    "InboxDelivery": closed("A delivery.", **_DELIVERY, items=listed(ref("InboxItem"))),
    "InboxPage": paged("InboxDelivery"),
    "DeliveredItem": closed(
        "One item of a delivery, and the events that came of it.",
        **_ITEM, positions=listed(POSITION),
        suggestions=about("Of an unmatched item: open partnerships of the name that the sender uses.", listed(ref("Suggestion"))),
    ),
    "Suggestion": closed(
        "A partnership that may be meant, and links any one of which brings the item to it.",
        partnership=TEXT, called=TEXT, links=listed(ref("Link")),
    ),
    "Delivered": closed(
        "A delivery as it came: `body`, or `body_base64` where it is no UTF-8.", ("body", "body_base64"),
        **_DELIVERY, items=listed(ref("DeliveredItem")),
        headers=about("Pairs of name and value, without secrets.", listed({**listed(TEXT), "minItems": 2, "maxItems": 2})),
        purged_at=about("When headers and body were forgotten; null: they are whole.", nullable(INSTANT)),
        body=TEXT, body_base64=TEXT,
    ),
    "Replayed": closed("How many deliveries were run again.", replayed={**INTEGER, "minimum": 0}),
}  # fmt: skip

# --- the service -------------------------------------------------------------------------------------------------------------

SERVICE: dict[str, Json] = {
    "Rebuilt": closed(
        "How the read models came out.",
        events=about("How many events were read.", INTEGER),
        equal=about("Whether the live ones were right.", BOOLEAN),
        different=about("The tables that were not.", listed(TEXT)),
    ),
    "Status": closed("How the process is.", status={"type": "string", "enum": ["ok", "ready"]}),
    "Machine": closed(
        "The machine as data.",
        stages=listed(closed("A stage.", stage=STAGE, labels=ref("Labels"))),
        states=listed({"type": "string", "enum": list(machine.STATES)}),
        triggers=listed(ref("MachineTrigger")),
        guards=about("By code.", mapped(closed("What would meet it.", remedy=ref("Remedy")))),
    ),
    "MachineTrigger": closed(
        "A verb of the machine.",
        trigger=TRIGGER, decided_by={"type": "string", "enum": ["facts", "people"]},
        needs={"type": "string", "enum": ["any", "all"]}, guards=listed(TEXT), arrows=listed(ref("Arrow")),
    ),
    "Arrow": closed("A way from a state to another.", **{
        "from": TEXT, "to": TEXT, "came_from": about("Only where the separation left this state.", nullable(TEXT)),
    }),
    "Problem": closed(
        "A problem as RFC 9457 has it.", ("errors", "id", "guards", "etag", "position"),
        type=about("A page that explains the code.", {"type": "string", "format": "uri"}),
        code={"type": "string", "enum": list(STATUS)}, title=TEXT, status={**INTEGER, "enum": sorted(set(STATUS.values()))},
        detail=about("What is wrong, what was expected, what to do.", TEXT),
        instance=about("The request's id, as in X-Request-Id.", TEXT),
        errors=about("Where in the body.", listed(ref("FieldError"))),
        id=about("What stands against it.", TEXT), guards=about("Of `transition_refused`.", listed(ref("Verdict"))),
        etag=about("Of `stale_version`: the current one.", TEXT), position=about("The refusal in the log.", POSITION),
    ),
    "FieldError": closed("A place in the body.", pointer=about("A JSON pointer.", TEXT), detail=TEXT),
}  # fmt: skip

ANSWERS = {**PARTNERSHIPS, **DECISIONS, **ADMINISTRATION, **SERVICE}
"""Every answer that routes name, and its parts."""
