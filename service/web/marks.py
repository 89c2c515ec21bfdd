"""Small pieces of HTML: everything that comes from elsewhere is escaped here."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

import msgspec

Json = dict[str, Any]


def element(name: str, content: str, /, **attributes: str) -> str:
    """An element around HTML; attributes are escaped, `class_` loses its underscore."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>"


def prose(text: str) -> str:
    """Paragraphs, lists, `code` and **bold**, as the contract's descriptions write them."""
    blocks = re.split(r"\n\n|\n(?=- )", text.strip())
    found, items = [], list[str]()
    for block in blocks:
        if block.startswith("- "):
            items.append(element("li", inline(block[2:])))
            continue
        found += [element("ul", "".join(items))] * bool(items) + [element("p", inline(block))]
        items.clear()
    return "".join(found + [element("ul", "".join(items))] * bool(items))


def inline(text: str) -> str:
    """One run of text with its marks."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", marked)


def code(text: str) -> str:
    """A word of the contract."""
    return element("code", escape(text))


def block(text: str) -> str:
    """Lines as they are."""
    return element("pre", element("code", escape(text)), tabindex="0")


def pretty(value: object) -> str:
    """JSON for people."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def one_line(value: object) -> str:
    """JSON for a command line."""
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()


def folded(summary: str, content: str, /, **attributes: str) -> str:
    """Something to open."""
    return element("details", element("summary", summary) + content, **attributes)


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], /, **attributes: str) -> str:
    """A table of HTML cells; wide ones scroll by themselves."""
    head = element("thead", element("tr", "".join(element("th", each, scope="col") for each in heads)))
    body = element("tbody", "".join(element("tr", "".join(element("td", each) for each in row)) for row in rows))
    return element("div", element("table", head + body), class_="scroll", tabindex="0", **attributes)
