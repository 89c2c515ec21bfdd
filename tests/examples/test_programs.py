"""Each program against a real server: everything is accepted, twice changes nothing, and every replay agrees."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.examples.logs import CRM, HELPDESK, SMALL, US_CONTRACTS, first_rows, first_tickets, present
from tests.examples.programs import audit, begin, replayed, run, tell
from tests.service.processes import Server

pytestmark = pytest.mark.xdist_group("examples")  # one worker makes what all of them look at


class Case(NamedTuple):
    """A log, and what must come out of it; `accepted` counts facts and transitions, `stages` flags and overlaps too."""

    program: str
    path: Callable[[Path], Path]
    partnerships: int
    accepted: int
    stages: dict[str, int]


def first_deals(folder: Path) -> Path:
    return first_rows(folder, CRM / "sales_pipeline.csv.gz", "sales_pipeline.csv", 200).parent


def first_contracts(folder: Path) -> Path:
    return first_rows(folder, US_CONTRACTS, "contracts.csv", 40)


BY_HAND = {
    "a help desk by hand": Case("helpdesk", lambda _: SMALL / "helpdesk.xes", 3, 12, {"honeymoon": 2, "separating": 1}),
    "a pipeline by hand": Case("crm_pipeline", lambda _: SMALL / "crm", 3, 5, {"honeymoon": 3}),
    "contracts by hand": Case(
        "us_contracts", lambda _: SMALL / "us_contracts.csv", 3, 20, {"honeymoon": 2, "separating": 1}
    ),
}
PARTS = {
    "60 tickets": (
        HELPDESK,
        Case(
            "helpdesk", lambda folder: first_tickets(folder, 60), 49, 172,
            {"separating": 42, "honeymoon": 7},
        ),
    ),
    "200 deals": (
        CRM,
        Case(
            "crm_pipeline", first_deals, 77, 182,
            {"honeymoon": 77, "commitment (overlapping)": 7, "power_struggle (overlapping)": 2},
        ),
    ),
    "40 contracts": (
        US_CONTRACTS,
        Case(
            "us_contracts", first_contracts, 33, 170,
            {
                "separating": 25, "honeymoon": 8, "unverified_honeymoon (flag)": 4, "honeymoon (overlapping)": 1,
                "power_struggle (overlapping)": 1,
            },
        ),
    ),
}  # fmt: skip
WHOLE = {
    "every ticket": (
        HELPDESK,
        Case(
            "helpdesk", lambda _: HELPDESK, 397, 10_249,
            {"separating": 272, "honeymoon": 125, "unverified_honeymoon (flag)": 82},
        ),
    ),
    "every deal": (
        CRM,
        Case(
            "crm_pipeline", lambda _: CRM, 85, 9_150,
            {"honeymoon": 85, "power_struggle (overlapping)": 85, "commitment (overlapping)": 85},
        ),
    ),
    "every contract": (
        US_CONTRACTS,
        Case(
            "us_contracts", lambda _: US_CONTRACTS, 324, 1_767,
            {
                "separating": 182, "honeymoon": 105, "power_struggle": 37, "unverified_honeymoon (flag)": 41,
                "power_struggle (overlapping)": 23, "honeymoon (overlapping)": 11,
            },
        ),
    ),
}  # fmt: skip
NOWHERE = Server(Path("nothing"), 9)

CASES = [
    *(pytest.param(case, id=name) for name, case in BY_HAND.items()),
    *(pytest.param(case, id=name, marks=present(log)) for name, (log, case) in PARTS.items()),
    *(pytest.param(case, id=name, marks=[present(log), pytest.mark.long]) for name, (log, case) in WHOLE.items()),
]


@pytest.fixture(scope="module", params=CASES)
def told(request, tmp_path_factory):
    case, folder = request.param, tmp_path_factory.mktemp("told")
    server, path = begin(folder), case.path(folder)
    yield case, server, tell(case.program, path, server), tell(case.program, path, server)
    server.kill()


def test_everything_is_accepted_and_counted(told, record_property):
    case, _, first, _ = told
    assert (first.status, first.errors) == (0, "")
    assert first.counts == (case.partnerships, 0, case.accepted, 0)
    stages = ", ".join(f"{stage} {count:,}" for stage, count in first.stages.items())
    record_property("told", f"{case.program}, {case.partnerships} partnerships: {stages}")


def test_every_partnership_stands_where_its_facts_put_it(told):
    case, _, first, _ = told
    assert first.stages == case.stages


def test_the_same_log_twice_changes_nothing(told):
    case, _, first, second = told
    assert (second.status, second.counts) == (0, (0, case.partnerships, 0, case.accepted))
    assert (second.position, second.state_hash) == (first.position, first.state_hash)
    assert second.stages == first.stages


def test_every_replay_comes_to_the_same_state_and_nothing_is_otherwise(told):
    _, server, first, _ = told
    answers = [audit(server, mode="verify", strict=True), audit(server, mode="hindsight"), replayed(server)]
    assert {each["state_hash"] for each in answers} == {first.state_hash}
    assert answers[0]["ok"]


# --- what cannot be told ---------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_told_in_a_sentence():
    ran = run("helpdesk", SMALL / "helpdesk.xes", NOWHERE)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("helpdesk.py: ")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("program", ["helpdesk", "crm_pipeline", "us_contracts"])
def test_a_log_that_is_not_there_is_told_in_a_sentence(program, tmp_path):
    ran = run(program, tmp_path / "nothing", NOWHERE)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert str(tmp_path) in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
