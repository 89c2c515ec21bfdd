"""`noces capsule`."""

from pathlib import Path

import rich_click as click

from service.cli.options import common, run, show
from service.settings import read_settings


@click.command()
@common
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The ZIP file to make.")
@click.option(
    "--partnership", "partnerships", multiple=True, help="Report on this one; may be repeated. Default: on all."
)
@click.option("--language", type=click.Choice(["en", "fr"]), default="en", help="Of the report.")
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def capsule(
    database: str | None,
    as_json: bool,
    out: Path,
    partnerships: tuple[str, ...],
    language: str,
    organisation: str | None,
) -> None:
    """Pack the whole log, its proofs and a report into one ZIP that anybody can check with nothing but Python.

    Every entry of the organisation is in it, whichever partnerships are reported; personal values stay sealed.
    """
    from service.operations import capsule as work

    settings = read_settings({"database": database})
    wanted = work.Wanted(
        organisation=organisation or settings.organisation, partnerships=partnerships, language=language
    )
    told = run(work.make_capsule(settings, out, wanted))
    text = "{file}: {entries} entries, a report of {partnerships} partnerships.\nroot {root}\nkey {key}".format(**told)
    show(told, as_json=as_json, text=text)
