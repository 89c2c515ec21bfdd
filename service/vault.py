"""The vault: a data key per person and per event with free text, wrapped by the master key; whoever destroys one forgets.

A sealed value names its key (`p`) and holds nonce and ciphertext (`c`), AES-256-GCM with organisation, `p` and field as
associated data. The log, its hashes and the fold never see a name.
"""

import base64
import hashlib
import os.path
import secrets
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.events import Event
from domain.types import Sealed
from events.snapshots import StateCache
from events.store import Put, RowChange, Value
from service.personal import ERASED, Kind, personal_texts, seal_fields
from service.settings import SettingsError

KEY_BYTES = 32
NONCE_BYTES = 12
ORGANISATION_KEY = "organisation"

Query = Callable[[str, Sequence[Value]], Awaitable[Sequence[tuple[Value, ...]]]]


def read_master_key(text: str, path: Path) -> bytes:
    """The master key from its base64 text, or from its file, made with mode 0600 at first start.

    Raises SettingsError when it is not 32 bytes.
    """
    if not text and path.exists():
        text = path.read_text(encoding="ascii").strip()
    if not text:
        text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(
            path, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)
        ) as file:  # the mode must be set at creation
            file.write(text + "\n")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        message = f"The master key (NOCES_MASTER_KEY or {path}) must be base64 of 32 bytes; it is not."
        raise SettingsError(message)
    return key


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Vault:
    """Seals what is personal before the log and opens it for readers."""

    def __init__(self, master_key: bytes, query: Query) -> None:
        self._master = AESGCM(master_key)
        self._query = query
        self._keys: StateCache[bytes] = StateCache(20_000)
        self._people: StateCache[tuple[str, bool]] = StateCache(20_000)

    async def check(self) -> None:
        """Refuse a database of another master key before anything is served. Raises SettingsError."""
        sql = "SELECT organisation, wrapped FROM vault WHERE holder = ? LIMIT 1"
        for organisation, wrapped in await self._query(sql, (ORGANISATION_KEY,)):
            self._remember(str(organisation), ORGANISATION_KEY, wrapped)

    # --- secrets of the service ------------------------------------------------------------------------------------

    def wrap(self, organisation: str, name: str, secret: bytes) -> bytes:
        """A secret sealed by the master key for one place."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, secret, f"{organisation}\x1f{name}".encode())

    def unwrap(self, organisation: str, name: str, wrapped: bytes) -> bytes:
        """The secret again. Raises SettingsError under another master key."""
        try:
            place = f"{organisation}\x1f{name}".encode()
            return self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place)
        except InvalidTag as error:
            message = (
                "The database was written under another master key; set NOCES_MASTER_KEY to the one it began with."
            )
            raise SettingsError(message) from error

    async def organisation_key(self, organisation: str) -> bytes:
        """The key of an organisation's digests; it is made when the organisation is."""
        key = self._keys.get(organisation, ORGANISATION_KEY) or await self._key(organisation, ORGANISATION_KEY)
        if key is None:
            message = f"Organisation {organisation!r} has no key in the vault."
            raise SettingsError(message)
        return key

    def new_organisation(self, organisation: str) -> Sequence[RowChange]:
        """The rows of a new organisation's key."""
        return [self._new_key(organisation, ORGANISATION_KEY)]

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
            return self._seal(organisation, holders[kind, text], field, text)

        return seal_fields(data, seal), rows

    async def _person(self, organisation: str, name: str) -> tuple[str, list[RowChange]]:
        """The id of a person by the digest of the normalised name, and the rows that make it known."""
        normal = unicodedata.normalize("NFKC", name).casefold().strip()
        digest = (await self.digest(organisation, b"person", normal.encode())).hex()
        known, durable = self._people.get(organisation, digest) or (None, False)
        if known is None:
            sql = "SELECT person FROM people WHERE organisation = ? AND digest = ?"
            found = await self._query(sql, (organisation, digest))
            known, durable = (str(found[0][0]), True) if found else (None, False)
        if known is None:
            known = f"per_{hashlib.blake2b(secrets.token_bytes(32), digest_size=13).hexdigest()}"
        rows: list[RowChange] = []
        if not durable or await self._key(organisation, known) is None:
            person = Put("people", {"organisation": organisation, "digest": digest}, {"person": known})
            rows = [self._new_key(organisation, known), person]
        self._people.put(organisation, digest, (known, durable))
        return known, rows

    def committed(self, organisation: str, rows: Sequence[RowChange]) -> None:
        """Remember that the people in these rows are durable; until then every fact that names them brings them along."""
        for row in rows:
            if isinstance(row, Put) and row.table == "people":
                self._people.put(organisation, str(row.key["digest"]), (str(row.values["person"]), True))

    def _new_key(self, organisation: str, holder: str) -> Put:
        key = self._keys.get(organisation, holder) or secrets.token_bytes(KEY_BYTES)
        self._keys.put(organisation, holder, key)
        wrapped = self.wrap(organisation, f"vault/{holder}", key)
        return Put("vault", {"organisation": organisation, "holder": holder}, {"wrapped": wrapped})

    def _seal(self, organisation: str, holder: str, field: str, text: str) -> Sealed:
        key = self._keys.get(organisation, holder)
        if key is None:
            message = f"No key is at hand for {holder}."
            raise KeyError(message)
        nonce = secrets.token_bytes(NONCE_BYTES)
        place = f"{organisation}\x1f{holder}\x1f{field}".encode()
        return Sealed(p=holder, c=_text(nonce + AESGCM(key).encrypt(nonce, text.encode(), place)))

    async def fetch_keys(self, organisation: str, holders: Sequence[str]) -> None:
        """Bring the keys of these holders to hand, many at a time, before opening."""
        missing = [each for each in dict.fromkeys(holders) if self._keys.get(organisation, each) is None]
        for start in range(0, len(missing), 500):
            part = missing[start : start + 500]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT holder, wrapped FROM vault WHERE organisation = ? AND holder IN ({marks})"  # noqa: S608  # only marks
            for holder, wrapped in await self._query(sql, (organisation, *part)):
                self._remember(organisation, str(holder), wrapped)

    def _remember(self, organisation: str, holder: str, wrapped: Value) -> bytes:
        if not isinstance(wrapped, bytes):
            message = f"The key of {holder} is not bytes."
            raise TypeError(message)
        key = self.unwrap(organisation, f"vault/{holder}", wrapped)
        self._keys.put(organisation, holder, key)
        return key

    async def _key(self, organisation: str, holder: str) -> bytes | None:
        await self.fetch_keys(organisation, [holder])
        return self._keys.get(organisation, holder)

    def open(self, organisation: str, field: str, sealed: Sealed) -> str:
        """The text of a sealed value whose key was fetched; a tombstone where the key is gone."""
        key = self._keys.get(organisation, sealed.p)
        if key is None:
            return ERASED
        raw = _bytes(sealed.c)
        place = f"{organisation}\x1f{sealed.p}\x1f{field}".encode()
        try:
            return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], place).decode()
        except InvalidTag:
            return ERASED
