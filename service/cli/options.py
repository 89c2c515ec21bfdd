"""What every command shares: its options, how it answers, how it fails."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import msgspec
import rich_click as click

from events.codec import UnreadableError
from events.store import StoreError
from service.connectors.load import ConnectorError
from service.errors import ServiceError
from service.settings import SettingsError

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
        except UnreadableError as error:
            fail(f"The log holds an entry that cannot be read: {error}. Run noces verify, which tells its place.")
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
