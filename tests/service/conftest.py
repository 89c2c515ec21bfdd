"""The real thing for every test: services over a file of their own, a clock to set, clients with keys, processes."""

from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from service.api.serving import build
from tests.service.processes import Server, free_port
from tests.service.world import Time, client, make_key, settings_of, started


@pytest.fixture
def clock():
    return Time()


@pytest.fixture
async def services(tmp_path, clock):
    async with started(settings_of(tmp_path), clock) as running:
        yield running


@pytest.fixture
async def keyed(services):
    """Makes clients: `await keyed(["read"], side="partner", partnerships=("pn_1",), organisation="other")`."""
    app = build(services)
    async with AsyncExitStack() as stack:

        async def make(*scopes, **chosen):
            text = await make_key(services, *scopes, **chosen)
            return await stack.enter_async_context(client(services, text, app))

        yield make


@pytest.fixture
async def http(keyed):
    """A client whose key has every scope."""
    return await keyed()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory):
    """(services, client with every scope) for a module whose tests disturb each other in nothing."""
    async with started(settings_of(tmp_path_factory.mktemp("shared")), Time()) as running:
        async with client(running, await make_key(running)) as everything:
            yield running, everything


@pytest.fixture(scope="session")
def standing(tmp_path_factory):
    """One `noces serve` process for all tests that leave it as it was."""
    server = Server(tmp_path_factory.mktemp("standing") / "noces.db", port=free_port()).start()
    yield server
    server.kill()


@pytest.fixture
def serve(tmp_path):
    """Starts `noces serve` processes; each is ended with the test."""
    begun = []

    def start(path=None, *, wait=True, **settings):
        server = Server(path or tmp_path / "noces.db", **{"port": free_port(), **settings})
        begun.append(server)
        return server.start() if wait else server.begin()

    yield start
    for server in begun:
        server.kill()


@pytest.fixture
def server(serve):
    """One `noces serve` process."""
    return serve()
