"""Bodies read into what JMESPath can walk: JSON, XML without DTDs or entities, CloudEvents in their three forms."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import unquote
from xml.parsers import expat

import msgspec

from service.connectors.context import ODD, Unmappable
from service.connectors.model import Json

Format = Literal["json", "xml", "cloudevents"]

MASK = b"***"
DEPTH = 100
ELEMENTS = 100_000
_BOM = b"\xef\xbb\xbf"
_FORBIDDEN = re.compile(rb"<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_DECLARED = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([^"']*)["']""")
_ENCODINGS = ("utf-8", "us-ascii", "ascii")
_ENVELOPE = "application/cloudevents"


def read_body(form: Format, body: bytes, headers: Mapping[str, str]) -> Json:
    """What a delivery holds. Raises Unmappable with what was expected instead."""
    if form == "xml":
        return _Document().read(body)
    return _read_json(body) if form == "json" else _cloud_events(body, headers)


def _read_json(body: bytes) -> Json:
    try:
        return msgspec.json.decode(body.removeprefix(_BOM))
    except ODD as error:
        raise Unmappable(f"the body is not JSON ({type(error).__name__}): expected JSON in UTF-8") from None


# --- XML ---------------------------------------------------------------------------------------------------------------


class _Document:
    """One XML document: elements become objects of their children, by local name; repeated ones become arrays.

    An element without children is its text, an attribute is a member with `@` before its name, and `xsi:nil` is null.
    """

    def __init__(self) -> None:
        self._open: list[tuple[str, dict[str, Json], list[str]]] = [("", {}, [])]
        self._seen = 0
        self._parser = expat.ParserCreate(namespace_separator="\n")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self, body: bytes) -> Json:
        """The document as one object with its root element."""
        _check_xml(body)
        try:
            self._parser.Parse(body, True)  # noqa: FBT003  # expat names no such argument
        except expat.ExpatError as error:
            raise Unmappable(f"the body is not XML: {error}") from None
        return self._open[0][1]

    def _doctype(self, *_: object) -> None:
        raise Unmappable("the body declares a document type, which is never read: send the XML without it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._seen += 1
        if len(self._open) > DEPTH or self._seen > ELEMENTS:
            raise Unmappable(f"the XML is too large: expected at most {DEPTH} levels and {ELEMENTS} elements")
        members: dict[str, Json] = {f"@{_local(key)}": value for key, value in attributes.items()}
        self._open.append((_local(name), members, []))

    def _text(self, text: str) -> None:
        self._open[-1][2].append(text)

    def _end(self, _: str) -> None:
        name, members, texts = self._open.pop()
        text = "".join(texts)
        value: Json = members
        if members.get("@nil") in ("true", "1"):
            value = None
        elif all(key.startswith("@") for key in members):
            value = text.strip()
        siblings = self._open[-1][1]
        if name not in siblings:
            siblings[name] = value
        elif isinstance(known := siblings[name], list):
            known.append(value)
        else:
            siblings[name] = [known, value]


def _check_xml(body: bytes) -> None:
    """Refuse before parsing what could hide or blow up: other encodings, document types, entities of one's own."""
    declared = _DECLARED.search(body[:200])
    encoding = declared[1].decode("ascii", "replace").lower() if declared else "utf-8"
    if b"\x00" in body or encoding not in _ENCODINGS:
        raise Unmappable("the XML is not in UTF-8: expected that encoding, declared or not")
    if _FORBIDDEN.search(body):
        raise Unmappable(
            "the body declares a document type or entities, which are never read: send the XML without them"
        )


def _local(name: str) -> str:
    return name.rpartition("\n")[2]


# --- CloudEvents ---------------------------------------------------------------------------------------------------------


def _cloud_events(body: bytes, headers: Mapping[str, str]) -> list[Json]:
    """Events in the structured form, whichever of the three they came in."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type.startswith(f"{_ENVELOPE}-batch"):
        found = _read_json(body)
        if not isinstance(found, list):
            raise Unmappable("the batch is no array: expected a JSON array of CloudEvents")
        return [_opened(each) for each in found]
    if media_type.startswith(_ENVELOPE) or "ce-specversion" not in headers:
        return [_opened(_read_json(body))]
    event: dict[str, Json] = {
        name.removeprefix("ce-"): unquote(value) for name, value in headers.items() if name.startswith("ce-")
    }
    is_json = media_type == "application/json" or media_type.endswith("+json") or not media_type
    if body:
        event["data"] = _read_json(body) if is_json else body.decode("utf-8", "replace")
    return [event]


def _opened(event: Json) -> Json:
    """An event whose data, where it is JSON in base64, stands open."""
    if not isinstance(event, dict) or not isinstance(packed := event.get("data_base64"), str):
        return event
    try:
        return {**event, "data": _read_json(base64.b64decode(packed, validate=True))}
    except ValueError:
        raise Unmappable("data_base64 is not base64") from None


# --- masks -----------------------------------------------------------------------------------------------------------


def masked(form: Format, names: Sequence[str], body: bytes) -> bytes:
    """The body without the contents of these members or elements, whether or not the rest of it can be read."""
    for name in names:
        body = _mask_xml(name.encode(), body) if form == "xml" else _mask_json(name.encode(), body)
    return body


def _mask_json(name: bytes, body: bytes) -> bytes:
    text = rb'("' + re.escape(name) + rb'"\s*:\s*)("(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[-+0-9.eE]+)'
    return re.sub(text, rb'\1"' + MASK + rb'"', body, flags=re.DOTALL)


def _mask_xml(name: bytes, body: bytes) -> bytes:
    tag = rb"(?:[\w.-]+:)?" + re.escape(name)
    content = rb"(<" + tag + rb"(?:\s[^<>]*)?>)(?:<!\[CDATA\[.*?(?:\]\]>|\Z)|[^<])*+"
    return re.sub(content, rb"\1" + MASK, body, flags=re.DOTALL)
