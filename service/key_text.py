"""The text of a key: `noces_<id>_<secret><checksum>`, of which only a digest is kept."""

import hashlib
import hmac
import secrets
import zlib

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def mint(key_id: str) -> tuple[str, bytes]:
    """The text of a new key (`noces_<id>_<secret><checksum>`, 256 bits) and the digest that is kept."""
    number = secrets.randbits(256)
    secret = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(255, -5, -5))
    text = f"noces_{key_id.removeprefix('key_')}_{secret}"
    return text + _checksum(text), hashlib.sha256(secret.encode()).digest()


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(30, -5, -5))


def parse(text: str) -> tuple[str, bytes] | None:
    """(key id, digest of the secret) of a key's text; None for what is no key."""
    if len(text) > 200 or not text.isascii():  # noqa: PLR2004
        return None
    body, checksum = text[:-7], text[-7:]
    parts = body.split("_")
    if len(parts) != 3 or parts[0] != "noces" or not hmac.compare_digest(_checksum(body), checksum):  # noqa: PLR2004
        return None
    return f"key_{parts[1]}", hashlib.sha256(parts[2].encode()).digest()
