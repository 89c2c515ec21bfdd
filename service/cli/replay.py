"""`noces replay` and `noces verify`: the log read again."""

import sys
from pathlib import Path
from typing import Any

import rich_click as click

from service.cli.options import FAILED, common, run, show
from service.settings import read_settings

ORGANISATION = click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")


@click.command()
@common
@click.option("--verify", is_flag=True, help="Take every stored decision again, and compare tables and snapshots.")
@click.option("--strict", is_flag=True, help="With --verify: ask every fact which transition should have followed.")
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What if this policy (TOML) had held?",
)
@click.option("--hindsight", is_flag=True, help="Tell the facts in the order in which they occurred.")
@click.option("--as-of", help="Only what was true by then (RFC 3339).")
@click.option("--known-at", help="Only what was recorded by then (RFC 3339).")
@click.option("--partnership", "partnerships", multiple=True, help="Only this partnership; may be repeated.")
@ORGANISATION
def replay(database: str | None, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Read the log again, beside a running server too; without an option, fold it and tell the state hash."""
    _replay(database, as_json=as_json, **wanted)


@click.command()
@common
@click.option("--strict", is_flag=True, help="Ask every fact which transition should have followed.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A signed checkpoint that you kept; may be repeated.",
)
@ORGANISATION
def verify(database: str | None, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Verify the log: every entry, every decision, every table; exit status 1 where something is otherwise."""
    _replay(database, as_json=as_json, verify=True, **wanted)


def _replay(database: str | None, *, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    from service.operations import replay as work

    def tell(line: dict[str, Any]) -> None:
        show(line, as_json=as_json, text=work.told(line))

    result = run(work.replay(read_settings({"database": database}), tell, **wanted))
    if not result["ok"] and wanted.get("verify"):
        sys.exit(FAILED)
