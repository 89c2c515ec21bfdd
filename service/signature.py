"""One engine that checks what senders sign: schemes are data, bodies are raw bytes, the time is an argument.

Nothing here raises on what a sender sends.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from service.scheme import (
    Delivery,
    Reason,
    Scheme,
    Timestamp,
    Trust,
    Unproven,
    derive_key,
    digest,
    header,
    holders,
    last_name,
    message,
    since_epoch,
)

__all__ = ["Delivery", "Reason", "Refused", "Scheme", "Timestamp", "Trust", "Verified", "verify"]

CANDIDATES = 8  # enough for any rotation; more would let one request buy many digests
_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}


class Verified(Struct, frozen=True):
    """How far a delivery may be trusted, and the scheme that says so."""

    trust: Trust
    scheme: str


class Refused(Struct, frozen=True):
    """Why a delivery is not believed; `detail` is for whoever sets the sender up and never holds a secret."""

    reason: Reason
    detail: str


def verify(
    schemes: Sequence[Scheme], delivery: Delivery, secrets: Sequence[bytes | str], now: datetime
) -> Verified | Refused:
    """Tell whether `delivery` comes from a holder of one of `secrets`, by the first scheme whose proof it carries.

    A later scheme is never tried when an earlier one fails: an old, weaker proof must not rescue a wrong new one.
    """
    try:
        scheme = _chosen(schemes, delivery)
        if scheme.method != "none":
            _prove(scheme, delivery, _keys(scheme, secrets), now)
        return Verified(scheme.level, scheme.name)
    except Unproven as error:
        return Refused(error.reason, str(error))


def _chosen(schemes: Sequence[Scheme], delivery: Delivery) -> Scheme:
    carried = [scheme for scheme in schemes if scheme.method == "none" or _texts(scheme, delivery)]
    # Two schemes may share a header and tell their proofs apart by labels.
    for scheme in sorted(carried, key=lambda each: not _labels(each, _texts(each, delivery))):
        if all(header(delivery, name) == value for name, value in scheme.when.items()):
            return scheme
    if carried:
        wanted = " or ".join(f"{name}: {value}" for scheme in carried for name, value in scheme.when.items())
        raise Unproven("bad_format", f"The signature in {carried[0].place} is of no known version: expected {wanted}.")
    places = " or ".join(dict.fromkeys(scheme.place for scheme in schemes))
    raise Unproven("missing_signature", f"The request proves nothing: expected {places}; set the sender up to send it.")


def _prove(scheme: Scheme, delivery: Delivery, keys: list[bytes], now: datetime) -> None:
    claimed, pairs = _candidates(scheme, _texts(scheme, delivery))
    proofs = [proof for text in claimed if (proof := _decoded(scheme, text)) is not None]
    if not proofs:
        shape = "an Ed25519 signature" if scheme.method == "ed25519" else f"a {scheme.hash} digest"
        raise Unproven("bad_format", f"What stands in {scheme.place} is not the {scheme.encoding} form of {shape}.")
    stamp = _stamp(scheme, delivery, pairs)
    _check_age(scheme, stamp, now)
    if not any(_fits(scheme, delivery, key, stamp, proof) for key in keys for proof in proofs):
        raise Unproven("mismatch", _mismatch(scheme, len(keys)))


def _mismatch(scheme: Scheme, active: int) -> str:
    thing = "token" if scheme.method == "token" else "signature"
    advice = "check that the sender and this source share the same secret, and that no proxy changes the body"
    if "{url}" in scheme.message or "{uri}" in scheme.message:
        advice += "; the URL is signed too, so the public base URL must be the one that the sender calls"
    return f"The {thing} in {scheme.place} fits none of the active secrets ({active} tried): {advice}."


def _keys(scheme: Scheme, secrets: Sequence[bytes | str]) -> list[bytes]:
    keys = [key for secret in secrets if (key := derive_key(scheme, secret))]  # with an empty key anyone could sign
    if not keys:
        form = "base64, after whsec_ or whpk_ where there is one" if scheme.key == "base64" else "any text"
        detail = f"This source has no usable secret for {scheme.name} ({form}): add the one that the sender shows."
        raise Unproven("no_secret", detail)
    return keys


def _texts(scheme: Scheme, delivery: Delivery) -> list[str]:
    if scheme.query is not None:
        found = [value for key, value in delivery.query if key == scheme.query]
        if len(found) > 1:
            detail = f"The query parameter {scheme.query} was sent {len(found)} times: expected it once."
            raise Unproven("bad_format", detail)
        return found
    if scheme.body is not None:
        return _body_token(scheme.body, delivery.body)
    if scheme.basic is not None:
        return _basic(scheme.basic, header(delivery, "authorization") or "")
    name = (scheme.header or "").lower()
    names = {key for key, _ in delivery.headers if key.startswith(name[:-1])} if name.endswith("*") else {name}
    return [text for each in sorted(names) if (text := header(delivery, each)) is not None]


def _body_token(path: str, body: bytes) -> list[str]:
    """The one token that every part of a batch carries; none where some part has none."""
    try:
        parts = holders(path, msgspec.json.decode(body))
    except (ValueError, RecursionError):
        return []
    found = [part.get(last_name(path)) if isinstance(part, dict) else None for part in parts]
    tokens = {each for each in found if isinstance(each, str)}
    if len(tokens) > 1:
        raise Unproven("bad_format", f"The parts of the body carry {len(tokens)} tokens at {path}: expected one.")
    return list(tokens) if all(isinstance(each, str) for each in found) else []


def _basic(part: Literal["password", "pair"], text: str) -> list[str]:
    kind, _, encoded = text.partition(" ")
    if kind.lower() != "basic":
        return []
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        raise Unproven("bad_format", "The Authorization header is not Basic with a base64 user:password.") from None
    return [pair if part == "pair" else pair.partition(":")[2]]  # only the first colon divides: passwords may hold some


def _candidates(scheme: Scheme, texts: list[str]) -> tuple[list[str], dict[str, str]]:
    pairs: dict[str, str] = {}
    claimed: list[str] = []
    for text in texts:
        match scheme.format:
            case "bare":
                claimed.append(text)
            case "prefix":
                claimed += _labelled(scheme, [text])
            case "list":
                claimed += _labelled(scheme, text.split(scheme.separator))
            case "pairs":
                claimed += _paired(scheme, text, pairs)
    if not 1 <= len(claimed) <= CANDIDATES:
        wanted = f"1 to {CANDIDATES}" + (f", each marked {scheme.label!r}" if scheme.label else "")
        raise Unproven("bad_format", f"Found {len(claimed)} signatures in {scheme.place}: expected {wanted}.")
    return claimed, pairs


def _labels(scheme: Scheme, texts: list[str]) -> bool:
    """Whether some text is marked as this scheme marks its proofs."""
    parts = [part.strip() for text in texts for part in text.split(scheme.separator)]
    return not scheme.label or scheme.format == "pairs" or any(part.startswith(scheme.label) for part in parts)


def _labelled(scheme: Scheme, parts: list[str]) -> Iterator[str]:
    for part in parts:
        if (marked := part.strip()).startswith(scheme.label):
            yield marked.removeprefix(scheme.label)


def _paired(scheme: Scheme, text: str, pairs: dict[str, str]) -> Iterator[str]:
    for part in text.split(scheme.separator):
        name, _, value = part.strip().partition("=")
        if name == scheme.label:
            yield value
        elif pairs.setdefault(name, value) != value:
            detail = f"The part {name[:40]!r} of {scheme.place} was sent with two values: expected one."
            raise Unproven("bad_format", detail)


def _decoded(scheme: Scheme, text: str) -> bytes | None:
    if scheme.method == "token":
        return text.encode("utf-8", "surrogatepass")
    try:
        raw = binascii.unhexlify(text) if scheme.encoding == "hex" else base64.b64decode(text, validate=True)
    except ValueError:
        return None
    size = 64 if scheme.method == "ed25519" else _SIZES[scheme.hash]
    return raw if len(raw) == size else None


def _stamp(scheme: Scheme, delivery: Delivery, pairs: dict[str, str]) -> str:
    if (rule := scheme.timestamp) is None:
        return ""
    text = header(delivery, rule.header) if rule.header else pairs.get(rule.pair or "")
    if text is None:
        place = f"the header {rule.header}" if rule.header else f"the part {rule.pair}= of {scheme.place}"
        raise Unproven("bad_format", f"The time of signing is missing: expected it in {place}.")
    return text


def _check_age(scheme: Scheme, stamp: str, now: datetime) -> None:
    if (rule := scheme.timestamp) is None:
        return
    at = _milliseconds(rule.unit, stamp)
    if at is None:
        raise Unproven("bad_format", f"The time of signing {stamp[:40]!r} is not a time in the form {rule.unit!r}.")
    off = abs(since_epoch(now) - at)
    if rule.tolerance is not None and off > rule.tolerance * 1000:
        limit = f"{off // 1000} s from now, {rule.tolerance} s at most are allowed"
        detail = f"The delivery says it was signed {limit}: check both clocks, or send it anew."
        raise Unproven("stale_timestamp", detail)


def _milliseconds(unit: Literal["s", "ms", "iso"], text: str) -> int | None:
    if unit != "iso":
        digits = re.fullmatch(r"[0-9]{1,16}", text)
        return int(text) * (1000 if unit == "s" else 1) if digits else None
    try:
        return since_epoch(datetime.fromisoformat(text))
    except (ValueError, TypeError, OverflowError):  # TypeError: a time without a zone
        return None


def _fits(scheme: Scheme, delivery: Delivery, key: bytes, stamp: str, proof: bytes) -> bool:
    match scheme.method:
        case "token":
            return hmac.compare_digest(key, proof)
        case "ed25519":
            return _ed25519(key, proof, message(scheme, delivery, key, stamp))
        case _:
            return hmac.compare_digest(digest(scheme, delivery, key, stamp), proof)


def _ed25519(key: bytes, proof: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(proof, text)
    except (InvalidSignature, ValueError):
        return False
    return True
