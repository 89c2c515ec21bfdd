"""Errors as others see them: one table of codes, one shape (RFC 9457), no stack, SQL or path ever."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

DOCS = "https://noces.readthedocs.io/errors/"

STATUS: Mapping[str, int] = {
    # bytes, JSON, shape, limits
    "bad_request": 400,
    "bad_json": 400,
    "bad_shape": 400,
    "bad_text": 400,
    "naive_time": 400,
    "bad_parameter": 400,
    "unknown_type": 400,
    "wrong_route": 400,
    "unknown_trigger": 400,
    "unknown_stage": 400,
    # who
    "unauthenticated": 401,
    "missing_signature": 401,
    "bad_format": 401,
    "stale_timestamp": 401,
    "mismatch": 401,
    "no_secret": 401,
    "forbidden": 403,
    "wrong_side": 403,
    "same_actor": 403,
    # where
    "not_found": 404,
    "unknown_event": 404,
    "unknown_link": 404,
    "unknown_override": 404,
    "method_not_allowed": 405,
    # the log forbids
    "already_recorded": 409,
    "already_open": 409,
    "link_taken": 409,
    "name_taken": 409,
    "in_use": 409,
    "transition_refused": 409,
    "transition_impossible": 409,
    "not_retractable": 409,
    "forked": 409,
    "purged": 409,
    "still_running": 409,
    "stale_version": 412,
    "too_large": 413,
    "unsupported_media_type": 415,
    # well-formed, never acceptable
    "future_time": 422,
    "wrong_unit": 422,
    "wrong_dates": 422,
    "unmeasurable_promise": 422,
    "incomplete_money": 422,
    "before_stage_entry": 422,
    "reason_required": 422,
    "key_reused": 422,
    "entry_too_large": 422,
    "bad_cosignature": 422,
    "bad_timestamp": 422,
    "bad_policy": 422,
    "bad_settings": 422,
    "bad_connector": 422,
    "rate_limited": 429,
    "internal": 500,
    "busy": 503,
    "unavailable": 503,
    "disk_full": 507,
}
"""Every published code with its status."""

TITLES: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "The log forbids it",
    412: "The partnership has moved on",
    413: "Too large",
    415: "Unsupported media type",
    422: "Well-formed, but never acceptable",
    429: "Too many requests",
    500: "An error on our side",
    503: "Busy or unavailable, try again",
    507: "The disk is full",
}

RETRY_AFTER: Mapping[int, str] = {429: "1", 503: "1", 507: "30"}


class FieldError(Struct, frozen=True):
    """Where in the body something is wrong, as a JSON pointer, and what."""

    pointer: str
    detail: str


class Problem(Struct, frozen=True, kw_only=True):
    """A problem as RFC 9457 has it; `instance` is the request id."""

    type: str
    code: str
    title: str
    status: int
    detail: str
    instance: str
    errors: tuple[FieldError, ...] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    guards: Any = UNSET
    etag: str | UnsetType = UNSET
    position: int | UnsetType = UNSET


class ServiceError(Exception):
    """A request that cannot be served: a published code, a sentence, and members of the problem.

    `reason` is for the operator's log and metrics alone: a stranger is not told which part of a credential was wrong.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        reason: str = "",
        **members: Any,  # noqa: ANN401  # members of a Problem, checked by its struct
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.reason = reason
        self.members = members

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS[self.code]


def problem(error: ServiceError, instance: str) -> Problem:
    """The problem document of an error."""
    return Problem(
        type=f"{DOCS}{error.code}", code=error.code, title=TITLES[error.status], status=error.status,
        detail=error.detail, instance=instance, errors=error.errors or UNSET, **error.members,
    )  # fmt: skip


def problem_answer(error: ServiceError, instance: str) -> tuple[bytes, dict[str, str]]:
    """The body of an error's answer and its headers, without the media type."""
    headers = dict(error.headers)
    if error.status in RETRY_AFTER:
        headers.setdefault("Retry-After", RETRY_AFTER[error.status])
    return problem_bytes(error, instance), headers


def problem_bytes(error: ServiceError, instance: str) -> bytes:
    """The body of an error's answer."""
    return msgspec.json.encode(problem(error, instance))
