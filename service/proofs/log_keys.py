"""The keys that sign a log's checkpoints: announced in the log itself, their private halves sealed in the database."""

import secrets

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain import events as e
from events.store import Put, Remove
from service.projections import Query
from service.proofs.note import NoteError, Verifier, read_verifier
from service.proofs.tables import Tree
from service.vault import Vault

_ADDED = "SELECT entry FROM events WHERE organisation = ? AND type = ? ORDER BY position"


async def log_verifiers(query: Query, organisation: str, tree: Tree) -> list[Verifier]:
    """Every key under the tree's name, as the log has announced them; the present one stands last."""
    present = read_verifier(tree.verifier)
    rows = await query(_ADDED, (organisation, e.LogKeyAdded.type))
    told = [_announced(row[0]) for row in rows if isinstance(row[0], bytes)]
    return [*[each for each in told if each is not None and each.name == tree.origin and each != present], present]


def _announced(entry: bytes) -> Verifier | None:
    """The key of an entry; None for one that somebody has spoilt, which is for the verification to tell."""
    try:
        return read_verifier(msgspec.json.decode(entry)["data"]["key"])
    except (NoteError, KeyError, TypeError, AttributeError, msgspec.DecodeError):
        return None


class LogKeys:
    """Makes keys, and finds those that can still sign."""

    def __init__(self, query: Query, vault: Vault) -> None:
        self._query = query
        self._vault = vault

    async def mint(self, organisation: str, origin: str) -> tuple[Verifier, Put]:
        """A new key, and the row of its private half."""
        private = secrets.token_bytes(32)
        verifier = Verifier(origin, Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw())
        wrapped = await self._vault.wrap(organisation, _holder(verifier), private)
        return verifier, Put("secrets", _place(organisation, verifier), {"wrapped": wrapped})

    async def signers(self, organisation: str, tree: Tree) -> list[tuple[Verifier, bytes]]:
        """The keys under the tree's name whose private half is there, the present one first."""
        found = []
        sql = "SELECT wrapped FROM secrets WHERE organisation = ? AND holder = ?"
        for verifier in reversed(await log_verifiers(self._query, organisation, tree)):
            for (wrapped,) in await self._query(sql, (organisation, _holder(verifier))):
                private = await self._vault.unwrap(organisation, _holder(verifier), bytes(wrapped))  # type: ignore[arg-type]  # a BLOB
                found.append((verifier, private))
        return found


def retired(organisation: str, verifier: Verifier) -> Remove:
    """What ends the private half of a key."""
    return Remove("secrets", {**_place(organisation, verifier)})


def _place(organisation: str, verifier: Verifier) -> dict[str, str | int | float | bytes | None]:
    return {"organisation": organisation, "holder": _holder(verifier)}


def _holder(verifier: Verifier) -> str:
    return f"log/{verifier.text}"
