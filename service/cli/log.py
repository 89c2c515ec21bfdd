"""What is done with the log and its tables: import, rebuild, doctor."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from service.cli.options import FAILED, common, fail, run, show
from service.settings import read_settings

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import")
@common
@click.argument("file", type=EXISTING)
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option("--url", help="A running server to import through; needs --key.")
@click.option("--key", help="An API key of that server.")
@click.option("--with-keys", "keys", type=EXISTING, help="Of an exported log: the file of its keys.")
@click.option("--prefix", help="Makes lines without a key repeatable: <prefix>/<line number>.")
def import_file(database: str | None, as_json: bool, file: Path, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Import facts from NDJSON: a fact a line, refused lines told, the others kept.

    An exported log is restored instead, byte for byte, into a database that no server has open.
    """
    from service.operations import log as work
    from service.restoring import is_exported

    if is_exported(file):
        _restore(database, file, as_json=as_json, **wanted)
        return
    if wanted.pop("keys") is not None:
        fail("--with-keys belongs to an exported log; facts have no keys.")
    refused, summary = run(work.import_file(read_settings({"database": database}), file, **wanted))
    for line in refused:
        click.echo(f"line {line['line']}: {line['code']}: {line['detail']}", err=True)
    text = "{lines} lines: {accepted} accepted, {repeated} repeated, {refused} refused.".format(**summary)
    show(summary, as_json=as_json, text=text)
    if summary["refused"]:
        sys.exit(FAILED)


def _restore(database: str | None, file: Path, *, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    from service.operations import log as work

    if wanted.get("url") or wanted.get("prefix"):
        fail("An exported log is restored where the database lies, without --url and --prefix.")
    told = run(work.restore_file(read_settings({"database": database}), file, wanted["organisation"], wanted["keys"]))
    text = "{restored} entries restored, {repeated} were there; the log ends at {position}.\nroot {root}".format(**told)
    show(told, as_json=as_json, text=text)


@click.command()
@common
def rebuild(database: str | None, as_json: bool) -> None:
    """Make the read models anew from the log, and tell whether they were equal."""
    from service.operations import log as work

    told = run(work.rebuild(read_settings({"database": database})))
    equal = "equal to the live tables" if told["equal"] else f"different in {', '.join(told['different'])}; replaced"
    show(told, as_json=as_json, text=f"{told['events']} events read; the read models were {equal}.")


@click.command()
@common
def doctor(database: str | None, as_json: bool) -> None:
    """Explain settings that are unsafe or slow; exit status 1 when one is unsafe."""
    from service.operations import log as work

    findings = run(work.examine(read_settings({"database": database})))
    text = "\n".join(f"{each.level:7} {each.name}: {each.detail}" for each in findings)
    show([msgspec.to_builtins(each) for each in findings], as_json=as_json, text=text)
    if any(each.level == "unsafe" for each in findings):
        sys.exit(FAILED)


@click.group("log")
def log_group() -> None:
    """The log as a whole: its signed head, and what to do after a restore."""


@log_group.command("checkpoint")
@common
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file for the note; default: print it.")
@click.option("--timestamp", "url", help="Have it stamped by this authority (RFC 3161), as `noces log timestamp` does.")
def checkpoint(
    database: str | None, as_json: bool, organisation: str | None, out: Path | None, url: str | None
) -> None:  # fmt: skip
    """Sign the head of the log: keep it where nobody who writes the database can reach it."""
    from service.operations import log as work

    if url is not None and out is not None:
        raise click.UsageError("--timestamp keeps the stamp with the log; --out writes a checkpoint without one.")
    if url is not None:
        _stamp(database, organisation, url, None, as_json=as_json)
        return
    note = run(work.checkpoint(read_settings({"database": database}), organisation))
    if out is None:
        show({"checkpoint": note}, as_json=as_json, text=note.rstrip("\n"))
        return
    out.write_text(note, encoding="utf-8")
    show({"file": str(out)}, as_json=as_json, text=str(out))


@log_group.command("timestamp")
@common
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option("--url", required=True, help="The address of a time-stamping authority (RFC 3161).")
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its root certificates (PEM); without them its certificates are not checked here.",
)
def timestamp(database: str | None, as_json: bool, organisation: str | None, url: str, ca: Path | None) -> None:
    """Sign the head of the log and have it stamped: an authority says by when it was there."""
    _stamp(database, organisation, url, ca, as_json=as_json)


def _stamp(database: str | None, organisation: str | None, url: str, ca: Path | None, *, as_json: bool) -> None:
    from cryptography.x509 import load_pem_x509_certificates

    from service.operations import stamps as work

    try:
        roots = [] if ca is None else load_pem_x509_certificates(ca.read_bytes())
    except ValueError as error:
        fail(f"{ca} holds no certificates: {error}")
    told = run(work.timestamp(read_settings({"database": database}), organisation, url, roots))
    text = f"The checkpoint of {told['size']} entries was stamped at {told['stamped_at']}."
    show(told, as_json=as_json, text=text)


@log_group.command("witness")
@common
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def witness(database: str | None, as_json: bool, file: Path, organisation: str | None) -> None:
    """Take cosignatures: FILE is a checkpoint of this log with the lines of its witnesses behind it."""
    from service.operations import log as work

    note = run(work.witness(read_settings({"database": database}), organisation, file.read_bytes()))
    show({"checkpoint": note}, as_json=as_json, text=note.rstrip("\n"))


@log_group.command("rotate-key")
@common
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
def rotate_key(database: str | None, as_json: bool, organisation: str | None) -> None:
    """Sign with a new key under the same name from now on; refuses while a server runs."""
    from service.operations import log as work

    told = run(work.rotate_key(read_settings({"database": database}), organisation))
    show(told, as_json=as_json, text=f"{told['origin']} is signed by a new key: {told['verifier']}.")


@log_group.command("fork")
@common
@click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")
@click.option("--reason", required=True, help="Why the log goes on from another past than was signed.")
def fork(database: str | None, as_json: bool, organisation: str | None, reason: str) -> None:
    """Declare that a restored log goes on from where it stands, under a new name and key."""
    from service.operations import log as work

    told = run(work.fork(read_settings({"database": database}), organisation, reason))
    show(told, as_json=as_json, text=f"The log goes on as {told['origin']}; its key is {told['verifier']}.")
