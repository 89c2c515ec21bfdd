"""Contracts of US federal agencies with IT vendors (CSV of FPDS records): an agency and a vendor are a partnership.

    python examples/us_contracts.py us_fpds_it_contracts_2025-04.csv.gz --key ...

Each row is a contract and its latest action; FPDS counts that action in its totals, so both sides of it can be told.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from examples.files import rows
from examples.sending import Fact, Json, Link, Opening, Sender, run

CURRENCY = "USD"
CENTS = 100
TERMINATED = "TERMINATED"
COLUMNS = (
    "agency", "vendor", "fpds_status", "award_procurement_id", "date_signed", "date_effective", "date_complete",
    "amount_obligated", "amount_obligated_total", "amount_ultimate", "amount_ultimate_total", "dt_scrape",
)  # fmt: skip
CHANGES = {
    "EXERCISE AN OPTION": "contract.renewed",
    "CHANGE ORDER": "contract.amended",
    "SUPPLEMENTAL AGREEMENT FOR WORK WITHIN SCOPE": "contract.amended",
}
"""Latest action -> what it did to the contract; terminations apart, the others did nothing to it."""

Parties = tuple[str, str]
"""Agency and vendor."""


class Contract(NamedTuple):
    """A contract as its row tells it; money in cents, the ceiling with all options and before the latest action."""

    piid: str
    status: str
    began: date
    effective: date
    acted: date
    complete: date | None
    ceiling: int
    obligated: int
    ordered: int
    """What the latest action ordered."""

    def ended(self, today: date) -> date | None:
        """The day on which it was terminated, or else complete, where that day has come."""
        if self.status == TERMINATED:
            return self.acted
        return self.complete if self.complete is not None and self.complete <= today else None


def send(path: Path, sender: Sender) -> datetime:
    """Tell every partnership's contracts, then which of them is over; the day on which the records were read."""
    partnerships, today = read(path, sender)
    for parties, contracts in partnerships.items():
        began = min(each.began for each in contracts)
        sender.open(Opening(*parties, midnight(began), link_of(parties)))
        told = [fact for each in contracts for fact in facts(parties, each, today)]
        for fact in sorted(told, key=lambda fact: fact.occurred_at):
            sender.tell(fact)
    for parties, contracts in partnerships.items():
        part(parties, contracts, today, sender)
    return midnight(today)


# --- reading ---------------------------------------------------------------------------------------------------------


def read(path: Path, sender: Sender) -> tuple[dict[Parties, list[Contract]], date]:
    """Agency and vendor -> their contracts, and the day on which the last record was read."""
    found: dict[Parties, dict[str, Contract]] = defaultdict(dict)
    today = date.min
    for row in rows(path, COLUMNS):
        known = found[one_line(row["agency"]), one_line(row["vendor"])]
        if row["award_procurement_id"] in known:
            sender.left_out["rows that repeat a contract"] += 1
        known[row["award_procurement_id"]] = read_contract(row)
        today = max(today, date.fromisoformat(row["dt_scrape"][:10]))
    if not found:
        raise ValueError(f"{path} holds no contract.")
    return {parties: list(contracts.values()) for parties, contracts in found.items()}, today


def one_line(name: str) -> str:
    """A name whose line was broken to fit a page."""
    return " ".join(name.split())


def read_contract(row: Mapping[str, str]) -> Contract:
    """The contract of a row. A base award has no totals yet: its own amounts are they."""
    acted, effective = day(row["date_signed"]), day(row["date_effective"])
    total = row["amount_ultimate_total"]
    return Contract(
        piid=row["award_procurement_id"], status=row["fpds_status"], began=min(acted, effective), effective=effective,
        acted=acted, complete=day(row["date_complete"]) if row["date_complete"] else None,
        ceiling=cents(total) - cents(row["amount_ultimate"]) if total else cents(row["amount_ultimate"]),
        obligated=cents(row["amount_obligated_total"] or row["amount_obligated"]), ordered=cents(row["amount_obligated"]),
    )  # fmt: skip


def day(text: str) -> date:
    """A day as FPDS writes it."""
    return datetime.strptime(text, "%m/%d/%Y").replace(tzinfo=UTC).date()


def cents(dollars: str) -> int:
    """An amount in cents; none is nothing."""
    return round(Decimal(dollars or "0") * CENTS)


def midnight(day: date) -> datetime:
    """The first instant of a day."""
    return datetime.combine(day, datetime.min.time(), UTC)


def link_of(parties: Parties) -> Link:
    """What the log calls the partnership."""
    return Link("fpds", "agency-vendor", " / ".join(parties))


# --- telling ---------------------------------------------------------------------------------------------------------


def facts(parties: Parties, contract: Contract, today: date) -> Iterator[Fact]:
    """The life of a contract: promised and signed, changed, and measured when it ended."""

    def fact(what: str, at: date, **fields: Json) -> Fact:
        return Fact(link_of(parties), f"fpds/{'/'.join(parties)}/{contract.piid}/{what}", what, midnight(at), fields)

    piid, ended = contract.piid, contract.ended(today)
    budget: dict[str, Json] = {"promise": f"{piid} budget", "unit": CURRENCY}
    if contract.ceiling > 0:
        made: dict[str, Json] = {
            "side": "client",
            "kind": "budget",
            "promised": contract.ceiling,
            "evidence": "verified",
        }
        yield fact(
            "promise.made", contract.began, **budget, **made, text="The contract's ceiling with all its options."
        )
    yield fact("contract.signed", contract.began, **terms(contract, contract.effective, contract.ceiling))
    if change := CHANGES.get(contract.status):
        yield fact(change, contract.acted, **terms(contract, contract.acted, contract.ordered))
    if contract.status == TERMINATED:
        yield fact(
            "contract.notice_given", contract.acted, contract=piid, side="client", effective_on=str(contract.acted)
        )
    if contract.ceiling > 0 and ended is not None:
        yield fact("promise.measured", ended, **budget, actual=max(contract.obligated, 0))


def terms(contract: Contract, starts: date, amount: int) -> dict[str, Json]:
    """A contract's own fields; an end that lies before the start, and an amount that takes money away, are not told."""
    found: dict[str, Json] = {"contract": contract.piid, "starts_on": str(starts)}
    if contract.complete is not None and contract.complete >= starts:
        found["ends_on"] = str(contract.complete)
    return found | ({"amount": amount, "currency": CURRENCY} if amount > 0 else {})


def part(parties: Parties, contracts: Iterable[Contract], today: date, sender: Sender) -> None:
    """Ask for the separation of parties whose contracts are over, one of them terminated."""
    terminated = sorted(each.piid for each in contracts if each.status == TERMINATED)
    ends = [each.ended(today) for each in contracts]
    over = [end for end in ends if end is not None]
    if not terminated:
        return
    if len(over) < len(ends):
        sender.left_out["separations, because another contract of the partnership runs on"] += 1
        return
    wanted = {"trigger": "separate", "side": "client", "reason": "strategy"}
    link, text = link_of(parties), f"Terminated: {', '.join(terminated)}."
    sender.ask(link, f"fpds/{link.external_id}/separate", midnight(max(over)), **wanted, text=text)


if __name__ == "__main__":
    sys.exit(run(send, __doc__))
