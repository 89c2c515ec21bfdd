"""`noces policy`."""

from pathlib import Path

import rich_click as click

from service.cli.options import common, run, show
from service.settings import read_settings


@click.group()
def policy() -> None:
    """The policy: thresholds and switches of the guards."""


@policy.command("show")
@common
@click.argument("version", type=int, required=False)
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def show_policy(database: str | None, as_json: bool, version: int | None, organisation: str | None) -> None:
    """Print a policy as TOML: the one in force, or an earlier VERSION."""
    from service.operations import policies as work

    found, text = run(work.show_policy(read_settings({"database": database}), organisation, version))
    show(found, as_json=as_json, text=text)


@policy.command("adopt")
@common
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def adopt_policy(database: str | None, as_json: bool, file: Path, organisation: str | None) -> None:
    """Adopt the policy of a TOML FILE, in the form that `noces policy show` prints."""
    from service.operations import policies as work

    adopted = run(work.adopt_policy(read_settings({"database": database}), organisation, file))
    show(adopted, as_json=as_json, text=f"Policy {adopted['version']} is in force.")
