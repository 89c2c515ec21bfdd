"""The composition root: the one place where clock, chance, files and routes are put together."""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from domain import events as e
from events.envelope import Context
from events.sqlite import SqliteFile, SqliteStore
from service import demo
from service.admission import Admission
from service.auth import SCOPES, Keys, NewKey
from service.catalogue import Catalogue
from service.clock import Clock, now
from service.connectors.compiled import Connector
from service.connectors.load import load_connectors
from service.handler import Handler
from service.ids import Ids
from service.inbox import Inbox
from service.master import master_key
from service.oidc import Tokens, read_rules
from service.persons import Persons
from service.projections.all import MIGRATIONS, project
from service.proofs.attested import Attested
from service.proofs.cosignature import read_witnesses
from service.proofs.kept import Kept
from service.proofs.trees import Trees
from service.retention import Retention
from service.services import Services
from service.settings import Settings, SettingsError, checkpoints_path, keys_path, log_name
from service.silence import Silence
from service.sources import Sources
from service.states import States
from service.telemetry import Telemetry
from service.vault import STEPS, Vault
from service.views import Views

FACT_FIELDS = {name: frozenset(kind.__struct_fields__) for name, kind in e.FACTS.items()}
"""What a connector may write: every fact and its fields."""

log = structlog.get_logger()


def connectors_at_hand(settings: Settings) -> Mapping[str, Connector]:
    """The shipped connectors and those of the operator's folder."""
    return load_connectors(FACT_FIELDS, Path(settings.connectors) if settings.connectors else None)


# --- the parts ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def running(
    settings: Settings, clock: Callable[[], datetime] = now, *, forking: bool = False
) -> AsyncIterator[Services]:  # fmt: skip
    """Open the log and start everything that works behind the routes.

    Raises SettingsError where the log does not contain what was signed, unless it is opened to declare a fork.
    """
    path = settings.database_path
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = await SqliteFile.open(keys_path(settings), migrations=STEPS, clock=clock)
    try:
        vault = Vault(await master_key(settings, keys), keys)
        async with _serving(settings, vault, clock, forking=forking) as services:
            yield services
    finally:
        await keys.close()


@asynccontextmanager
async def _serving(
    settings: Settings, vault: Vault, clock: Callable[[], datetime], *, forking: bool
) -> AsyncIterator[Services]:  # fmt: skip
    path = settings.database_path
    store = await SqliteStore.open(path, migrations=MIGRATIONS, clock=clock, projections=(project,))
    try:
        await _refuse_builds_before(store)
        services = assemble(settings, store, vault, clock)
        if not forking:
            await services.trees.check()
        await services.persons.resume()
        services.handler.start(on_death=_end_process)
        services.inbox.start()
        rounds = [services.time.rounds, services.silence.rounds, services.keys.rounds, services.trees.rounds]
        if settings.inbox_days:
            rounds.append(services.retention.rounds)
        for each in rounds:
            each.start()
        try:
            yield services
        finally:
            for each in rounds:
                await each.stop()
            await services.keys.tell_use()
            if services.tokens is not None:
                await services.tokens.close()
            await services.inbox.stop()
            await services.handler.stop()
    finally:
        await store.close()


async def _refuse_builds_before(store: SqliteStore) -> None:
    """A log from before 0.1.0 kept its keys inside; there was no release of that kind, so nothing moves them over."""
    if await store.query("SELECT 1 FROM sqlite_master WHERE name = 'vault'"):
        message = "This database was made before version 0.1.0, when keys still lay in the log; begin with a new file."
        raise SettingsError(message)


def assemble(settings: Settings, store: SqliteStore, vault: Vault, clock: Callable[[], datetime]) -> Services:
    """Put the parts together; nothing runs yet."""
    ids = Ids(clock)
    states = States(store)
    telemetry = Telemetry()
    handler = Handler(store, states, vault, clock, ids, timedelta(seconds=settings.clock_quiet_seconds))
    catalogue = Catalogue(store.query, handler, connectors_at_hand(settings), FACT_FIELDS)
    kept = Kept(checkpoints_path(settings))
    inbox = Inbox(store, handler, catalogue, vault, clock, ids, telemetry.item)
    services = Services(
        settings=settings, clock=clock, ids=ids, store=store, announce=store.lock.write, vault=vault,
        states=states, handler=handler,
        keys=Keys(store.query, store.write, handler, clock, ids),
        sources=Sources(store.query, handler, vault, catalogue, settings, ids),
        catalogue=catalogue,
        inbox=inbox, persons=Persons(store, handler, vault, inbox, clock),
        trees=Trees(store, handler, vault, lambda: log_name(settings), kept),
        attested=Attested(store, kept, read_witnesses(settings.witnesses)),
        retention=Retention(store, clock, settings.inbox_days),
        silence=Silence(store.query, clock, telemetry.silent),
        time=Clock(store.query, handler, clock, settings.clock_seconds),
        views=Views(store.query, vault), telemetry=telemetry,
        admission=Admission(settings, time.monotonic, telemetry.limited),
    )  # fmt: skip
    if (rules := read_rules(settings)) is not None:
        services.tokens = Tokens(rules, clock, services.actor_of)
    handler.on_recorded.append(services.recorded)
    return services


def _end_process() -> None:
    """A dead writer would leave every caller waiting: end, and let the supervisor start anew."""
    os.kill(os.getpid(), signal.SIGTERM)


async def first_start(services: Services) -> str | None:
    """Make the organisation, its first key and the demo on first start; the key's text, told this once."""
    organisation = services.settings.organisation
    if not await services.create_organisation(organisation):
        return None
    wanted = NewKey(scopes=SCOPES, name="first key")
    _, key = await services.keys.create(organisation, wanted, Context(actor="system"))
    if services.settings.demo:
        await demo.tell(services, organisation)
    return key
