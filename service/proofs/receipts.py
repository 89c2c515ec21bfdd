"""Proofs of single events, to be checked without this service (C2SP tlog-proof)."""

import base64
from collections.abc import Iterable

from service.proofs.note import read_checkpoint, text_of
from service.proofs.trees import Trees


async def prove(trees: Trees, organisation: str, positions: Iterable[int]) -> dict[int, str]:
    """The proof of each position, all under one signed head. Raises ServiceError `busy`, `forked`."""
    note = await trees.checkpoint(organisation)
    return {position: await _proof(trees, organisation, position - 1, note) for position in positions}


async def _proof(trees: Trees, organisation: str, index: int, note: str) -> str:
    path = await trees.hashes.inclusion(organisation, index, read_checkpoint(text_of(note)).size)
    hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in path)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{note}"
