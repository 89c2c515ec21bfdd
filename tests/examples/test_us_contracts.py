"""What a contract becomes, and which partnership is over."""

from datetime import date

import httpx
import pytest

from examples.sending import Sender
from examples.us_contracts import facts, read
from tests.examples.logs import SMALL, US_CONTRACTS, present

AGENCY = "Department of Small Things"


@pytest.fixture
def sender():
    return Sender(httpx.Client())


@pytest.fixture
def told(sender):
    """Vendor -> contract -> type -> fact."""
    known, today = read(SMALL / "us_contracts.csv", sender)
    return {
        vendor: {each.piid: {fact.type: fact for fact in facts((agency, vendor), each, today)} for each in contracts}
        for (agency, vendor), contracts in known.items()
    }


def test_a_terminated_contract_is_promised_signed_given_notice_of_and_measured(told):
    contract = told["ALPHA LLC"]["A1"]
    assert list(contract) == ["promise.made", "contract.signed", "contract.notice_given", "promise.measured"]
    assert [f"{fact.occurred_at:%Y-%m-%d}" for fact in contract.values()] == [*["2023-09-23"] * 2, *["2025-03-12"] * 2]


def test_the_ceiling_is_the_one_before_the_latest_action(told):
    contract = told["ALPHA LLC"]["A1"]
    assert contract["promise.made"].fields["promised"] == 100_000
    assert contract["promise.measured"].fields["actual"] == 50_025


def test_an_option_renews_from_its_day_with_what_it_ordered(told):
    assert told["GAMMA INC"]["G1"]["contract.renewed"].fields == {
        "contract": "G1", "starts_on": "2025-02-15", "ends_on": "2026-02-14", "amount": 25_050, "currency": "USD",
    }  # fmt: skip


def test_a_base_award_that_begins_later_is_signed_on_its_own_day_and_not_measured(told):
    contract = told["GAMMA INC"]["G2"]
    assert list(contract) == ["promise.made", "contract.signed"]
    assert f"{contract['contract.signed'].occurred_at:%Y-%m-%d}" == "2025-03-01"
    assert contract["contract.signed"].fields["starts_on"] == "2025-05-01"


def test_a_change_order_amends_and_a_broken_name_is_one(told):
    assert "contract.amended" in told["BETA & SONS"]["B2"]


def test_the_day_of_reading_is_that_of_the_newest_record(sender):
    _, today = read(SMALL / "us_contracts.csv", sender)
    assert today == date(2025, 4, 4)
    assert sender.left_out == {"rows that repeat a contract": 1}


@pytest.mark.parametrize(
    ("text", "why"), [("agency,vendor\n", "no column"), ("", "no column")], ids=["a column", "everything"]
)
def test_a_file_without_its_columns_is_told(tmp_path, sender, text, why):
    path = tmp_path / "contracts.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        read(path, sender)


@present(US_CONTRACTS)
def test_the_real_log_has_251_vendors_of_36_agencies_in_324_partnerships(sender):
    known, _ = read(US_CONTRACTS, sender)
    agencies, vendors = ({parties[side] for parties in known} for side in (0, 1))
    assert (len(known), len(vendors), len(agencies)) == (324, 251, 36)
