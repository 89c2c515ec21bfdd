"""The server process: uvicorn around the application, its address in the lock file, the key printed once."""

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial

import click
import uvicorn
import uvloop
from msgspec.structs import replace

from service.api.serving import build
from service.app import first_start, running
from service.collector import calm_collector
from service.protocol import bounded
from service.request_log import RequestLog, Told
from service.settings import OTHER_FILES, Settings, SettingsError
from service.telemetry import configure_logs

BACKLOG = 2_048


def run_server(serving: Coroutine[None, None, None]) -> None:
    """Run the server, on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)


async def serve_for_ever(settings: Settings, *, json_logs: bool = False) -> None:
    """Serve until a signal says stop. Raises SettingsError when the address is taken, StoreError when the file is."""
    if json_logs:
        settings = replace(settings, log_format="json")
    configure_logs(json=settings.log_format == "json")
    listener = _listen(settings)
    try:
        async with running(settings) as services:
            services.announce({"url": _local_url(settings), "token": services.keys.run_token})
            key = await first_start(services)
            _greet(settings, key)
            with calm_collector():
                await _serve(build(services, tell=_request_log(settings, services.clock)), listener, settings)
    finally:
        listener.close()


def _request_log(settings: Settings, clock: Callable[[], datetime]) -> Callable[[Told], None] | None:
    if not settings.log_requests:
        return None
    return RequestLog(partial(os.write, sys.stderr.fileno()), clock, json=settings.log_format == "json").tell


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, so that the event loop switches Nagle's algorithm off: else every answer waits for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        message = (
            f"Port {settings.port} on {settings.host} cannot be used ({error.strerror}); choose another with --port."
        )
        raise SettingsError(message) from error
    return listener


def _local_url(settings: Settings) -> str:
    """Where the command line on this machine reaches the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # compared, not bound
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _allow_files(connections: int) -> None:
    """Let the process open a file for every connection, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _serve(app: object, listener: socket.socket, settings: Settings) -> None:
    _allow_files(settings.connections)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", backlog=BACKLOG, server_header=False,  # type: ignore[arg-type]
        timeout_graceful_shutdown=10, timeout_keep_alive=settings.idle_seconds, http=bounded(settings), ws="none",
        proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours let the writer finish first
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    await server.serve(sockets=[listener])


def _greet(settings: Settings, key: str | None) -> None:
    click.echo(f"Noces listens on {settings.base_url} (documentation: {settings.base_url}/docs)")
    if key is not None:
        click.echo(f"The key of organisation {settings.organisation!r}, shown this once:\n\n  export NOCES_KEY={key}\n")
