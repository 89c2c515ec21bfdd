"""What the routes work with: built once by the composition root, handed to every call."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct, field

from domain import events as e
from domain.policy import POLICY_1
from events.envelope import Context, RecordedEvent
from events.store import Database
from service.admission import Admission
from service.asked import Administer, Asked
from service.auth import Keys, Principal, credential, unauthenticated
from service.catalogue import Catalogue
from service.clock import Clock
from service.handler import Handler
from service.ids import Ids
from service.inbox import Inbox
from service.oidc import Tokens
from service.persons import Persons
from service.policies import POLICY_STREAM
from service.projections import Query
from service.proofs.attested import Attested
from service.proofs.trees import Trees
from service.retention import Retention
from service.settings import Settings, SettingsError
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
    persons: Persons
    trees: Trees
    attested: Attested
    retention: Retention
    silence: Silence
    time: Clock
    views: Views
    telemetry: Telemetry
    admission: Admission
    tokens: Tokens | None = None
    """Verifies the tokens of an OpenID Connect issuer, where one is set."""
    waiting: dict[str, asyncio.Event] = field(default_factory=dict)

    @property
    def query(self) -> Query:
        """Reads rows of read models."""
        return self.store.query

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The caller whom a key or a token names. Raises ServiceError `unauthenticated`."""
        text = credential(headers)
        if self.tokens is not None and text is not None and text.count(".") == 2:  # noqa: PLR2004  # a JWS has three parts
            return await self.tokens.authenticate(text)
        return await self.keys.authenticate(headers)

    async def actor_of(self, organisation: str, subject: str) -> str:
        """The opaque id of somebody whom a token names. Raises ServiceError `unauthenticated` without such an organisation."""
        try:
            digest = await self.vault.digest(organisation, b"actor", subject.encode())
        except SettingsError:
            raise unauthenticated(f"There is no organisation {organisation!r} here.", "token_organisation") from None
        return f"usr_{digest.hex()[:32]}"

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
        await self.vault.new_organisation(organisation)
        policy = e.PolicyAdopted(version=1, policy=POLICY_1)
        asked = Asked(
            organisation=organisation, stream=POLICY_STREAM, command=Administer(events=(policy,), expected=0),
            context=Context(actor="system"),
        )  # fmt: skip
        await self.handler.handle(asked)
        return True
