"""The colour of each fact: the stage that it speaks of (DOMAIN 3, last column), counted by day."""

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
"""Type -> stage number; `promise.measured` takes its colour from its promise (measures.py)."""

BITS = 10
MOST = (1 << BITS) - 1
"""A day counts at most so many facts of one colour; five such counts stay within the integers that JSON keeps exact."""


def count(colours: dict[int, int], colour: int, day: int) -> None:
    """Count one more fact of a colour (0 to 4) on a day: five counts share one integer."""
    shift = colour * BITS
    counts = colours.get(day, 0)
    if counts >> shift & MOST < MOST:
        colours[day] = counts + (1 << shift)


def counted(counts: int) -> list[tuple[int, int]]:
    """The counts of a day as (colour, number), where there were any."""
    found = []
    colour = 0
    while counts:
        if number := counts & MOST:
            found.append((colour, number))
        counts >>= BITS
        colour += 1
    return found
