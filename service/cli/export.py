"""`noces export`."""

import sys
from pathlib import Path
from typing import Any

import rich_click as click

from service.cli.options import common, fail, run, show
from service.settings import read_settings


@click.command()
@common
@click.option(
    "--format",
    "form",
    type=click.Choice(["ndjson", "csv", "cloudevents", "ocel-json", "ocel-sqlite", "xes"]),
    default="ndjson",
    help="ndjson: the log as it is stored. csv: every stay in a stage. cloudevents: CloudEvents 1.0, a line an event. "
    "ocel-json, ocel-sqlite: OCEL 2.0. xes: XES 1.0.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; default: standard output.")
@click.option(
    "--partnership",
    "partnerships",
    multiple=True,
    help="Only this partnership; may be repeated. Lines of ndjson are then a list that cannot be restored.",
)
@click.option(
    "--personal",
    is_flag=True,
    help="Open names and texts with the master key; without it a name is a pseudonym (per_...), a text is left out. "
    "Never in ndjson.",
)
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option(
    "--with-keys",
    "keys",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With ndjson: also write the wrapped keys into this file; the master key opens them.",
)
def export(database: str | None, as_json: bool, keys: Path | None, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Write the log, or the stages of every partnership, or what other tools open, beside a running server too."""
    from service.operations import export as work
    from service.operations.keys_file import export_keys

    settings, asked = read_settings({"database": database}), work.Wanted(**wanted)
    if keys is not None and (asked.form != "ndjson" or asked.partnerships):
        fail("--with-keys belongs to a whole log as ndjson: nothing else can be restored.")
    count = run(work.export(settings, asked, sys.stdout.buffer))
    if keys is not None:
        run(export_keys(settings, asked.organisation or settings.organisation, keys))
    if asked.out is not None:
        show({"file": str(asked.out), "bytes": count}, as_json=as_json, text=f"{asked.out}: {count} bytes")
