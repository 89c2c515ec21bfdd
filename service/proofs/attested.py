"""What others say of a log's checkpoints, checked and kept for ever: witnesses' cosignatures, authorities' stamps of time."""

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from events.store import Database
from service.errors import ServiceError
from service.proofs.cosignature import Cosignature, read_cosignatures
from service.proofs.kept import Kept
from service.proofs.note import NoteError, Verifier, read_checkpoint, taken_apart, text_of
from service.proofs.signed import Signed, cosigned_row, find_signed, find_stamp, stamped_row
from service.proofs.stamp import StampError, stamped_at
from service.proofs.tables import find_tree


class Attested:
    """Takes what others say."""

    def __init__(self, store: Database, kept: Kept, witnesses: Sequence[Verifier]) -> None:
        self._store = store
        self._kept = kept
        self._witnesses = witnesses
        self._lock = asyncio.Lock()

    async def find(self, organisation: str, size: int) -> Signed | None:
        """The checkpoint that was signed for a size under the log's present name."""
        tree = await find_tree(self._store.query, organisation)
        return None if tree is None else await find_signed(self._store.query, organisation, tree.origin, size)

    async def cosign(self, organisation: str, note: str) -> Signed:
        """Take the witnesses' lines of a note; of each witness the first one for a size stays.

        Raises ServiceError `bad_cosignature` where nothing of it is a known witness's word of a checkpoint of this log.
        """
        try:
            text, signatures = taken_apart(note)
            size = read_checkpoint(text).size
            given = read_cosignatures(text, signatures, self._witnesses)
        except NoteError as error:
            raise ServiceError("bad_cosignature", str(error)) from error
        async with self._lock:
            signed = await self.find(organisation, size)
            if signed is None or text_of(signed.alone) != text:
                raise ServiceError("bad_cosignature", f"This log has not signed this checkpoint of {size} entries.")
            if not given:
                raise ServiceError(
                    "bad_cosignature", "No line is a cosignature of a witness that NOCES_WITNESSES names."
                )
            return await self._take(organisation, signed, given)

    async def _take(self, organisation: str, signed: Signed, given: Sequence[Cosignature]) -> Signed:
        lines = {each.witness.text: each.line for each in reversed(given)} | signed.witnesses
        new = lines.keys() - signed.witnesses.keys()
        if not new:
            return signed
        cosigned = replace(signed, witnesses=lines)
        await asyncio.to_thread(self._kept.keep_witnessed, organisation, cosigned.note)
        await self._store.write([cosigned_row(organisation, cosigned, verifier) for verifier in new])
        return cosigned

    async def stamp(self, organisation: str, signed: Signed, reply: bytes) -> Signed:
        """Take an authority's reply over a checkpoint as the log signed it; the first one stays.

        Raises ServiceError `bad_timestamp`, and `already_recorded` where another was taken before.
        """
        try:
            at = stamped_at(reply, signed.alone)
        except StampError as error:
            raise ServiceError("bad_timestamp", str(error)) from error
        async with self._lock:
            known = await find_stamp(self._store.query, organisation, signed)
            if known not in (None, reply):
                message = f"The checkpoint of {signed.size} entries has been stamped before; the first stamp stays."
                raise ServiceError("already_recorded", message)
            stamped = replace(signed, stamped_at=at)
            await asyncio.to_thread(self._kept.keep_stamped, organisation, signed.alone, reply)
            await self._store.write([stamped_row(organisation, stamped, reply)])
            return stamped

    async def find_stamp(self, organisation: str, signed: Signed) -> bytes | None:
        """The authority's reply over a checkpoint."""
        return await find_stamp(self._store.query, organisation, signed)
