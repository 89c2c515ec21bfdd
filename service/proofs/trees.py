"""The trees: grown behind the writes, signed when asked, and never signed where an older signed one is not in them.

Each signed checkpoint is also kept in a file beside the database. A database that does not contain the newest kept one
was restored or altered: nothing is written or signed then, until somebody declares the fork.
"""

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import quote

import structlog
from msgspec.structs import replace

from domain import events as e
from events.envelope import Context, RecordedEvent
from events.store import Change, Database, Put, Remove, RowChange, Value
from service.asked import Administer, Asked
from service.errors import ServiceError
from service.handler import Handler
from service.proofs.growing import BATCH, take
from service.proofs.hashes import Hashes
from service.proofs.kept import Kept, digest
from service.proofs.log_keys import LogKeys, log_verifiers, retired
from service.proofs.note import Checkpoint, NoteError, Verifier, opened_by_any, read_checkpoint, sign
from service.proofs.signed import Signed, find_signed, newest_signed, signed_row
from service.proofs.tables import Tree, find_tree
from service.rounds import Rounds
from service.settings import SettingsError
from service.vault import Vault

EVERY = 1.0
"""Seconds between two looks at what was recorded."""
PATIENCE = 2.0
"""Seconds that somebody waits for the tree to take in what is recorded."""
STREAM = "log"
SYSTEM = Context(actor="system")

log = structlog.get_logger()


class Trees:
    """Grows, signs and proves."""

    def __init__(self, store: Database, handler: Handler, vault: Vault, name: Callable[[], str], kept: Kept) -> None:
        self._store = store
        self._handler = handler
        self._keys = LogKeys(store.query, vault)
        self._name = name
        self.kept = kept
        self.hashes = Hashes(store.query)
        self._behind: set[str] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self.rounds = Rounds("trees", self._round, EVERY)
        handler.on_recorded.append(self._recorded)

    # --- behind the writes -------------------------------------------------------------------------------------------

    def _recorded(self, organisation: str, _: tuple[RecordedEvent, ...]) -> None:
        self._behind.add(organisation)

    async def _round(self) -> bool:
        """Grow the trees of what was recorded since the last round."""
        while self._behind:
            organisation = self._behind.pop()
            try:
                if await find_tree(self._store.query, organisation) is not None:
                    await self.grow(organisation)
            except BaseException:
                self._behind.add(organisation)  # for the next round, or the next start
                raise
        return False

    async def grow(self, organisation: str) -> int:
        """Take every entry that is recorded into the tree; its size."""
        while True:
            size, count = await self._store.alone(lambda database: take(database, organisation, BATCH))
            if count < BATCH:
                return int(size)

    async def caught_up(self, organisation: str) -> int:
        """As `grow`, for somebody who waits. Raises ServiceError `busy` after two seconds; the tree goes on growing."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.grow(organisation)
        except TimeoutError:
            self._behind.add(organisation)
            raise ServiceError("busy", "The tree has not yet taken in all that is recorded; try again.") from None

    # --- checkpoints -------------------------------------------------------------------------------------------------

    async def tree(self, organisation: str) -> Tree:
        """The organisation's tree; it is begun, with a key of its own, when it is asked for first."""
        async with self._locks.setdefault(organisation, asyncio.Lock()):
            known = await find_tree(self._store.query, organisation)
            if known is not None:
                return known
            return await self._begin(organisation, self._origin(organisation))

    async def verifiers(self, organisation: str, tree: Tree) -> list[Verifier]:
        """Every key under the tree's name, the present one last."""
        return await log_verifiers(self._store.query, organisation, tree)

    def _origin(self, organisation: str) -> str:
        return f"{self._name()}/{quote(organisation, safe='')}"

    async def _begin(
        self, organisation: str, origin: str, before: Sequence[e.Event] = (), superseded: str | None = None
    ) -> Tree:
        """Begin a tree with a key of its own, in the place of an older one: all in one commit with the events that say so."""
        verifier, private = await self._keys.mint(organisation, origin)
        whose: dict[str, Value] = {"organisation": organisation}
        values: dict[str, Value] = {"origin": origin, "verifier": verifier.text, "size": 0, "superseded": superseded}
        rows = (Remove("tree_tiles", whose), Put("trees", whose, values), private)
        await self._announce(organisation, verifier, rows, before)
        return Tree(origin, verifier.text, 0, superseded)

    async def _announce(
        self, organisation: str, verifier: Verifier, rows: tuple[RowChange, ...], before: Sequence[e.Event] = ()
    ) -> None:
        """Write a key's rows together with the events that say so."""
        events = (*before, e.LogKeyAdded(key=verifier.text))
        asked = Asked(
            organisation=organisation, stream=STREAM, command=Administer(events=events), context=SYSTEM, rows=rows,
        )  # fmt: skip
        await self._handler.handle(asked)

    async def rotate(self, organisation: str) -> Tree:
        """Go on under the same name with a new key: the next checkpoint is signed by both, then the old one can sign no more.

        Raises ServiceError `forked` where the log does not contain the newest kept checkpoint.
        """
        tree = await self.tree(organisation)
        if (trouble := await self.fork_of(organisation, tree)) is not None:
            raise ServiceError("forked", trouble)
        verifier, private = await self._keys.mint(organisation, tree.origin)
        change = Change("trees", {"organisation": organisation}, {"verifier": verifier.text})
        await self._announce(organisation, verifier, (change, private))
        await self.checkpoint(organisation)
        return replace(tree, verifier=verifier.text)

    async def checkpoint(self, organisation: str) -> str:
        """A signed note over everything that is recorded, kept outside the database before it is told.

        Raises ServiceError `forked` where the log does not contain the newest kept one, `busy` where it takes too long.
        """
        tree = await self.tree(organisation)
        await self.caught_up(organisation)
        async with self._locks.setdefault(organisation, asyncio.Lock()):
            size = await self.grow(organisation)
            known = await find_signed(self._store.query, organisation, tree.origin, size)
            if known is not None:
                return known.note
            if (trouble := await self.fork_of(organisation, tree)) is not None:
                raise ServiceError("forked", trouble)
            root = await self.hashes.root(organisation, size)
            signers = await self._keys.signers(organisation, tree)
            note = sign(Checkpoint(tree.origin, size, root).text, *signers)
            await asyncio.to_thread(self.kept.keep, organisation, note)
            ended = [retired(organisation, verifier) for verifier, _ in signers if verifier.text != tree.verifier]
            await self._store.write([signed_row(organisation, Signed(tree.origin, size, note)), *ended])
            return note

    # --- what was kept outside -----------------------------------------------------------------------------------------

    async def fork_of(self, organisation: str, tree: Tree) -> str | None:
        """What is wrong where the log does not contain the newest kept checkpoint."""
        note = self.kept.newest(organisation)
        if note is None:
            return None
        try:
            kept = read_checkpoint(opened_by_any(note, await self.verifiers(organisation, tree)))
        except NoteError as error:
            return f"The kept checkpoint {self.kept.path(organisation)} is not this log's: {error}"
        size = await self.grow(organisation)
        if kept.size > size:
            return f"The log has {size} entries, but {kept.size} were signed: the database is older than the newest checkpoint."
        if await self.hashes.root(organisation, kept.size) != kept.root:
            return f"The first {kept.size} entries of the log are not those that were signed."
        return None

    async def check(self) -> None:
        """Refuse a database whose trees do not contain what was signed. Raises SettingsError."""
        for (organisation,) in await self._store.query("SELECT organisation FROM heads"):
            self._behind.add(str(organisation))
            trouble = await self._trouble(str(organisation))
            if trouble is not None:
                message = (
                    f"Organisation {organisation!r}: {trouble} Restore a newer copy, or declare the fork: "
                    "noces log fork --reason TEXT."
                )
                raise SettingsError(message)

    async def _trouble(self, organisation: str) -> str | None:
        tree, note = await find_tree(self._store.query, organisation), self.kept.newest(organisation)
        if tree is None:
            return None if note is None else "checkpoints of this log were signed, but the database knows no tree."
        if note is not None and tree.superseded == digest(note):
            self.kept.set_aside(organisation)  # the fork was declared; only this was left of it
        elif note is None and (newest := await newest_signed(self._store.query, organisation, tree.origin)) is not None:
            # Nobody can tell any more whether the database is older than what was signed; from now on it is told again.
            log.warning("kept_checkpoint_missing", organisation=organisation, folder=str(self.kept.folder))
            await asyncio.to_thread(self.kept.keep, organisation, newest.note)
        return await self.fork_of(organisation, tree)

    async def fork(self, organisation: str, reason: str) -> Tree:
        """Declare that the log goes on from another past than was signed: a new origin and key, and an event that says so.

        What was kept is set aside last: until the fork is durable, it goes on refusing.
        """
        head = (await self._store.head(organisation)).position
        known, note = await find_tree(self._store.query, organisation), self.kept.newest(organisation)
        base = self._origin(organisation) if known is None else known.origin.partition("/fork-")[0]
        forked = e.LogForked(at=head, reason=reason)
        superseded = None if note is None else digest(note)
        tree = await self._begin(organisation, f"{base}/fork-{head}", (forked,), superseded)
        self.kept.set_aside(organisation)
        return tree
