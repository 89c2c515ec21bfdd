"""The log for those who check it: tiles, proofs, its name; formats of C2SP, which other tools read."""

import base64
import re

from service.api.events import find_event
from service.api.route import Answer, Call, Parameter, Route
from service.capsule.files import bundled
from service.errors import ServiceError
from service.proofs.receipts import prove

TEXT = "text/plain"
BINARY = "application/octet-stream"
IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
"""A full tile never changes, but only whoever has the key may keep it."""
_TILE = re.compile(
    r"(?:(?P<level>\d|[1-5]\d|6[0-3])|(?P<entries>entries))/(?P<number>\d{3}|x(?!000)\d{3}/(?:x\d{3}/)*\d{3})(?:\.p/(?P<width>[1-9]\d{0,2}))?"
)
ENTRIES = """
    SELECT entry FROM events WHERE organisation = ? AND position > ? AND position <= ? ORDER BY position
"""


async def answer_head(call: Call) -> Answer:
    """The signed head of the caller's log."""
    return noted(await call.services.trees.checkpoint(call.organisation))


def noted(note: str) -> Answer:
    """A note as an answer."""
    return Answer(body=note.encode(), media_type=TEXT)


async def get_tile(call: Call) -> Answer:
    """A tile of the tree, or a bundle of entries (C2SP tlog-tiles)."""
    own_log(call)
    return await answer_tile(call)


async def answer_tile(call: Call) -> Answer:
    """The tile of the path, of the caller's log."""
    found = _TILE.fullmatch(call.path("tile"))
    width = 256 if found is None or found["width"] is None else int(found["width"])
    if found is None or not 0 < width <= 256 or (found["width"] is not None and width == 256):  # noqa: PLR2004
        raise _no_tile(call)
    number = int(found["number"].replace("x", "").replace("/", ""))
    tree = await call.services.trees.tree(call.organisation)
    if found["entries"] is not None:
        body = await _entries(call, number, width, tree.size)
    else:
        body = await call.services.trees.hashes.tile(call.organisation, int(found["level"]), number, width)
    if body is None:
        raise _no_tile(call)
    return Answer(body=body, media_type=BINARY, headers=IMMUTABLE if width == 256 else {})  # noqa: PLR2004


async def _entries(call: Call, number: int, width: int, size: int) -> bytes | None:
    """A bundle: each entry behind its length in two bytes; None beyond the tree."""
    first = number * 256
    if first + width > size:
        return None
    rows = await call.services.query(ENTRIES, (call.organisation, first, first + width))
    return bundled(bytes(row[0]) for row in rows if isinstance(row[0], bytes))


async def get_proof(call: Call) -> Answer:
    """The proof that an event is in the log, to be checked without us (C2SP tlog-proof)."""
    event = await find_event(call)
    proofs = await prove(call.services.trees, call.organisation, [event.position])
    return noted(proofs[event.position])


async def get_consistency(call: Call) -> Answer:
    """The proof that the log of one size began as the log of an older one (RFC 9162)."""
    own_log(call)
    trees = call.services.trees
    await trees.tree(call.organisation)
    size = await trees.caught_up(call.organisation)
    new = call.number("to", size, 0, 2**53 - 1)
    old = call.number("from", 0, 0, 2**53 - 1)
    if not old <= new <= size:
        raise ServiceError(
            "bad_parameter", f"from is {old}, to is {new}; the log has {size} entries: from <= to <= {size}."
        )
    proof = await trees.hashes.consistency(call.organisation, old, new)
    roots = [await trees.hashes.root(call.organisation, each) for each in (old, new)]
    told = [base64.b64encode(each).decode() for each in proof]
    body = {
        "from": old, "to": new, "proof": told,
        "from_root": base64.b64encode(roots[0]).decode(), "to_root": base64.b64encode(roots[1]).decode(),
    }  # fmt: skip
    return Answer(body=body)


async def get_log(call: Call) -> Answer:
    """Under which name and key a log's checkpoints are signed, and by which keys they were before."""
    own_log(call)
    trees = call.services.trees
    tree = await trees.tree(call.organisation)
    told = {"log": call.organisation, "origin": tree.origin, "verifier": tree.verifier, "size": tree.size}
    verifiers = [each.text for each in await trees.verifiers(call.organisation, tree)]
    return Answer(body={**told, "verifiers": verifiers})


def own_log(call: Call) -> None:
    """Another organisation's log is answered as one that does not exist."""
    if call.path("log") != call.organisation:
        raise ServiceError("not_found", f"There is no log {call.path('log')!r} here.")


def _no_tile(call: Call) -> ServiceError:
    return ServiceError("not_found", f"There is no tile {call.path('tile')!r} here.")


ROUTES = (
    Route(
        method="GET", path="/v1/logs/{log:str}", scope="audit", run=get_log, summary="A log's name and key",
        answers={200: "Log"}, problems=(404,),
    ),
    Route(
        method="GET", path="/v1/logs/{log:str}/consistency", scope="audit", run=get_consistency,
        summary="That the log only grew", answers={200: "Consistency"}, problems=(404,),
        parameters=(
            Parameter(name="from", description="The older size; default 0.", schema={"type": "integer", "minimum": 0}),
            Parameter(name="to", description="The newer size; default: the log's.", schema={"type": "integer", "minimum": 0}),
        ),
    ),
    Route(
        method="GET", path="/v1/logs/{log:str}/tile/{tile:path}", scope="audit", run=get_tile,
        summary="A tile of the tree", answers={200: BINARY}, problems=(404,),
    ),
    Route(
        method="GET", path="/v1/events/{position:str}/proof", scope="read", run=get_proof,
        summary="That an event is in the log", answers={200: TEXT}, problems=(404, 409),
    ),
)  # fmt: skip
