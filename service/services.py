"""What the routes work with: built once by the composition root, handed to every call."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct, field

from domain import events as e
from domain.policy import POLICY_1
from events.envelope import Context, RecordedEvent
from events.store import Database
from service.asked import Administer, Asked
from service.auth import Keys
from service.catalogue import Catalogue
from service.clock import Clock
from service.handler import Handler
from service.ids import Ids
from service.inbox import Inbox
from service.policies import POLICY_STREAM
from service.projections import Query
from service.settings import Settings
from service.silence import Silence
from service.sources import Sources
from service.states import States
from service.telemetry import Telemetry
from service.vault import Vault
from service.views import Views


class Services(Struct, kw_only=True, eq=False):
    """Everything that a running service is made of."""

    settings: Settings
    clock: Callable[[], datetime]
    ids: Ids
    store: Database
    announce: Callable[[dict[str, str]], None]
    """Tells, beside the database file, where this server is reached and with which token."""
    vault: Vault
    states: States
    handler: Handler
    keys: Keys
    sources: Sources
    catalogue: Catalogue
    inbox: Inbox
    silence: Silence
    time: Clock
    views: Views
    telemetry: Telemetry
    waiting: dict[str, asyncio.Event] = field(default_factory=dict)

    @property
    def query(self) -> Query:
        """Reads rows of read models."""
        return self.store.query

    def changed(self, organisation: str) -> asyncio.Event:
        """Set when the organisation's log grows next."""
        return self.waiting.setdefault(organisation, asyncio.Event())

    def recorded(self, organisation: str, events: tuple[RecordedEvent, ...]) -> None:
        """Tell who waits that the log has grown."""
        self.telemetry.recorded(len(events))
        if events and (waiting := self.waiting.pop(organisation, None)) is not None:
            waiting.set()

    async def create_organisation(self, organisation: str) -> bool:
        """Make an organisation with its own key and policy 1; false where it exists."""
        if (await self.store.head(organisation)).position:
            return False
        policy = e.PolicyAdopted(version=1, policy=POLICY_1)
        asked = Asked(
            organisation=organisation, stream=POLICY_STREAM, command=Administer(events=(policy,), expected=0),
            context=Context(actor="system"), rows=tuple(self.vault.new_organisation(organisation)),
        )  # fmt: skip
        await self.handler.handle(asked)
        return True
