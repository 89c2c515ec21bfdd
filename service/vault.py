"""The vault: a data key per person and per event with free text, wrapped by the master key; whoever destroys one forgets.

The keys lie in a file of their own, so that a backup of the log does not hold what an erasure destroys. A sealed value
names its key (`p`) and holds nonce and ciphertext (`c`), AES-256-GCM with organisation, event id and field as associated
data. The log, its hashes and the fold never see a name.
"""

import base64
import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.events import Event
from domain.types import Sealed
from events.migrations import Migration
from events.snapshots import StateCache
from events.store import Put, Remove, RowChange, Value
from service.personal import ERASED, Kind, personal_texts, seal_fields
from service.settings import SettingsError

KEY_BYTES = 32
NONCE_BYTES = 12
ORGANISATION_KEY = "organisation"

DDL = """
CREATE TABLE vault (
  organisation TEXT NOT NULL,
  holder TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  PRIMARY KEY (organisation, holder)
) STRICT;
CREATE TABLE people (
  organisation TEXT NOT NULL,
  digest TEXT NOT NULL,
  person TEXT NOT NULL,
  PRIMARY KEY (organisation, digest)
) STRICT;
CREATE INDEX people_by_person ON people (organisation, person);
"""
STEPS = (Migration(1, "keys", DDL),)


class KeyFile(Protocol):
    """Where the keys lie: apart from the log, and durable before it."""

    async def query(self, sql: str, parameters: Sequence[Value] = (), /) -> Sequence[tuple[Value, ...]]:
        """The rows of a read-only statement."""
        ...

    async def write(self, rows: Sequence[RowChange]) -> None:
        """Change rows durably, in one transaction."""
        ...

    async def forget(self) -> None:
        """Leave nothing behind of what was deleted."""
        ...


async def check_master(master_key: bytes, keys: KeyFile) -> None:
    """Refuse a master key that is not the keys' own before anything is served. Raises SettingsError."""
    sql = "SELECT organisation, holder, wrapped FROM vault LIMIT 1"
    for organisation, holder, wrapped in await keys.query(sql):
        unwrap(master_key, place_of(str(organisation), str(holder)), _raw(wrapped))


def _raw(wrapped: Value) -> bytes:
    if not isinstance(wrapped, bytes):
        message = "A wrapped key is not bytes."
        raise TypeError(message)
    return wrapped


def wrap(key: bytes, place: bytes, secret: bytes) -> bytes:
    """A secret sealed by a key for one place: nonce and ciphertext."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, place)


def unwrap(key: bytes, place: bytes, wrapped: bytes) -> bytes:
    """The secret again. Raises SettingsError under another key."""
    try:
        return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place)
    except InvalidTag as error:
        message = "The database was written under another master key; set NOCES_MASTER_KEY to the one it began with."
        raise SettingsError(message) from error


def _said_at(organisation: str, event_id: str, holder: str, field: str) -> bytes:
    """What a sealed value is bound to: the event in which it was said.

    A text keeps the event that holds its key where the system hands it on (an override's reason, told again by the stage
    that it forced).
    """
    said = event_id if holder.startswith("per_") else holder
    return f"{organisation}\x1f{said}\x1f{field}".encode()


def place_of(organisation: str, holder: str) -> bytes:
    """What a wrapped key is bound to."""
    return f"{organisation}\x1fvault/{holder}".encode()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


_PERSON = "SELECT person FROM people WHERE organisation = ? AND digest = ?"


def normal_name(name: str) -> str:
    """A name as it is compared: whatever the case, the composition and the blanks around it."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


class Vault:
    """Seals what is personal before the log and opens it for readers."""

    def __init__(self, master_key: bytes, keys: KeyFile) -> None:
        self._master = master_key
        self._file = keys
        self._keys: StateCache[bytes] = StateCache(20_000)
        self._people: StateCache[tuple[str, bool]] = StateCache(20_000)
        self._destroyed: set[tuple[str, str]] = set()

    # --- secrets of the service ------------------------------------------------------------------------------------

    async def wrap(self, organisation: str, name: str, secret: bytes) -> bytes:
        """A secret, or a body that names people, sealed under the organisation's key for one place."""
        return wrap(await self._secrets_key(organisation), f"{organisation}\x1f{name}".encode(), secret)

    async def unwrap(self, organisation: str, name: str, wrapped: bytes) -> bytes:
        """The secret again. Raises SettingsError under another key."""
        return unwrap(await self._secrets_key(organisation), f"{organisation}\x1f{name}".encode(), wrapped)

    async def _secrets_key(self, organisation: str) -> bytes:
        """A key of its own for secrets, so that the organisation's key makes digests and nothing else."""
        key = await self.organisation_key(organisation)
        return hashlib.blake2b(b"secrets", key=key, digest_size=KEY_BYTES).digest()

    async def organisation_key(self, organisation: str) -> bytes:
        """The key of an organisation's digests; it is made when the organisation is."""
        key = self._keys.get(organisation, ORGANISATION_KEY) or await self._key(organisation, ORGANISATION_KEY)
        if key is None:
            message = f"Organisation {organisation!r} has no key in the vault."
            raise SettingsError(message)
        return key

    async def new_organisation(self, organisation: str) -> None:
        """Make the key of a new organisation, durable before its first event."""
        if await self._key(organisation, ORGANISATION_KEY) is None:
            await self.keep([self._new_key(organisation, ORGANISATION_KEY)])

    async def digest(self, organisation: str, *parts: bytes) -> bytes:
        """A digest under the organisation's key (BLAKE2b, keyed): the identity of a request, or of a name."""
        key = await self.organisation_key(organisation)
        return hashlib.blake2b(b"\x1f".join(parts), key=key, digest_size=KEY_BYTES).digest()

    # --- personal values -------------------------------------------------------------------------------------------

    async def seal(self, organisation: str, event_id: str, data: Event) -> tuple[Event, list[RowChange]]:
        """The fact as the log may hold it, and the rows of the keys that it needs, to commit with it."""
        rows: list[RowChange] = []
        holders: dict[tuple[Kind, str], str] = {}
        texts = personal_texts(data)
        if not texts:
            return data, rows
        for _, kind, text in texts:
            if (kind, text) in holders:
                continue
            sealed_kinds = {known for known, _ in holders}
            if kind == "prose":
                holders[kind, text] = event_id
                if "prose" not in sealed_kinds:
                    rows.append(self._new_key(organisation, event_id))
            else:
                holders[kind, text], fresh = await self._person(organisation, text)
                rows += fresh

        def seal(field: str, kind: Kind, text: str) -> Sealed:
            return self._seal(organisation, event_id, holders[kind, text], field, text)

        return seal_fields(data, seal), rows

    async def _person_digest(self, organisation: str, name: str) -> str:
        return (await self.digest(organisation, b"person", normal_name(name).encode())).hex()

    async def _person(self, organisation: str, name: str) -> tuple[str, list[RowChange]]:
        """The id of a person by the digest of the normalised name, and the rows that make it known."""
        digest = await self._person_digest(organisation, name)
        known, durable = self._people.get(organisation, digest) or (None, False)
        if known is None:
            found = await self._file.query(_PERSON, (organisation, digest))
            known, durable = (str(found[0][0]), True) if found else (None, False)
        if known is None:
            known = f"per_{hashlib.blake2b(secrets.token_bytes(32), digest_size=13).hexdigest()}"
        rows: list[RowChange] = []
        if not durable or await self._key(organisation, known) is None:
            person = Put("people", {"organisation": organisation, "digest": digest}, {"person": known})
            rows = [self._new_key(organisation, known), person]
        self._people.put(organisation, digest, (known, durable))
        return known, rows

    async def keep(self, rows: Sequence[RowChange]) -> None:
        """Make new keys durable, before any entry that needs them; an entry that fails then leaves an idle key behind.

        Raises StoreError; then the entries must not be written. A key that was destroyed meanwhile does not come back.
        """
        wanted = [row for row in rows if not self._is_destroyed(row)]
        if wanted:
            await self._file.write(wanted)
        for row in wanted:
            if isinstance(row, Put) and row.table == "people":
                self._people.put(
                    str(row.key["organisation"]), str(row.key["digest"]), (str(row.values["person"]), True)
                )

    def _is_destroyed(self, row: RowChange) -> bool:
        holder = row.key.get("holder") or (row.values.get("person") if isinstance(row, Put) else None)
        return (str(row.key["organisation"]), str(holder)) in self._destroyed

    # --- forgetting ------------------------------------------------------------------------------------------------

    async def person_named(self, organisation: str, name: str) -> str | None:
        """The id of a person by name, however it is written; None where nobody of that name is known."""
        found = await self._file.query(_PERSON, (organisation, await self._person_digest(organisation, name)))
        return str(found[0][0]) if found else None

    async def holds(self, organisation: str, holder: str) -> bool:
        """Whether there is a key of this holder."""
        return await self._key(organisation, holder) is not None

    async def destroy(self, organisation: str, holder: str) -> None:
        """Destroy the key of a person or an event, here and on the disk; what it sealed is lost for ever."""
        self._destroyed.add((organisation, holder))
        digests = await self._file.query(
            "SELECT digest FROM people WHERE organisation = ? AND person = ?", (organisation, holder)
        )
        people = [Remove("people", {"organisation": organisation, "digest": digest}) for (digest,) in digests]
        await self._file.write([Remove("vault", {"organisation": organisation, "holder": holder}), *people])
        self._keys.evict(organisation, holder)
        for (digest,) in digests:
            self._people.evict(organisation, str(digest))
        await self._file.forget()

    # --- keys ------------------------------------------------------------------------------------------------------

    def _new_key(self, organisation: str, holder: str) -> Put:
        key = self._keys.get(organisation, holder) or secrets.token_bytes(KEY_BYTES)
        self._keys.put(organisation, holder, key)
        wrapped = wrap(self._master, place_of(organisation, holder), key)
        return Put("vault", {"organisation": organisation, "holder": holder}, {"wrapped": wrapped})

    def _seal(self, organisation: str, event_id: str, holder: str, field: str, text: str) -> Sealed:
        key = self._keys.get(organisation, holder)
        if key is None:
            message = f"No key is at hand for {holder}."
            raise KeyError(message)
        place = _said_at(organisation, event_id, holder, field)
        return Sealed(p=holder, c=_text(wrap(key, place, text.encode())))

    async def fetch_keys(self, organisation: str, holders: Sequence[str]) -> None:
        """Bring the keys of these holders to hand, many at a time, before opening."""
        missing = [each for each in dict.fromkeys(holders) if self._keys.get(organisation, each) is None]
        for start in range(0, len(missing), 500):
            part = missing[start : start + 500]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT holder, wrapped FROM vault WHERE organisation = ? AND holder IN ({marks})"  # noqa: S608  # only marks
            for holder, wrapped in await self._file.query(sql, (organisation, *part)):
                self._remember(organisation, str(holder), wrapped)

    def _remember(self, organisation: str, holder: str, wrapped: Value) -> bytes:
        key = unwrap(self._master, place_of(organisation, holder), _raw(wrapped))
        self._keys.put(organisation, holder, key)
        return key

    async def _key(self, organisation: str, holder: str) -> bytes | None:
        await self.fetch_keys(organisation, [holder])
        return self._keys.get(organisation, holder)

    def open(self, organisation: str, event_id: str, field: str, sealed: Sealed) -> str:
        """The text of a sealed value whose key was fetched; a tombstone where the key is gone."""
        key = self._keys.get(organisation, sealed.p)
        if key is None:
            return ERASED
        raw = _bytes(sealed.c)
        place = _said_at(organisation, event_id, sealed.p, field)
        try:
            return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place).decode()
        except InvalidTag:
            return ERASED
