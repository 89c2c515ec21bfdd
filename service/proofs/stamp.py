"""Stamps of time (RFC 3161): what an authority says of a note, and when it said so.

Checked here are the authority's answer, the hash, and the nonce; its certificates only where roots are given.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from cryptography.x509 import Certificate
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

CERTIFICATES = 0xA0
"""The tag of SignedData's certificates (RFC 5652, 5.1)."""
SHA256 = "2.16.840.1.101.3.4.2.1"


class StampError(ValueError):
    """An answer is no stamp of the note."""


def request_for(note: str) -> TimeStampRequest:
    """What an authority is asked: a stamp over the SHA-256 of a note, with a nonce and its certificate."""
    builder = TimestampRequestBuilder().data(note.encode()).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build()


def stamped_at(reply: bytes, note: str) -> datetime:
    """When a note was stamped. Raises StampError where a reply grants nothing, or stamps something else."""
    return _read(reply, note).tst_info.gen_time


def check_answer(reply: bytes, note: str, request: TimeStampRequest, roots: Iterable[Certificate]) -> datetime:
    """When a note was stamped, in answer to this very request, by an authority of these roots where there are any.

    Raises StampError.
    """
    found = _read(reply, note)
    if found.tst_info.nonce != request.nonce:
        raise StampError("The authority has answered another request: the nonce is not the one that was sent.")
    builder = VerifierBuilder.from_request(request)
    for each in (known := list(roots)):
        builder = builder.add_root_certificate(each)
    try:
        if known:
            builder.build().verify(found, hashlib.sha256(note.encode()).digest())
    except VerificationError as error:
        raise StampError(f"The stamp does not hold against these roots: {error}") from error
    return found.tst_info.gen_time


def _read(reply: bytes, note: str) -> TimeStampResponse:
    try:
        found = decode_timestamp_response(_ordered(reply))
        imprint = found.tst_info.message_imprint if found.status == PKIStatus.GRANTED else None
    except ValueError as error:
        raise StampError("This is no answer of a time-stamping authority (RFC 3161).") from error
    if imprint is None:
        said = "; ".join(["", *found.status_string])
        raise StampError(f"The authority has granted no stamp (status {found.status}{said}).")
    if (imprint.hash_algorithm.dotted_string, imprint.message) != (SHA256, hashlib.sha256(note.encode()).digest()):
        raise StampError("The stamp is over something else than the SHA-256 of this checkpoint.")
    return found


def _ordered(reply: bytes) -> bytes:
    """The reply with its certificates in the order of DER, which is all that the library reads.

    Authorities that run openssl write them as they come, as RFC 5652 (5.1) lets them; the signature is not over them.
    What cannot be followed is given back as it is, for the library to refuse.
    """
    try:
        (whole,) = _elements(reply, 0, len(reply))
        _status, token = _elements(reply, *whole[1:])
        _kind, content = _elements(reply, *token[1:])
        (signed,) = _elements(reply, *content[1:])
        begin, end = next((begin, end) for at, begin, end in _elements(reply, *signed[1:]) if reply[at] == CERTIFICATES)
        certificates = sorted(reply[at:after] for at, _, after in _elements(reply, begin, end))
    except (IndexError, ValueError, StopIteration):
        return reply
    return reply[:begin] + b"".join(certificates) + reply[end:]


def _elements(data: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
    """Where each DER element of a stretch starts, where its content does, and where it ends.

    Raises IndexError or ValueError where one is cut.
    """
    found = []
    while at < end:
        length, begin = data[at + 1], at + 2
        if length & 0x80:  # so many bytes of length follow
            begin += length & 0x7F
            length = int.from_bytes(data[at + 2 : begin])
        if begin + length > end:
            raise ValueError("An element is longer than what holds it.")
        found.append((at, begin, begin + length))
        at = begin + length
    return found
