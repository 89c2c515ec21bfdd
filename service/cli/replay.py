"""`noces replay` and `noces verify`: the log read again."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from service.cli.options import FAILED, common, fail, run, show
from service.settings import read_settings

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
ORGANISATION = click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")


@click.command()
@common
@click.option("--verify", is_flag=True, help="Take every stored decision again, and compare tables and snapshots.")
@click.option("--strict", is_flag=True, help="With --verify: ask every fact which transition should have followed.")
@click.option(
    "--policy",
    type=EXISTING,
    help="What if this policy (TOML) had held?",
)
@click.option("--hindsight", is_flag=True, help="Tell the facts in the order in which they occurred.")
@click.option("--as-of", help="Only what was true by then (RFC 3339).")
@click.option("--known-at", help="Only what was recorded by then (RFC 3339).")
@click.option("--partnership", "partnerships", multiple=True, help="Only this partnership; may be repeated.")
@ORGANISATION
def replay(database: str | None, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    """Read the log again, beside a running server too; without an option, fold it and tell the state hash."""
    _replay(database, as_json=as_json, **wanted)


@click.command()
@common
@click.option("--strict", is_flag=True, help="Ask every fact which transition should have followed.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=EXISTING,
    help="A signed checkpoint that you kept; may be repeated.",
)
@click.option("--capsule", type=EXISTING, help="Verify an audit capsule instead; no database is needed.")
@click.option("--key", type=EXISTING, help="With --capsule: a file with the log's verifier key, as you have kept it.")
@ORGANISATION
def verify(
    database: str | None,
    as_json: bool,
    capsule: Path | None,
    key: Path | None,
    **wanted: Any,  # noqa: ANN401  # click's options
) -> None:
    """Verify the log: every entry, every decision, every table; exit status 1 where something is otherwise."""
    if capsule is None:
        if key is not None:
            fail("--key belongs to --capsule.")
        _replay(database, as_json=as_json, verify=True, **wanted)
        return
    if wanted["organisation"] or database:
        fail("A capsule is a log of its own; leave --organisation and --database away.")
    from service.operations.capsule_audit import audit_capsule, held

    kept = held(wanted["checkpoints"], key)
    work = audit_capsule(capsule, _teller(as_json=as_json), kept, strict=wanted["strict"])
    if not run(work)["ok"]:
        sys.exit(FAILED)


def _replay(database: str | None, *, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401  # click's options
    from service.operations import replay as work

    result = run(work.replay(read_settings({"database": database}), _teller(as_json=as_json), **wanted))
    if not result["ok"] and wanted.get("verify"):
        sys.exit(FAILED)


def _teller(*, as_json: bool) -> Callable[[dict[str, Any]], None]:
    from service.operations.replay import told

    return lambda line: show(line, as_json=as_json, text=told(line))
