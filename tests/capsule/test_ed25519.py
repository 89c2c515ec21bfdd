"""Ed25519 with integers: the RFC's own vectors, and the same answer as a library's for whatever is changed."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from service.capsule.ed25519 import ORDER, PRIME, verifies

RFC_8032 = (
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
)  # fmt: skip


@pytest.mark.parametrize(("public", "text", "signature"), RFC_8032)
def test_the_published_signatures_verify_and_those_of_another_text_do_not(public, text, signature):
    key, signed, told = (bytes.fromhex(each) for each in (public, signature, text))
    assert verifies(key, told, signed)
    assert not verifies(key, told + b".", signed)


def library(public: bytes, text: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 511), st.integers(0, 255))
def test_it_says_what_the_library_says_of_signatures_with_a_flipped_bit_too(private, text, bit, key_bit):
    key = Ed25519PrivateKey.from_private_bytes(private)
    public, signature = key.public_key().public_bytes_raw(), key.sign(text)
    assert verifies(public, text, signature)
    flipped = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
    assert verifies(public, text, flipped) is library(public, text, flipped) is False
    other = (int.from_bytes(public, "little") ^ 1 << key_bit).to_bytes(32, "little")
    assert verifies(other, text, signature) is library(other, text, signature) is False


def test_a_scalar_beyond_the_order_is_refused_although_it_comes_to_the_same():
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"text")
    raised = int.from_bytes(signature[32:], "little") + ORDER
    assert not verifies(public, b"text", signature[:32] + raised.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "public",
    [PRIME.to_bytes(32, "little"), (2).to_bytes(32, "little"), b"", bytes(31), (1 | 1 << 255).to_bytes(32, "little")],
)
def test_bytes_that_name_no_point_are_no_key(public):
    assert not verifies(public, b"", bytes(64))


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_signature_has_64_bytes(length):
    key = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    assert not verifies(key, b"", bytes(length))
