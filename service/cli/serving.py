"""`noces serve`."""

from typing import Any

import rich_click as click

from service.cli.options import common, fail, run
from service.settings import Settings, read_settings


@click.command()
@common
@click.option("--host", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", type=int, help="Port; default 8000.")
@click.option("--production", is_flag=True, help="Refuse to start with a setting that `noces doctor` calls unsafe.")
@click.option("--connectors", help="A folder of connector files beside the shipped ones.")
def serve(database: str | None, as_json: bool, production: bool, **given: Any) -> None:  # noqa: ANN401  # click's options
    """Serve the API; on first start make the organisation and print its key once."""
    from service.server import run_server, serve_for_ever  # the server is heavy and only this command needs it

    settings = read_settings({"database": database, **given})
    if production:
        _refuse_unsafe(settings)
    run_server(serve_for_ever(settings, json_logs=as_json))


def _refuse_unsafe(settings: Settings) -> None:
    from service.operations import log as work

    unsafe = [each for each in run(work.examine(settings)) if each.level == "unsafe"]
    if unsafe:
        fail("Not safe for production:\n" + "\n".join(f"{each.name}: {each.detail}." for each in unsafe))
