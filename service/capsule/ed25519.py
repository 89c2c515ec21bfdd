"""Ed25519 signatures verified with integers alone (RFC 8032, 5.1): slow, and with nothing to install."""

from __future__ import annotations

import hashlib
from typing import Optional

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)

Point = tuple[int, int, int, int]
"""Extended coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, x * y = T/Z."""

NEUTRAL: Point = (0, 1, 1, 0)


def verifies(public: bytes, text: bytes, signature: bytes) -> bool:
    """Whether a signature of 64 bytes is one of a text by a public key of 32."""
    key = _point(public)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or len(signature) != 64 or scalar >= ORDER:  # noqa: PLR2004
        return False
    asked = hashlib.sha512(signature[:32] + public + text).digest()
    challenge = int.from_bytes(asked, "little") % ORDER
    negated = (PRIME - key[0], key[1], key[2], PRIME - key[3])
    return _bytes(_add(_times(scalar, BASE), _times(challenge, negated))) == signature[:32]


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % PRIME
    b = (one[1] + one[0]) * (other[1] + other[0]) % PRIME
    c = 2 * one[3] * other[3] * D % PRIME
    d = 2 * one[2] * other[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def _times(scalar: int, point: Point) -> Point:
    found = NEUTRAL
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point = _add(point, point)
        scalar >>= 1
    return found


def _point(raw: bytes) -> Optional[Point]:  # noqa: UP045  # read by Pythons before 3.10 too
    """The point that 32 bytes name; None where they name none."""
    number = int.from_bytes(raw, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if len(raw) != 32 or y >= PRIME:  # noqa: PLR2004
        return None
    square = (y * y - 1) * pow(D * y * y + 1, PRIME - 2, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


def _bytes(point: Point) -> bytes:
    inverse = pow(point[2], PRIME - 2, PRIME)
    x, y = point[0] * inverse % PRIME, point[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE_Y = 4 * pow(5, PRIME - 2, PRIME) % PRIME
BASE: Point = _point(_BASE_Y.to_bytes(32, "little")) or NEUTRAL
