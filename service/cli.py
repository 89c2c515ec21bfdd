"""The command line: serve, and everything that an operator does beside it."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import msgspec
import rich_click as click

from events.store import StoreError
from service.connectors.load import ConnectorError
from service.errors import ServiceError
from service.settings import SettingsError, read_settings

P = ParamSpec("P")
R = TypeVar("R")

FAILED = 1


def fail(message: str) -> NoReturn:
    """End with one sentence on standard error."""
    click.echo(message, err=True)
    sys.exit(FAILED)


def sentence(command: Callable[P, R]) -> Callable[P, R]:
    """Tell errors that an operator can do something about in one sentence."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (SettingsError, StoreError, ServiceError, ConnectorError, OSError) as error:
            fail(str(error))

    return told


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command."""
    command = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")(command)
    return click.option("--database", help="sqlite:///path; default NOCES_DATABASE.")(sentence(command))


def show(value: Any, *, as_json: bool, text: str) -> None:  # noqa: ANN401  # anything JSON can hold
    """Answer for programs or for people."""
    click.echo(msgspec.json.encode(value).decode() if as_json else text)


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run a piece of asynchronous work; what it logs goes to standard error."""
    from service.telemetry import configure_logs

    configure_logs(json=False)
    return asyncio.run(work)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="noces")
def main() -> None:
    """Noces: an event-sourced state machine for technology partnerships."""


# --- serve -------------------------------------------------------------------------------------------------------------


@main.command()
@common
@click.option("--host", help="Address to listen on; default 127.0.0.1.")
@click.option("--port", type=int, help="Port; default 8000.")
@click.option("--connectors", help="A folder of connector files beside the shipped ones.")
def serve(database: str | None, as_json: bool, host: str | None, port: int | None, connectors: str | None) -> None:
    """Serve the API; on first start make the organisation and print its key once."""
    from service.server import run_server, serve_for_ever  # the server is heavy and only this command needs it

    settings = read_settings({"database": database, "host": host, "port": port, "connectors": connectors})
    run_server(serve_for_ever(settings, json_logs=as_json))


# --- keys and sources ----------------------------------------------------------------------------------------------------


@main.group()
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
def create_key(database: str | None, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Create a key and print it this once."""
    from service import operations

    made = run(operations.create_key(read_settings({"database": database}), **wanted))
    show(made, as_json=as_json, text=f"{made['id']}\n{made['key']}")


@keys.command("list")
@common
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def list_keys(database: str | None, as_json: bool, organisation: str | None) -> None:
    """List keys, never their secrets."""
    from service import operations

    found = run(operations.list_keys(read_settings({"database": database}), organisation))
    text = "\n".join(f"{key['id']}  {','.join(key['scopes'])}  {key['name'] or ''}" for key in found)
    show(found, as_json=as_json, text=text)


@keys.command("revoke")
@common
@click.argument("key")
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def revoke_key(database: str | None, as_json: bool, key: str, organisation: str | None) -> None:
    """End a key."""
    from service import operations

    run(operations.revoke_key(read_settings({"database": database}), organisation, key))
    show({"id": key, "revoked": True}, as_json=as_json, text=f"{key} is revoked.")


@main.group()
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
    from service import operations

    made = run(operations.create_source(read_settings({"database": database}), **wanted))
    show(made, as_json=as_json, text=f"{made['id']}\n{made['url']}")


# --- policies ------------------------------------------------------------------------------------------------------------


@main.group()
def policy() -> None:
    """The policy: thresholds and switches of the guards."""


@policy.command("show")
@common
@click.argument("version", type=int, required=False)
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def show_policy(database: str | None, as_json: bool, version: int | None, organisation: str | None) -> None:
    """Print a policy as TOML: the one in force, or an earlier VERSION."""
    from service import operations

    found, text = run(operations.show_policy(read_settings({"database": database}), organisation, version))
    show(found, as_json=as_json, text=text)


@policy.command("adopt")
@common
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def adopt_policy(database: str | None, as_json: bool, file: Path, organisation: str | None) -> None:
    """Adopt the policy of a TOML FILE, in the form that `noces policy show` prints."""
    from service import operations

    adopted = run(operations.adopt_policy(read_settings({"database": database}), organisation, file))
    show(adopted, as_json=as_json, text=f"Policy {adopted['version']} is in force.")


# --- the log -------------------------------------------------------------------------------------------------------------


@main.command("import")
@common
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option("--url", help="A running server to import through; needs --key.")
@click.option("--key", help="An API key of that server.")
@click.option("--prefix", help="Makes lines without a key repeatable: <prefix>/<line number>.")
def import_file(database: str | None, as_json: bool, file: Path, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Import facts from NDJSON: a fact a line, refused lines told, the others kept."""
    from service import operations

    refused, summary = run(operations.import_file(read_settings({"database": database}), file, **wanted))
    for line in refused:
        click.echo(f"line {line['line']}: {line['code']}: {line['detail']}", err=True)
    text = "{lines} lines: {accepted} accepted, {repeated} repeated, {refused} refused.".format(**summary)
    show(summary, as_json=as_json, text=text)
    if summary["refused"]:
        sys.exit(FAILED)


@main.command()
@common
def rebuild(database: str | None, as_json: bool) -> None:
    """Make the read models anew from the log, and tell whether they were equal."""
    from service import operations

    told = run(operations.rebuild(read_settings({"database": database})))
    equal = "equal to the live tables" if told["equal"] else f"different in {', '.join(told['different'])}; replaced"
    show(told, as_json=as_json, text=f"{told['events']} events read; the read models were {equal}.")


@main.command()
@common
def doctor(database: str | None, as_json: bool) -> None:
    """Explain settings that are unsafe or slow; exit status 1 when one is unsafe."""
    from service import operations

    findings = run(operations.examine(read_settings({"database": database})))
    text = "\n".join(f"{each.level:7} {each.name}: {each.detail}" for each in findings)
    show([msgspec.to_builtins(each) for each in findings], as_json=as_json, text=text)
    if any(each.level == "unsafe" for each in findings):
        sys.exit(FAILED)


# --- documents -----------------------------------------------------------------------------------------------------------


@main.command()
@common
@click.option(
    "--write", "folder", is_flag=False, flag_value="openapi", help="Write the documents to a folder (openapi)."
)
def openapi(database: str | None, as_json: bool, folder: str | None) -> None:  # noqa: ARG001  # the common options
    """Print the OpenAPI document, or write all documents, and the pages of docs/ beside them that code makes."""
    from service.openapi import openapi_bytes, write_documents
    from service.pages import write_pages

    if folder is None:
        click.echo(openapi_bytes().decode())
        return
    written = [str(path) for path in (*write_documents(Path(folder)), *write_pages(Path(folder).parent / "docs"))]
    show(written, as_json=as_json, text="\n".join(written))


@main.command()
@common
@click.option("--format", "form", type=click.Choice(["mermaid", "svg"]), default="mermaid", help="What to draw in.")
def diagram(database: str | None, as_json: bool, form: str) -> None:  # noqa: ARG001  # the common options
    """Draw the machine from the machine."""
    from service import diagram as drawing

    drawn = drawing.svg() if form == "svg" else drawing.mermaid()
    show({"format": form, "drawing": drawn}, as_json=as_json, text=drawn)


@main.group()
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
    from service import operations

    report = operations.try_connector(read_settings({"database": database}), file, payload, settings)
    show(report, as_json=as_json, text=msgspec.json.format(msgspec.json.encode(report), indent=2).decode())


@connectors.command("show")
@common
@click.argument("file")
def show_connector(database: str | None, as_json: bool, file: str) -> None:
    """Tell what a connector knows: its proofs, settings, links, rules and samples.

    FILE is a connector file, or the name of a shipped connector.
    """
    from service import operations

    told = operations.show_connector(read_settings({"database": database}), file)
    show(told, as_json=as_json, text=msgspec.json.format(msgspec.json.encode(told), indent=2).decode())


@main.command()
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
    from service import operations

    settings = read_settings({"database": database})
    told = run(
        operations.trigger(
            settings, wanted["connector"], wanted["event"], wanted["url"], wanted["secret"], wanted["proof"]
        )
    )
    show(told, as_json=as_json, text=f"{told['status']} {told['answer']}")
    if not 200 <= told["status"] < 300:  # noqa: PLR2004  # what a sender takes for success
        sys.exit(FAILED)
