"""Deliveries signed as a sender would: for trying a source out, and for the tests."""

import base64
import hashlib
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from service.scheme import (
    PLACEHOLDER,
    Delivery,
    Scheme,
    Timestamp,
    derive_key,
    digest,
    header,
    holders,
    last_name,
    message,
    since_epoch,
)


def sign(scheme: Scheme, delivery: Delivery, secret: bytes | str, now: datetime) -> Delivery:
    """The delivery with a proof that passes `scheme`; for Ed25519 `secret` is the private key.

    Raises ValueError where the secret has not the form that the scheme wants.
    """
    if scheme.method == "none":
        return delivery
    if not (key := derive_key(scheme, secret, signing=True)):
        raise ValueError(f"The secret cannot be used for {scheme.name!r}: it is empty or not of the form it wants.")
    stamp = _written_time(scheme.timestamp, now)
    added = {name.lower(): value for name, value in scheme.when.items()} | _named(scheme, delivery)
    if scheme.timestamp and scheme.timestamp.header:
        added[scheme.timestamp.header.lower()] = stamp
    kept = tuple(each for each in delivery.headers if each[0] not in added)
    whole = replace(delivery, headers=(*kept, *added.items()))
    return _carried(scheme, whole, _proof(scheme, whole, key, stamp), stamp)


def _carried(scheme: Scheme, delivery: Delivery, proof: str, stamp: str) -> Delivery:
    """The delivery with its proof where the scheme looks for it."""
    if scheme.query is not None:
        query = (*delivery.query, (scheme.query, proof))
        return replace(delivery, query=query, url=f"{delivery.url.partition('?')[0]}?{urlencode(query)}")
    if scheme.body is not None:
        return replace(delivery, body=_with_token(scheme.body, delivery.body, proof))
    place = "authorization" if scheme.basic else (scheme.header or "").lower().replace("*", "1")
    return replace(delivery, headers=(*delivery.headers, (place, _written(scheme, proof, stamp))))


def _with_token(path: str, body: bytes, token: str) -> bytes:
    """The body with a token in every part that should carry it."""
    content = msgspec.json.decode(body)
    for part in holders(path, content):
        if isinstance(part, dict):
            part[last_name(path)] = token
    return msgspec.json.encode(content)


def _written_time(rule: Timestamp | None, now: datetime) -> str:
    if rule and rule.unit == "iso":
        return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(since_epoch(now) // (1 if rule and rule.unit == "ms" else 1000))


def _named(scheme: Scheme, delivery: Delivery) -> dict[str, str]:
    """Headers that are part of the message and not yet there: an id made from the body."""
    names = [name.removeprefix("header:") for name in PLACEHOLDER.findall(scheme.message) if "header:" in name]
    made = f"msg_{hashlib.sha256(delivery.body).hexdigest()[:24]}"
    return {name.lower(): made for name in names if header(delivery, name) is None}


def _proof(scheme: Scheme, delivery: Delivery, key: bytes, stamp: str) -> str:
    if scheme.method == "token":
        return key.decode()
    if scheme.method == "ed25519":
        raw = Ed25519PrivateKey.from_private_bytes(key[:32]).sign(message(scheme, delivery, key, stamp))
    else:
        raw = digest(scheme, delivery, key, stamp)
    return raw.hex() if scheme.encoding == "hex" else base64.b64encode(raw).decode()


def _written(scheme: Scheme, proof: str, stamp: str) -> str:
    if scheme.basic:
        pair = proof if scheme.basic == "pair" else f"sender:{proof}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    if scheme.format != "pairs":
        return proof if scheme.format == "bare" else scheme.label + proof
    pairs = {scheme.timestamp.pair: stamp} if scheme.timestamp and scheme.timestamp.pair else {}
    return scheme.separator.join(f"{name}={value}" for name, value in (pairs | {scheme.label: proof}).items())
