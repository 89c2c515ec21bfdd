"""How a sender proves itself, as data: the scheme, the delivery it is read from, and what both sides compute.

The reasons' names are public: a delivery that is refused answers 401 with one of them.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

Reason = Literal["missing_signature", "bad_format", "stale_timestamp", "mismatch", "no_secret"]
Trust = Literal["signed", "shared_secret", "echo_token", "none"]
Pairs = tuple[tuple[str, str], ...]

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PREFIXES = (b"whsec_", b"whpk_", b"whsk_")
_BODY_PATH = re.compile(r"([A-Za-z_][\w-]*(\[\])?\.)*[A-Za-z_][\w-]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KNOWN = ("body", "method", "secret", "timestamp", "uri", "url")
# HubSpot signs its URI with these escapes undone, and with no others.
_ESCAPES = {"3A": ":", "2F": "/", "3F": "?", "40": "@", "21": "!", "24": "$", "27": "'", "28": "(", "29": ")"}
_ESCAPES |= {"2A": "*", "2C": ",", "3B": ";"}
_ESCAPED = re.compile("%(" + "|".join(_ESCAPES) + ")", re.IGNORECASE)


class Delivery(Struct, frozen=True):
    """A request as the sender sees it: its public URL, lower-case header names, repeated headers kept, the raw body."""

    method: str
    url: str
    headers: Pairs
    query: Pairs
    body: bytes


class Timestamp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a delivery says when it was signed, in which unit, and by how many seconds it may be off (none: any)."""

    header: str | None = None
    pair: str | None = None
    unit: Literal["s", "ms", "iso"] = "s"
    tolerance: Annotated[int, Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        if (self.header is None) == (self.pair is None):
            raise ValueError("a timestamp stands in a `header` or in a `pair` of the signature: give exactly one")


class Scheme(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which a sender proves itself: what it computes, over which string, and where it puts the result."""

    name: str
    method: Literal["hmac", "digest", "ed25519", "token", "none"]
    hash: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    message: str = "{body}"
    header: str | None = None  # a `*` at its end stands for one header per key
    query: str | None = None
    body: str | None = None  # names joined by dots, `[]` behind one that holds an array: `value[].clientState`
    basic: Literal["password", "pair"] | None = None
    format: Literal["bare", "prefix", "list", "pairs"] = "bare"
    label: str = ""  # what stands before a signature: `sha256=`, `v1,`; in pairs the key alone: `v1`
    separator: Literal[",", " "] = ","
    key: Literal["utf8", "base64"] = "utf8"
    timestamp: Timestamp | None = None
    when: dict[str, str] = {}  # headers that must hold exactly this for the scheme to be the one
    trust: Literal["shared_secret", "echo_token"] = "shared_secret"  # of a token; a signature is always `signed`

    def __post_init__(self) -> None:
        _check_place(self)
        if self.method not in ("none", "token"):
            _check_message(self)

    @property
    def level(self) -> Trust:
        """What a delivery that passes is worth."""
        if self.method == "none":
            return "none"
        return self.trust if self.method == "token" else "signed"

    @property
    def place(self) -> str:
        """Where the proof stands, in words."""
        if self.basic:
            return "the Authorization header (Basic)"
        if self.query:
            return f"the query parameter {self.query}"
        return f"the body at {self.body}" if self.body else f"the header {self.header}"


class Unproven(Exception):
    """A delivery that is not believed; caught by `verify` and never seen outside."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason


def header(delivery: Delivery, name: str) -> str | None:
    """The one value of a header; a header sent twice is refused, because two readers could take different ones."""
    found = [value for key, value in delivery.headers if key == name.lower()]
    if len(found) > 1:
        raise Unproven("bad_format", f"The header {name} was sent {len(found)} times: expected it once.")
    return found[0] if found else None


def derive_key(scheme: Scheme, secret: bytes | str, *, signing: bool = False) -> bytes | None:
    """The bytes to compute with, or None where the secret has not the form that the scheme wants.

    A prefix says what a key is for, and is believed: with a public key taken for a secret, anybody could sign.
    """
    raw = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    if scheme.key == "utf8":
        return raw
    own = (b"whsk_" if signing else b"whpk_") if scheme.method == "ed25519" else b"whsec_"
    if raw.startswith(_PREFIXES) and not raw.startswith(own):
        return None
    try:
        return base64.b64decode(raw.removeprefix(own), validate=True)
    except ValueError:
        return None


def holders(path: str, content: object) -> list[object]:
    """The parts of a body that carry a token, one for each element of an array on the way; see `last_name`."""
    parts = [content]
    for step in path.split(".")[:-1]:
        name = step.removesuffix("[]")
        parts = [part.get(name) if isinstance(part, dict) else None for part in parts]
        if step.endswith("[]"):
            parts = [each for part in parts for each in (part if isinstance(part, list) else [None])]
    return parts


def last_name(path: str) -> str:
    """The name under which each holder keeps its token."""
    return path.rpartition(".")[2]


def since_epoch(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def message(scheme: Scheme, delivery: Delivery, key: bytes, stamp: str) -> bytes:
    """The string that is signed, filled in from the scheme's template."""
    pieces = PLACEHOLDER.split(scheme.message)  # text, placeholder, text, ...
    return b"".join(
        _filled(piece, delivery, key, stamp) if index % 2 else piece.encode() for index, piece in enumerate(pieces)
    )


def digest(scheme: Scheme, delivery: Delivery, key: bytes, stamp: str) -> bytes:
    """The HMAC, or the plain digest of a message that has the secret in it."""
    text = message(scheme, delivery, key, stamp)
    if scheme.method == "digest":
        return hashlib.new(scheme.hash, text).digest()
    return hmac.digest(key, text, scheme.hash)


def _filled(name: str, delivery: Delivery, key: bytes, stamp: str) -> bytes:
    match name:
        case "body":
            return delivery.body
        case "secret":
            return key
        case "method":
            text = delivery.method.upper()
        case "url":
            text = delivery.url
        case "uri":
            text = _ESCAPED.sub(lambda found: _ESCAPES[found[1].upper()], delivery.url)
        case "timestamp":
            text = stamp
        case _:
            text = _referenced(name.removeprefix("header:"), delivery)
    return text.encode("utf-8", "surrogatepass")


def _referenced(name: str, delivery: Delivery) -> str:
    if (text := header(delivery, name)) is None:
        raise Unproven("bad_format", f"The header {name} is part of what is signed and is missing: send it too.")
    return text


def _check_place(scheme: Scheme) -> None:
    places = [scheme.header, scheme.query, scheme.body, scheme.basic]
    if sum(place is not None for place in places) != (0 if scheme.method == "none" else 1):
        raise ValueError("a scheme has one place for its proof: `header`, `query`, `body` or `basic` (method none: no)")
    if scheme.body is not None and not _BODY_PATH.fullmatch(scheme.body):
        raise ValueError(f"`body` is {scheme.body!r}: expected names joined by dots, with [] behind one of an array")


def _check_message(scheme: Scheme) -> None:
    """Refuse a scheme that could never be computed, or that would let a forged delivery pass."""
    names = PLACEHOLDER.findall(scheme.message)
    if unknown := [name for name in names if name not in _KNOWN and not name.startswith("header:")]:
        raise ValueError(f"`message` has no placeholder {unknown[0]!r}: expected header:NAME, {', '.join(_KNOWN)}")
    if "body" not in names:
        raise ValueError("`message` leaves out {body}: whoever sees one delivery could send others")
    if scheme.method == "digest" and "secret" not in names:
        raise ValueError("`message` of a plain digest leaves out {secret}: anyone could compute it")
    if (scheme.timestamp is not None) != ("timestamp" in names):
        raise ValueError("a `timestamp` must be signed: `message` has {timestamp} if, and only if, there is one")
