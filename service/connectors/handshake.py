"""What a sender is answered that only makes sure that somebody is there; pure, and never signing for just anybody."""

import hmac
from collections.abc import Sequence

import jmespath
import msgspec
from msgspec import Struct

from service.connectors.conditions import same
from service.connectors.context import ODD
from service.connectors.model import Handshake, Json, Spec, Token
from service.scheme import Delivery

LONGEST = 1_000


class Reply(Struct, frozen=True, kw_only=True):
    """An answer in the sender's own words."""

    status: int
    media_type: str
    body: bytes
    headers: dict[str, str]


def greet(spec: Spec, delivery: Delivery, secrets: Sequence[bytes | str], *, proven: bool) -> Reply | None:
    """The answer to a handshake of this connector; None where the delivery is none, or asks for more than it proved."""
    for handshake in spec.handshake:
        if handshake.method == delivery.method and handshake.proven == proven:
            token = _token(handshake.token, delivery)
            if (
                token is not None
                and _holds(handshake, delivery)
                and (key := _key(handshake, token, secrets)) is not None
            ):
                return _reply(handshake, token, key)
    return None


def _token(place: Token, delivery: Delivery) -> str | None:
    """The text to answer with: of printable ASCII only, since it may become a header."""
    if place.query is not None:
        found: list[Json] = [value for name, value in delivery.query if name == place.query]
    elif place.header is not None:
        found = [value for name, value in delivery.headers if name == place.header.lower()]
    else:
        found = [_at(place.body or "@", delivery.body)]
    if len(found) != 1 or not isinstance(text := found[0], str):
        return None
    return text if 0 < len(text) <= LONGEST and text.isascii() and text.isprintable() else None


def _at(path: str, body: bytes) -> Json:
    try:
        found: Json = jmespath.search(path, msgspec.json.decode(body))
    except ODD:
        return None
    return found


def _holds(handshake: Handshake, delivery: Delivery) -> bool:
    return all(same(_at(path, delivery.body), wanted) for path, wanted in handshake.when.items())


def _key(handshake: Handshake, token: str, secrets: Sequence[bytes | str]) -> bytes | None:
    """The secret to sign with: the one whose holder asks, where the token proves it; empty where nothing is signed."""
    keys = [secret.encode() if isinstance(secret, str) else secret for secret in secrets]
    if handshake.expects is not None:
        return next((key for key in keys if key and hmac.compare_digest(_hmac(key, handshake.expects), token)), None)
    return next((key for key in keys if key), None if handshake.proven else b"")


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _reply(handshake: Handshake, token: str, key: bytes) -> Reply:
    def filled(text: str) -> str:
        return text.replace("{hmac}", _hmac(key, token)).replace("{token}", token)

    members = {name: filled(text) for name, text in handshake.members.items()}
    body = msgspec.json.encode(members) if members else filled(handshake.text or "").encode()
    headers = {name: filled(text) for name, text in handshake.headers.items()}
    media_type = "application/json" if members else "text/plain"
    return Reply(status=handshake.status, media_type=media_type, body=body, headers=headers)
