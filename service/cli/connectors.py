"""`noces connectors` and `noces trigger`."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from service.cli.options import FAILED, common, run, show
from service.settings import read_settings


@click.group()
def connectors() -> None:
    """Connectors: how senders sign and what their deliveries mean."""


@connectors.command("list")
@common
def list_connectors(database: str | None, as_json: bool) -> None:
    """List the connectors at hand."""
    from service.app import connectors_at_hand

    found = {
        name: each.spec.title
        for name, each in sorted(connectors_at_hand(read_settings({"database": database})).items())
    }
    show(found, as_json=as_json, text="\n".join(f"{name:20} {title}" for name, title in found.items()))


@connectors.command("test")
@common
@click.argument("file")
@click.argument("payload", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--setting", "settings", multiple=True, help="NAME=VALUE of the connector's settings; may be repeated.")
def try_connector(database: str | None, as_json: bool, file: str, payload: Path, settings: tuple[str, ...]) -> None:
    """Map a delivery without writing anything: which rule matches, which facts follow, why not.

    FILE is a connector file, or the name of a shipped connector.
    """
    from service.operations import connectors as work

    report = work.try_connector(read_settings({"database": database}), file, payload, settings)
    show(report, as_json=as_json, text=msgspec.json.format(msgspec.json.encode(report), indent=2).decode())


@connectors.command("show")
@common
@click.argument("file")
def show_connector(database: str | None, as_json: bool, file: str) -> None:
    """Tell what a connector knows: its proofs, settings, links, rules and samples.

    FILE is a connector file, or the name of a shipped connector.
    """
    from service.operations import connectors as work

    told = work.show_connector(read_settings({"database": database}), file)
    show(told, as_json=as_json, text=msgspec.json.format(msgspec.json.encode(told), indent=2).decode())


@click.command()
@common
@click.argument("connector")
@click.argument("event")
@click.option("--url", required=True, help="The address of a source, as `noces sources create` printed it.")
@click.option("--secret", required=True, help="A secret of that source; for Ed25519 the private key, whsk_...")
@click.option("--proof", help="Which of the connector's proofs to give; default: the first.")
def trigger(database: str | None, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Send a signed sample to a source of a running server.

    CONNECTOR is a connector file, or the name of a shipped connector. EVENT is the name of one of its samples (see
    `noces connectors show`), or a file with a body.
    """
    from service.operations import connectors as work

    settings = read_settings({"database": database})
    told = run(
        work.trigger(settings, wanted["connector"], wanted["event"], wanted["url"], wanted["secret"], wanted["proof"])
    )
    show(told, as_json=as_json, text=f"{told['status']} {told['answer']}")
    if not 200 <= told["status"] < 300:  # noqa: PLR2004  # what a sender takes for success
        sys.exit(FAILED)
