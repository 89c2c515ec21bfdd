"""The one error that the domain raises: a code for programs and a sentence for people."""

from typing import Literal

Code = Literal[
    "already_recorded",
    "future_time",
    "wrong_unit",
    "unmeasurable_promise",
    "incomplete_money",
    "wrong_route",
    "unknown_event",
    "not_retractable",
    "unknown_trigger",
    "transition_impossible",
    "before_stage_entry",
    "unknown_stage",
    "unknown_override",
    "same_actor",
    "link_taken",
    "unknown_link",
    "reason_required",
    "wrong_dates",
]


class DomainError(Exception):
    """What was asked cannot be; `message` says what is wrong, what was expected and what to do.

    `index` is the place of the offending fact in an array, `version` the event that stands against it.
    """

    def __init__(self, code: Code, message: str, *, index: int | None = None, version: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.index = index
        self.version = version
