"""The Merkle tree over a log's entries: RFC 6962 and RFC 9162 hashes, roots and proofs, from stored subtree hashes.

A hash `(level, index)` is that of the complete subtree of 2^level leaves that begins at leaf `index * 2^level`; level 0 are the
leaves. Stored are tiles as C2SP tlog-tiles has them: 256 hashes of one level in eight.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

Node = tuple[int, int]
"""(level, index) of a complete subtree."""
Read = Callable[[int, int], bytes]
"""(level, index) -> hash."""

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees together."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def subtree(hashes: Sequence[bytes]) -> bytes:
    """The hash over a power of two of neighbours."""
    sha256 = hashlib.sha256  # `node_hash`, written out: this is where the time goes
    while len(hashes) > 1:
        pair = iter(hashes)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pair, pair)]  # noqa: B905  # Python 3.9
    return hashes[0]


def peaks(start: int, end: int) -> Iterator[Node]:
    """The largest complete subtrees that cover leaves from `start` to before `end`, in order; `start` ends where one begins."""
    while start < end:
        level = ((start & -start).bit_length() - 1) if start else (end - start).bit_length() - 1
        while start + (1 << level) > end:
            level -= 1
        yield level, start >> level
        start += 1 << level


def root(size: int, read: Read) -> bytes:
    """The root of the tree of the first `size` leaves."""
    return _bagged([read(*node) for node in peaks(0, size)]) if size else EMPTY


def _bagged(hashes: Sequence[bytes]) -> bytes:
    """The hash over neighbouring subtrees of falling size."""
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found)
    return found


def inclusion(index: int, size: int, read: Read) -> list[bytes]:
    """The audit path of a leaf in the tree of a size (RFC 9162, 2.1.3). Raises ValueError for a leaf outside it."""
    if not 0 <= index < size:
        raise ValueError(f"Leaf {index} is not in a tree of {size}.")
    return _path(index, 0, size, read)


def _path(index: int, start: int, end: int, read: Read) -> list[bytes]:
    """From the leaf up: at each split the other side's hash."""
    found: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append(_range(middle, end, read))
            end = middle
        else:
            found.append(_range(start, middle, read))
            start = middle
    return found[::-1]


def consistency(old: int, new: int, read: Read) -> list[bytes]:
    """The proof that the tree of one size began as the tree of an older one (RFC 9162, 2.1.4). Raises ValueError."""
    if not 0 <= old <= new:
        raise ValueError(f"A tree of {new} cannot begin with one of {old}.")
    if old in (0, new):
        return []
    found: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            found.append(_range(middle, end, read))
            end = middle
        else:
            found.append(_range(start, middle, read))
            start, whole = middle, False
    if not whole:
        found.append(_range(start, end, read))
    return found[::-1]


def _split(count: int) -> int:
    """The largest power of two below a count."""
    return 1 << ((count - 1).bit_length() - 1)


def _range(start: int, end: int, read: Read) -> bytes:
    return _bagged([read(*node) for node in peaks(start, end)])


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to. Raises ValueError where the path has another length."""
    if not 0 <= index < size:
        raise ValueError(f"Leaf {index} is not in a tree of {size}.")
    found, number, last = leaf, index, size - 1
    for step in proof:
        if last == 0:
            raise ValueError("The proof is too long.")
        if number & 1 or number == last:
            found = node_hash(step, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, step)
        number, last = number >> 1, last >> 1
    if last:
        raise ValueError("The proof is too short.")
    return found


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raises ValueError where a proof does not show that the new tree began as the old one."""
    if old in (0, new):
        if proof or (old == new and old_root != new_root):
            raise ValueError("Trees of one size have one root, and no proof.")
        return
    if not 0 < old < new or not proof:
        raise ValueError(f"This proves nothing of trees of {old} and {new}.")
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ValueError("The proof is too long.")
        if number & 1 or number == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, step)
        number, last = number >> 1, last >> 1
    if last or first != old_root or second != new_root:
        raise ValueError("The new tree did not begin as the old one.")


# --- tiles -----------------------------------------------------------------------------------------------------------

Tile = tuple[int, int]
"""(level of tiles, number): level 0 holds leaves, level 1 the roots of full tiles of level 0, and so on."""


def grown(size: int, leaves: Iterable[bytes], tiles: dict[Tile, list[bytes]]) -> int:
    """Append leaf hashes to the tiles of a tree; the new size. `tiles` holds the last, unfinished tile of every level."""
    for leaf in leaves:
        _append(tiles, 0, size, leaf)
        size += 1
    return size


def _append(tiles: dict[Tile, list[bytes]], level: int, index: int, found: bytes) -> None:
    number = index >> TILE_HEIGHT
    tile = tiles.setdefault((level, number), [])
    tile.append(found)
    if len(tile) == TILE_WIDTH:
        _append(tiles, level + 1, number, subtree(tile))


def place(level: int, index: int) -> tuple[Tile, int, int]:
    """(tile, first hash in it, how many) of the hashes that make a subtree's."""
    tile_level, above = divmod(level, TILE_HEIGHT)
    first = index << above
    return (tile_level, first >> TILE_HEIGHT), first & (TILE_WIDTH - 1), 1 << above


def reader(tile: Callable[[Tile], Sequence[bytes]]) -> Read:
    """Reads subtree hashes from tiles."""

    def read(level: int, index: int) -> bytes:
        where, first, count = place(level, index)
        hashes = tile(where)[first : first + count]
        if len(hashes) != count:
            raise LookupError(f"Tile {where} does not reach hash {first + count}.")
        return subtree(hashes)

    return read


def needed(nodes: Iterable[Node]) -> set[Tile]:
    """The tiles that hold these subtrees."""
    return {place(*node)[0] for node in nodes}


class Frontier:
    """The roots of a tree that grows leaf by leaf, of which nothing is kept but its right edge."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def push(self, leaf: bytes, width: int = 1) -> None:
        """Append a leaf hash, or that of a subtree of so many leaves where one begins."""
        self.size += width
        count, found = self.size // width, leaf
        while not count & 1:
            found = node_hash(self._edge.pop(), found)
            count >>= 1
        self._edge.append(found)

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes, whole subtrees at once."""
        start = self.size
        for level, index in peaks(start, start + len(leaves)):
            width = 1 << level
            first = index * width - start
            self.push(subtree(leaves[first : first + width]), width)

    @property
    def root(self) -> bytes:
        """The root of the leaves so far."""
        return _bagged(self._edge) if self._edge else EMPTY
