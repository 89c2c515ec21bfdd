"""`noces export`."""

import sys
from pathlib import Path

import rich_click as click

from service.cli.options import common, fail, run, show
from service.settings import read_settings


@click.command()
@common
@click.option(
    "--format",
    "form",
    type=click.Choice(["ndjson", "csv"]),
    default="ndjson",
    help="ndjson: the log as it is stored. csv: every stay in a stage.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; default: standard output.")
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option(
    "--with-keys",
    "keys",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With ndjson: also write the wrapped keys into this file; the master key opens them.",
)
def export(
    database: str | None, as_json: bool, form: str, out: Path | None, organisation: str | None, keys: Path | None
) -> None:
    """Write the log, or the stages of every partnership, beside a running server too."""
    from service.operations import export as work
    from service.operations.keys_file import export_keys

    settings = read_settings({"database": database})
    if keys is not None and form != "ndjson":
        fail("--with-keys belongs to ndjson: no other form can be restored.")
    count = run(work.export(settings, organisation, form, out, sys.stdout.buffer))
    if keys is not None:
        run(export_keys(settings, organisation or settings.organisation, keys))
    if out is not None:
        show({"file": str(out), "bytes": count}, as_json=as_json, text=f"{out}: {count} bytes")
