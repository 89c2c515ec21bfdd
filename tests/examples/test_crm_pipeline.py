"""What an opportunity becomes."""

import httpx

from examples.crm_pipeline import COLUMNS, by_account, facts
from examples.files import found, rows
from examples.sending import Sender
from tests.examples.logs import CRM, SMALL, present


def accounts(folder):
    sender = Sender(httpx.Client())
    return by_account(rows(found(folder, "sales_pipeline.csv"), COLUMNS), sender), sender


def told(account):
    known, sender = accounts(SMALL / "crm")
    return list(facts(account, known[account], sender)), sender


def test_the_first_won_signs_the_contract_and_the_next_renews_it():
    signed, renewed, *_ = told("Cancity")[0]
    assert (signed.type, renewed.type) == ("contract.signed", "contract.renewed")
    assert signed.fields == {
        "contract": "WON00001", "starts_on": "2016-12-01", "amount": 451_400, "currency": "USD",
    }  # fmt: skip
    assert (renewed.fields["contract"], renewed.fields["amount"]) == ("WON00001", 5_050)


def test_lost_after_won_is_a_demand_refused_and_lost_before_is_left_out():
    known, sender = told("Cancity")
    assert [(fact.type, fact.fields["side"], f"{fact.occurred_at:%Y-%m-%d}") for fact in known[2:]] == [
        ("demand.raised", "partner", "2017-01-05"),
        ("demand.refused", "client", "2017-03-01"),
    ]
    assert sender.left_out == {"opportunities without an account": 1, "opportunities lost before a contract": 1}


def test_an_opportunity_that_is_still_open_is_no_fact():
    assert told("Isdom")[0] == []


@present(CRM)
def test_the_real_log_has_85_accounts():
    assert len(accounts(CRM)[0]) == 85
