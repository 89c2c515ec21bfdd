"""The tree: RFC 6962's own leaves, a plain definition beside the quick one, and proofs that hold and that do not."""

import hashlib

import hypothesis
import pytest
from hypothesis import strategies as st

from events import merkle

LEAVES = [bytes.fromhex(each) for each in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Roots of the first leaves, one to eight, as published with RFC 6962."""


def plain(leaves):
    """RFC 9162, 2.1.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return merkle.leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(plain(leaves[:k]), plain(leaves[k:]))


def plain_path(m, leaves):
    """RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*plain_path(m, leaves[:k]), plain(leaves[k:])]
    return [*plain_path(m - k, leaves[k:]), plain(leaves[:k])]


def plain_proof(m, leaves, whole=True):
    """RFC 9162, 2.1.4.1."""
    if m == len(leaves):
        return [] if whole else [plain(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*plain_proof(m, leaves[:k], whole), plain(leaves[k:])]
    return [*plain_proof(m - k, leaves[k:], False), plain(leaves[:k])]


def tree(leaves):
    """The tiles of leaves, appended in odd pieces."""
    tiles, size = {}, 0
    for start in range(0, len(leaves), 37):
        size = merkle.grown(size, map(merkle.leaf_hash, leaves[start : start + 37]), tiles)
    assert size == len(leaves)
    return merkle.reader(lambda where: tiles.get(where, []))


def some(count):
    return [b"entry %d" % number for number in range(count)]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_leaves_of_rfc_6962_have_their_roots(size):
    assert merkle.root(size, tree(LEAVES)).hex() == ROOTS[size - 1]


def test_an_empty_tree_has_the_hash_of_nothing():
    assert merkle.root(0, tree([])).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 255, 256, 257, 300, 511, 513, 700])
def test_a_root_is_the_plain_one(size):
    assert merkle.root(size, tree(some(size))) == plain(some(size))


def test_every_older_root_is_still_in_the_tree():
    leaves = some(600)
    read = tree(leaves)
    for size in range(1, 601, 7):
        assert merkle.root(size, read) == plain(leaves[:size])


@hypothesis.given(st.integers(1, 600), st.data())
def test_a_proof_of_inclusion_is_the_plain_one_and_holds_for_its_leaf_alone(size, data):
    index = data.draw(st.integers(0, size - 1))
    leaves = some(size)
    proof = merkle.inclusion(index, size, tree(leaves))
    assert proof == plain_path(index, leaves)
    root = plain(leaves)
    leaf = merkle.leaf_hash(leaves[index])
    assert merkle.root_from_inclusion(leaf, index, size, proof) == root
    assert merkle.root_from_inclusion(merkle.leaf_hash(b"another"), index, size, proof) != root
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        wrong = [*proof[:place], bytes(32), *proof[place + 1 :]]
        assert merkle.root_from_inclusion(leaf, index, size, wrong) != root
        with pytest.raises(ValueError, match="short"):
            merkle.root_from_inclusion(leaf, index, size, proof[:-1])
    with pytest.raises(ValueError, match="long"):
        merkle.root_from_inclusion(leaf, index, size, [*proof, bytes(32)])


@hypothesis.given(st.integers(0, 600), st.data())
def test_a_proof_of_consistency_is_the_plain_one_and_holds_for_its_trees_alone(new, data):
    old = data.draw(st.integers(0, new))
    leaves = some(new)
    proof = merkle.consistency(old, new, tree(leaves))
    roots = plain(leaves[:old]), plain(leaves)
    assert proof == ([] if old in (0, new) else plain_proof(old, leaves))
    merkle.check_consistency(old, new, *roots, proof)
    if 0 < old < new:
        for wrong in ((bytes(32), roots[1]), (roots[0], bytes(32))):
            with pytest.raises(ValueError, match=r"did not begin|long"):
                merkle.check_consistency(old, new, *wrong, proof)
        with pytest.raises(ValueError, match=r"did not begin|nothing"):
            merkle.check_consistency(old, new, *roots, proof[:-1])
        place = data.draw(st.integers(0, len(proof) - 1))
        with pytest.raises(ValueError, match="did not begin"):
            merkle.check_consistency(old, new, *roots, [*proof[:place], bytes(32), *proof[place + 1 :]])


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_a_leaf_that_is_not_there_has_no_proof(index, size):
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion(index, size, tree(some(size)))


def test_a_proof_of_ten_million_leaves_reads_few_hashes():
    asked = []

    def read(level, index):
        asked.append((level, index))
        return hashlib.sha256(b"%d/%d" % (level, index)).digest()

    size = 10_000_000
    proof = merkle.inclusion(1_234_567, size, read)
    assert len(proof) == 24
    assert len(merkle.needed(asked)) <= 12
    leaf = read(0, 1_234_567)
    assert len(merkle.root_from_inclusion(leaf, 1_234_567, size, proof)) == 32


@hypothesis.given(st.lists(st.integers(0, 40), max_size=12))
def test_a_frontier_has_the_plain_root_however_its_leaves_come(pieces):
    frontier, entries = merkle.Frontier(), some(sum(pieces))
    leaves = [merkle.leaf_hash(each) for each in entries]
    for count in pieces:
        frontier.extend(leaves[frontier.size : frontier.size + count])
        assert frontier.root == plain(entries[: frontier.size])
    alone = merkle.Frontier()
    for leaf in leaves:
        alone.push(leaf)
    assert (alone.size, alone.root) == (frontier.size, frontier.root)
