"""`noces backup` and `noces restore`."""

from pathlib import Path
from typing import Any

import rich_click as click

from service.cli.options import common, run, show
from service.settings import read_settings

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@common
@click.option("--out", type=FILE, required=True, help="A new file for the log.")
@click.option("--keys-out", type=FILE, help="A new file for the data keys: keep it apart, and for a shorter time.")
def backup(database: str | None, as_json: bool, out: Path, keys_out: Path | None) -> None:
    """Copy the log beside a running server, and prove the copy: it verifies, and comes to the same state."""
    from service.operations import backup as work

    told = run(work.backup(read_settings({"database": database}), out, keys_out))
    show(told, as_json=as_json, text=_text(told))


@click.command()
@common
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(database: str | None, as_json: bool, file: Path) -> None:
    """Put a backup in the place of the database, which is moved aside; refuses while a server runs."""
    from service.operations import backup as work

    told = run(work.restore(read_settings({"database": database}), file))
    show(told, as_json=as_json, text=_text(told))


def _text(told: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{each['organisation']}: {each['events']} events, state hash {each['state_hash']}" for each in told
    )
