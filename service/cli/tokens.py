"""`noces log token`."""

import rich_click as click

from service.cli.options import common, run, show
from service.settings import read_settings

ORGANISATION = click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")


@click.group("token")
def token() -> None:
    """Addresses that read the log's checkpoints and tiles without a header."""


@token.command("create")
@common
@click.option("--name", required=True, help="Whom or what it is for.")
@click.option("--expires", help="How long it lives: 90d, 12h, 30m.")
@ORGANISATION
def create_token(database: str | None, as_json: bool, organisation: str | None, name: str, expires: str | None) -> None:
    """Create a token and print its address this once."""
    from service.operations import tokens as work

    made = run(work.create_token(read_settings({"database": database}), organisation, name, expires))
    show(made, as_json=as_json, text=f"{made['id']}\n{made['prefix']}")


@token.command("list")
@common
@ORGANISATION
def list_tokens(database: str | None, as_json: bool, organisation: str | None) -> None:
    """List tokens, never their texts."""
    from service.operations import tokens as work

    found = run(work.list_tokens(read_settings({"database": database}), organisation))
    text = "\n".join(f"{each['id']}  {each['name']}{'  revoked' if each['revoked_at'] else ''}" for each in found)
    show(found, as_json=as_json, text=text)


@token.command("revoke")
@common
@click.argument("identifier")
@ORGANISATION
def revoke_token(database: str | None, as_json: bool, organisation: str | None, identifier: str) -> None:
    """End a token."""
    from service.operations import tokens as work

    run(work.revoke_token(read_settings({"database": database}), organisation, identifier))
    show({"id": identifier, "revoked": True}, as_json=as_json, text=f"{identifier} is revoked.")
