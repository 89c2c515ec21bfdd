"""`noces sources`."""

from typing import Any

import rich_click as click

from service.cli.options import common, run, show
from service.settings import read_settings


@click.group()
def sources() -> None:
    """Sources of webhook deliveries."""


@sources.command("create")
@common
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option("--connector", required=True, help="See `noces connectors list`.")
@click.option("--name", required=True, help="What it is for.")
@click.option("--secret", "secrets", multiple=True, help="A secret that the sender signs with; may be repeated.")
@click.option("--setting", "pairs", multiple=True, help="NAME=VALUE of the connector's settings; may be repeated.")
def create_source(database: str | None, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Add a source and print the address for the sender."""
    from service.operations import sources as work

    made = run(work.create_source(read_settings({"database": database}), **wanted))
    show(made, as_json=as_json, text=f"{made['id']}\n{made['url']}")
