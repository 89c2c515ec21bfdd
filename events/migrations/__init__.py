"""The tables of the log as numbered steps, each applied once; other modules bring steps of their own."""

from collections.abc import Iterable
from importlib.resources import files
from itertools import pairwise

from msgspec import Struct


class Migration(Struct, frozen=True):
    """One step of the schema; numbers are unique over all modules, and a released step is never edited."""

    number: int
    name: str
    sql: str


def read_migrations(package: str) -> tuple[Migration, ...]:
    """The steps that lie as `NNNN_name.sql` in a package, in order."""
    found = [item for item in files(package).iterdir() if item.name.endswith(".sql")]
    return tuple(
        Migration(int(item.name[:4]), item.name[5:-4], item.read_text("utf-8"))
        for item in sorted(found, key=lambda item: item.name)
    )


def in_order(migrations: Iterable[Migration]) -> list[Migration]:
    """All steps by number; ValueError where two modules use the same one."""
    ordered = sorted(migrations, key=lambda step: step.number)
    for step, following in pairwise(ordered):
        if step.number == following.number:
            raise ValueError(f"Migrations {step.name!r} and {following.name!r} both have number {step.number}.")
    return ordered
