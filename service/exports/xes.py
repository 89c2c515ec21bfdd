"""XES 1.0: a partnership is a trace, and what happened in it are the trace's events."""

from collections.abc import AsyncIterator, Iterable, Mapping

from domain import events as e
from service.exports.attributes import Type, Value, attributes
from service.exports.extract import Extract, Life, Told
from service.views import instant

HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xes.features="" xmlns="http://www.xes-standard.org/">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<global scope="trace"><string key="concept:name" value="UNKNOWN"/></global>
<global scope="event"><string key="concept:name" value="UNKNOWN"/>\
<date key="time:timestamp" value="1970-01-01T00:00:00.000+00:00"/>\
<string key="lifecycle:transition" value="complete"/><string key="org:resource" value="UNKNOWN"/></global>
<classifier name="Activity" keys="concept:name"/>
<classifier name="Activity and resource" keys="concept:name org:resource"/>
"""
TAGS: Mapping[Type, str] = {
    "string": "string", "integer": "int", "float": "float", "boolean": "boolean", "time": "date",
}  # fmt: skip
EXTENDED = ("actor", "by_side")
"""What stands in attributes of an extension."""

Attribute = tuple[str, Type, Value]

_ESCAPED: dict[int, str] = {
    **dict.fromkeys([*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd"),
    **{ord(each): f"&#{ord(each)};" for each in "\t\n\r"},
    ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;",
}  # fmt: skip
"""Characters that XML 1.0 cannot hold become U+FFFD; a line's end would be a blank if it were not written as a number."""


async def xes(extract: Extract) -> AsyncIterator[bytes]:
    """The document, some events at a time; in a trace they stand as they occurred."""
    personal = extract.opener is not None
    yield (HEAD + _attribute("concept:name", "string", extract.organisation) + "\n").encode()
    async for life in extract.lives():
        yield f"<trace>{_attributes(_of_trace(life))}\n".encode()
        async for page in life.pages:
            yield "".join(
                f"<event>{_attributes(_of_event(told, personal=personal))}</event>\n" for told in page
            ).encode()
        yield b"</trace>\n"
    yield b"</log>\n"


def _of_trace(life: Life) -> Iterable[Attribute]:
    yield "concept:name", "string", life.partnership
    yield "client", "string", life.opened.client
    yield "partner", "string", life.opened.partner
    yield "critical", "boolean", life.opened.critical


def _of_event(told: Told, *, personal: bool) -> Iterable[Attribute]:
    entry = told.entry
    yield "concept:name", "string", activity(told)
    yield "concept:instance", "string", entry.id
    yield "time:timestamp", "time", instant(entry.occurred_at)
    yield "lifecycle:transition", "string", "complete"
    yield "org:resource", "string", entry.actor
    if entry.side is not None:
        yield "org:group", "string", entry.side
    for each in attributes(told, personal=personal):
        if each[0] not in EXTENDED:
            yield each


def activity(told: Told) -> str:
    """What happened: a fact's type, and of a stage that was entered also which."""
    if told.entry.type != e.StageEntered.type:
        return told.entry.type
    outcome = told.data.get("outcome")
    return f"{told.entry.type}:{told.data['stage']}" + (f".{outcome}" if outcome else "")


def _attributes(found: Iterable[Attribute]) -> str:
    return "".join(_attribute(*each) for each in found)


def _attribute(name: str, kind: Type, value: Value) -> str:
    shown = str(value).lower() if kind == "boolean" else _escaped(str(value))
    return f'<{TAGS[kind]} key="{_escaped(name)}" value="{shown}"/>'


def _escaped(text: str) -> str:
    return text.translate(_ESCAPED)
