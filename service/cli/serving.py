"""`noces serve`."""

import rich_click as click

from service.cli.options import common
from service.settings import read_settings


@click.command()
@common
@click.option("--host", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", type=int, help="Port; default 8000.")
@click.option("--connectors", help="A folder of connector files beside the shipped ones.")
def serve(database: str | None, as_json: bool, host: str | None, port: int | None, connectors: str | None) -> None:
    """Serve the API; on first start make the organisation and print its key once."""
    from service.server import run_server, serve_for_ever  # the server is heavy and only this command needs it

    settings = read_settings({"database": database, "host": host, "port": port, "connectors": connectors})
    run_server(serve_for_ever(settings, json_logs=as_json))
