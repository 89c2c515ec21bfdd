"""What a ticket becomes, and who fell silent."""

import pytest

from examples.helpdesk import facts, read_lives, tickets
from tests.examples.logs import HELPDESK, SMALL, present

LOG = SMALL / "helpdesk.xes"
NAMED = '<string key="concept:name" value="A"/><string key="customer" value="1"/>'


def told(case):
    ticket = next(each for each in tickets(LOG) if each.name == case)
    return [(fact.type.removeprefix("incident."), f"{fact.occurred_at:%m-%d %H:%M:%S}") for fact in facts(ticket)]


def test_a_ticket_is_raised_resolved_reopened_where_it_was_taken_up_and_resolved_again():
    assert told("Case 1") == [
        ("raised", "10-09 14:50:17"), ("resolved", "10-10 09:00:00"), ("reopened", "10-11 09:00:00"),
        ("resolved", "10-12 09:00:00"),
    ]  # fmt: skip


def test_resolved_twice_in_a_row_it_was_reopened_at_the_second_time():
    assert told("Case 4")[2:] == [("reopened", "09-01 09:00:05"), ("resolved", "09-01 09:00:05")]


def test_a_ticket_that_nobody_resolved_is_only_raised():
    assert told("Case 3") == [("raised", "11-05 08:00:00")]


def test_every_fact_has_a_key_of_its_own():
    keys = [fact.key for ticket in tickets(LOG) for fact in facts(ticket)]
    assert len(keys) == len(set(keys)) == 11


def test_a_life_lasts_from_the_first_trace_to_the_last_whatever_it_is():
    life = read_lives(LOG)["Value 1"]
    assert (f"{life.first:%Y-%m-%d}", f"{life.last:%Y-%m-%d}") == ("2012-09-01", "2012-10-27")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ('<date key="time:timestamp" value="2012-10-09T14:50:17Z"/>', "has no concept:name"),
        (NAMED, "has no time:timestamp"),
        (f'{NAMED}<date key="time:timestamp" value="2012-10-09T14:50:17"/>', "has no offset"),
    ],
    ids=["no name", "no time", "no offset"],
)
def test_an_event_that_says_too_little_is_told(tmp_path, event, why):
    path = tmp_path / "log.xes"
    path.write_text(f"<log><trace><event>{event}</event></trace></log>", encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        read_lives(path)


@present(HELPDESK)
def test_the_real_log_has_397_customers():
    assert len(read_lives(HELPDESK)) == 397
