"""`noces keys`."""

from pathlib import Path
from typing import Any

import rich_click as click

from service.cli.options import common, run, show
from service.settings import read_settings


@click.group()
def keys() -> None:
    """API keys."""


@keys.command("create")
@common
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option(
    "--scopes", required=True, help="Comma-separated: read,write,transitions,transitions:override,hooks,audit,admin."
)
@click.option("--side", type=click.Choice(["client", "partner"]), help="The key speaks for this side only.")
@click.option(
    "--partnership", "partnerships", multiple=True, help="The key sees this partnership only; may be repeated."
)
@click.option("--expires", help="How long it lives: 90d, 12h, 30m.")
@click.option("--name", help="What it is for.")
@click.option("--requests-per-minute", type=click.IntRange(1), help="A limit of its own; default NOCES_KEY_REQUESTS.")
def create_key(database: str | None, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Create a key and print it this once."""
    from service.operations import keys as work

    made = run(work.create_key(read_settings({"database": database}), **wanted))
    show(made, as_json=as_json, text=f"{made['id']}\n{made['key']}")


@keys.command("list")
@common
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def list_keys(database: str | None, as_json: bool, organisation: str | None) -> None:
    """List keys, never their secrets."""
    from service.operations import keys as work

    found = run(work.list_keys(read_settings({"database": database}), organisation))
    text = "\n".join(f"{key['id']}  {','.join(key['scopes'])}  {key['name'] or ''}" for key in found)
    show(found, as_json=as_json, text=text)


@keys.command("revoke")
@common
@click.argument("key")
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def revoke_key(database: str | None, as_json: bool, key: str, organisation: str | None) -> None:
    """End a key."""
    from service.operations import keys as work

    run(work.revoke_key(read_settings({"database": database}), organisation, key))
    show({"id": key, "revoked": True}, as_json=as_json, text=f"{key} is revoked.")


@keys.command("rotate-master")
@common
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file for the key, where a setting gives it."
)
def rotate_master(database: str | None, as_json: bool, out: Path | None) -> None:
    """Wrap every data key under a new master key; refuses while a server runs."""
    from service.operations import keys as work

    settings = read_settings({"database": database})
    count = run(work.rotate_master(settings, out))
    text = f"{count} keys are wrapped under the new master key; the old one opens nothing any more."
    show({"keys": count}, as_json=as_json, text=text)
