"""The logs that the examples are run on: small ones written by hand, and real ones where they are present."""

import csv
import gzip
import os
from itertools import islice
from pathlib import Path

import pytest

from tests.service.processes import ROOT

SMALL = Path(__file__).parent / "small"
REAL = Path(os.environ.get("NOCES_SHARED_DATA") or ROOT.parent / "shared" / "data")
HELPDESK = REAL / "itsm" / "helpdesk_italian.xes.gz"
CRM = REAL / "crm"
US_CONTRACTS = REAL / "procurement" / "us_fpds_it_contracts_2025-04.csv.gz"


def present(path: Path) -> pytest.MarkDecorator:
    """Skips where a real log is not there."""
    return pytest.mark.skipif(not path.exists(), reason=f"no real log at {path}: NOCES_SHARED_DATA names the folder")


def first_tickets(folder: Path, count: int) -> Path:
    """The first tickets of the real help desk."""
    kept, left = [], count
    with gzip.open(HELPDESK, "rt", encoding="utf-8") as source:
        for line in source:
            kept.append(line)
            left -= "</trace>" in line
            if not left:
                break
    path = folder / "helpdesk.xes"
    path.write_text("".join([*kept, "</log>\n"]), encoding="utf-8")
    return path


def first_rows(folder: Path, source: Path, name: str, count: int) -> Path:
    """The head and the first rows of a real CSV file."""
    path = folder / name
    with gzip.open(source, "rt", encoding="utf-8", newline="") as lines, path.open("w", newline="") as kept:
        csv.writer(kept).writerows(islice(csv.reader(lines), count + 1))
    return path
