"""Every published error code in words: what it means and what to do about it."""

from collections.abc import Mapping
from typing import NamedTuple

from service.errors import RETRY_AFTER, STATUS, TITLES


class Guide(NamedTuple):
    """One code in words."""

    meaning: str
    remedy: str


GUIDE: Mapping[str, Guide] = {
    "bad_request": Guide(
        "The request cannot be read: its headers, its key, or a body that did not arrive in time.",
        "Correct what `detail` names and send it again.",
    ),
    "bad_json": Guide(
        "The body is no JSON in UTF-8, names a key twice, or nests deeper than 32 levels.",
        "Send one JSON value in UTF-8.",
    ),
    "bad_shape": Guide(
        "The body is JSON of another shape: a field is missing, unknown, of the wrong type or out of bounds.",
        "`errors[].pointer` names the place; compare with `/openapi.json`.",
    ),
    "bad_text": Guide(
        "A text holds U+0000 or a lone surrogate, or a number or name cannot be kept exactly.",
        "Remove the character, or send the number as text.",
    ),
    "naive_time": Guide(
        "An instant has no offset, so it could mean several.", "Add `Z` or an offset such as `+02:00`."
    ),
    "bad_parameter": Guide(
        "A query parameter, or a part of the path, is unknown, repeated or out of bounds.",
        "Take the parameters and bounds of `/openapi.json`.",
    ),
    "unknown_type": Guide("`type` is no fact.", "Take one of the facts of `/openapi.json`, such as `promise.made`."),
    "wrong_route": Guide(
        "The event is not recorded as a fact: another route, or only the system, writes it.",
        "Use the route that `detail` names.",
    ),
    "unknown_trigger": Guide("The machine has no such trigger.", "Take one of `GET /v1/machine`."),
    "unknown_stage": Guide("The stage to force does not exist.", "Take one of `states` of `GET /v1/machine`."),
    "unauthenticated": Guide(
        "No key was sent, or one that is wrong, expired or revoked.",
        "Send `Authorization: Bearer <key>`, `X-Api-Key`, or Basic with the key as password.",
    ),
    "missing_signature": Guide(
        "The delivery carries no proof where its connector expects one.",
        "Switch signing on at the sender, or choose the right connector.",
    ),
    "bad_format": Guide(
        "The delivery's signature or timestamp is there but cannot be read.",
        "Compare the header with the connector's page.",
    ),
    "stale_timestamp": Guide(
        "The delivery was signed too long ago, or too far ahead.", "Set the sender's clock, or send it again."
    ),
    "mismatch": Guide(
        "The delivery's signature fits none of the source's secrets.",
        "Compare the secret, and `NOCES_PUBLIC_BASE_URL` where the address is signed.",
    ),
    "no_secret": Guide(
        "The source has no secret that could prove a delivery.",
        "`POST /v1/sources/{id}/rotate` with the sender's secret.",
    ),
    "forbidden": Guide(
        "The key lacks the scope, or is bound to other partnerships.", "Use a key with the scope that `detail` names."
    ),
    "wrong_side": Guide(
        "The key speaks for one side and the request for the other.", "Use a key of that side, or one without a side."
    ),
    "same_actor": Guide("Who asked for an override cannot approve it.", "Let another key approve it."),
    "not_found": Guide(
        "Nothing is here, or nothing that this key may see.",
        "Check the id and the key's organisation with `GET /v1/me`.",
    ),
    "unknown_event": Guide(
        "The event to retract is not in this partnership.", "Take an `id` of `GET /v1/partnerships/{id}/events`."
    ),
    "unknown_link": Guide(
        "The link to remove does not belong to this partnership.", "Read `links` of the partnership."
    ),
    "unknown_override": Guide("No such override waits for approval.", "Ask for it again; each is approved once."),
    "method_not_allowed": Guide("The address does not take this method.", "See `/docs`."),
    "already_recorded": Guide(
        "The id was opened before with other content.", "Use another id, or retract the first fact."
    ),
    "already_open": Guide(
        "A partnership of this client and partner is open.",
        "Record facts in the one that `id` names, or open with `?if_exists=return`.",
    ),
    "link_taken": Guide("The link belongs to another partnership.", "`id` names it; remove the link there first."),
    "name_taken": Guide("The name is taken.", "Choose another."),
    "in_use": Guide("Something still uses this.", "`detail` names what; remove that first."),
    "transition_refused": Guide(
        "A guard is not met; the refusal is in the log at `position`.", "`guards[].remedy` says what would meet each."
    ),
    "transition_impossible": Guide(
        "No arrow of this trigger leaves the current stage, or none joins it with the stage to force.",
        "`GET /v1/partnerships/{id}/transitions` lists those that do.",
    ),
    "not_retractable": Guide("The event is no fact but follows from facts.", "Retract the fact that caused it."),
    "forked": Guide(
        "The log does not contain what was signed: its database was restored from an older copy, or altered.",
        "Restore a newer copy, or declare the fork: `noces log fork`.",
    ),
    "purged": Guide("The delivery's body was forgotten, so it cannot run again.", "Ask the sender to send it anew."),
    "still_running": Guide(
        "The first request with this Idempotency-Key has not been answered yet.",
        "Wait for `Retry-After`, then send the same again.",
    ),
    "stale_version": Guide(
        "The partnership, or the list of policies, has moved on since it was read.",
        "Read it again, decide anew, send the new ETag.",
    ),
    "too_large": Guide("The body or the line is larger than its limit.", "Send less at a time, or import as NDJSON."),
    "unsupported_media_type": Guide(
        "The Content-Type is missing or not one that the route takes.", "Send `Content-Type: application/json`."
    ),
    "future_time": Guide("An instant lies in the future.", "Record what happened, and ask for what is known."),
    "wrong_unit": Guide(
        "Figures do not go together: another unit than the promise's, or a part larger than its whole.",
        "Convert to the first unit; count the part among the whole.",
    ),
    "wrong_dates": Guide(
        "An end lies before its beginning, or an instant before every partnership.", "Correct the dates."
    ),
    "unmeasurable_promise": Guide(
        "A promise of this kind needs a value above 0, or no measure can be compared with it.",
        "Send the promised value.",
    ),
    "incomplete_money": Guide("Amount and currency go together.", "Send both or neither."),
    "before_stage_entry": Guide(
        "The transition would lie before the entry into the stage that it leaves.", "Send a later `occurred_at`."
    ),
    "reason_required": Guide("This needs a reason.", "Send `reason`."),
    "key_reused": Guide("The Idempotency-Key was used for another request.", "Use a new key for a new request."),
    "entry_too_large": Guide("The entry would be larger than 65,535 bytes.", "Shorten its texts."),
    "bad_cosignature": Guide(
        "The note holds no word of a known witness on a checkpoint that this log signed.",
        "Send a checkpoint as it was answered, with the lines of the witness behind it; see `docs/proofs.md`.",
    ),
    "bad_timestamp": Guide(
        "The reply of a time-stamping authority grants nothing, or stamps something else than this checkpoint.",
        "Ask for a stamp over the checkpoint as the log signed it (`cosigned=false`), or use `noces log timestamp`.",
    ),
    "bad_policy": Guide(
        "The policy names a trigger or a guard that does not exist, or leaves one out.",
        "Start from `GET /v1/policies` and `GET /v1/machine`.",
    ),
    "bad_settings": Guide("The source's connector or settings do not fit.", "See `GET /v1/connectors/{name}`."),
    "bad_connector": Guide(
        "The connector file cannot work.",
        "`detail` names the line and the field; try it with `noces connectors test FILE PAYLOAD`.",
    ),
    "rate_limited": Guide("Too many requests.", "Wait for `Retry-After`."),
    "internal": Guide(
        "An error on our side; it was logged under `instance`.",
        "Try again with the same Idempotency-Key; report `instance`.",
    ),
    "busy": Guide(
        "Many write this partnership, or the tree has not yet taken in what was just recorded; nothing was written.",
        "Wait for `Retry-After`, then send the same again.",
    ),
    "unavailable": Guide(
        "The log cannot be written or read at the moment.",
        "Wait for `Retry-After`, then send the same with the same Idempotency-Key.",
    ),
    "disk_full": Guide("The disk is full; nothing was written, reading goes on.", "Try again when there is room."),
}
"""By code, in the order of the table of codes."""


def codes_of(status: int) -> list[str]:
    """The codes that a status may carry."""
    return [code for code, each in STATUS.items() if each == status]


def errors_markdown() -> str:
    """The page that lists every code."""
    lines = [
        "# Errors",
        "",
        "Every error is an `application/problem+json` (RFC 9457): `type`, `code`, `title`, `status`, `detail`, `instance` (the",
        "request's id), and where they help `errors` (JSON pointers into the body), `guards`, `id`, `etag`, `position`.",
        "`code` is for programs and never changes its meaning; `detail` is for people. No stack, query or path is ever told.",
        f"{', '.join(str(status) for status in RETRY_AFTER)} carry `Retry-After`.",
        "",
        "| code | status | meaning | what to do |",
        "|---|---|---|---|",
        *(f"| `{code}` | {STATUS[code]} {TITLES[STATUS[code]]} | {each.meaning} | {each.remedy} |" for code, each in GUIDE.items()),
    ]  # fmt: skip
    return "\n".join([*lines, ""])
