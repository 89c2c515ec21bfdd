"""Files of a log, packed with gzip or not."""

import csv
import gzip
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file; those of `NAME.gz` unpacked as they are read."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as source:
        yield source  # type: ignore[misc]  # a GzipFile reads as a binary file does


def rows(path: Path, names: Collection[str]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a head, by the names in it. Raises ValueError where one of these is missing."""
    with opened(path) as source:
        reader = csv.DictReader(TextIOWrapper(source, encoding="utf-8", newline=""))
        if missing := sorted(set(names) - set(reader.fieldnames or ())):
            raise ValueError(f"{path} has no column {missing[0]!r}; its head names the columns that are read.")
        for row in reader:
            if None in row.values():
                raise ValueError(
                    f"{path} has fewer cells than its head in the row that ends in line {reader.line_num}."
                )
            yield row


def found(folder: Path, name: str) -> Path:
    """A file of a folder under its name or packed. Raises FileNotFoundError."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise FileNotFoundError(f"{folder} holds neither {name} nor {name}.gz.")
