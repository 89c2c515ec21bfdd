"""The pipeline of a sales team (CSV): an account and the seller are a partnership.

    python examples/crm_pipeline.py crm/ --key ...

The folder holds `sales_pipeline.csv`, packed or not. Its amounts name no currency: US dollars are assumed.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from examples.files import found, rows
from examples.sending import Fact, Json, Link, Opening, Sender, run

SELLER = "The seller"
CURRENCY = "USD"
CENTS = 100

COLUMNS = ("opportunity_id", "product", "account", "deal_stage", "engage_date", "close_date", "close_value")

Row = Mapping[str, str]


def send(path: Path, sender: Sender) -> datetime:
    """Tell every account's opportunities; the end of the log."""
    ends: list[datetime] = []
    for account, opportunities in by_account(rows(found(path, "sales_pipeline.csv"), COLUMNS), sender).items():
        known = [midnight(row[name]) for row in opportunities for name in ("engage_date", "close_date") if row[name]]
        if not known:
            sender.left_out["accounts without a date"] += 1
            continue
        sender.open(Opening(account, SELLER, min(known), link_of(account)))
        for fact in facts(account, opportunities, sender):
            sender.tell(fact)
        ends.append(max(known))
    if not ends:
        raise ValueError(f"{path} holds no account with a date.")
    return max(ends)


def by_account(pipeline: Iterable[Row], sender: Sender) -> dict[str, list[Row]]:
    """Account -> its opportunities; those that name none are of no partnership."""
    accounts: dict[str, list[Row]] = defaultdict(list)
    for row in pipeline:
        if row["account"]:
            accounts[row["account"]].append(row)
        else:
            sender.left_out["opportunities without an account"] += 1
    return accounts


def midnight(day: str) -> datetime:
    """The first instant of an ISO day."""
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)


def link_of(account: str) -> Link:
    """What the log calls the partnership."""
    return Link("crm", "account", account)


def facts(account: str, opportunities: Sequence[Row], sender: Sender) -> Iterator[Fact]:
    """The first won signs the contract, the next ones renew it, and each lost after it is an offer refused."""
    closed = sorted((row for row in opportunities if row["close_date"]), key=lambda row: row["close_date"])
    contract = ""
    for row in closed:
        if row["deal_stage"] == "Won":
            yield _won(account, row, contract)
            contract = contract or row["opportunity_id"]
        elif contract:
            yield from _lost(account, row)
        else:
            sender.left_out["opportunities lost before a contract"] += 1


def _won(account: str, row: Row, contract: str) -> Fact:
    amount = int(Decimal(row["close_value"]) * CENTS)
    fields: dict[str, Json] = {"contract": contract or row["opportunity_id"], "starts_on": row["close_date"]}
    what = "contract.renewed" if contract else "contract.signed"
    return _fact(account, row, what, "close_date", {**fields, "amount": amount, "currency": CURRENCY})


def _lost(account: str, row: Row) -> Iterator[Fact]:
    """The seller wanted more, and the client did not: what strain is called (DOMAIN 3, colour 2)."""
    demand, product = row["opportunity_id"], row["product"]
    yield _fact(
        account, row, "demand.raised", "engage_date",
        {"demand": demand, "side": "partner", "text": f"{product} was offered."},
    )  # fmt: skip
    yield _fact(
        account, row, "demand.refused", "close_date",
        {"demand": demand, "side": "client", "reason": f"{product} was not bought: the opportunity was lost."},
    )  # fmt: skip


def _fact(account: str, row: Row, what: str, dated: str, fields: Mapping[str, Json]) -> Fact:
    return Fact(link_of(account), f"crm/{row['opportunity_id']}/{what}", what, midnight(row[dated]), fields)


if __name__ == "__main__":
    sys.exit(run(send, __doc__))
