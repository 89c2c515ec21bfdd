"""Pages: opaque cursors and the link to the next page."""

import base64
from typing import Any
from urllib.parse import urlencode

from service.api.route import Answer, Call
from service.errors import ServiceError


def read_cursor(call: Call) -> str:
    """What a cursor stands for; empty at the start."""
    text = call.query("cursor")
    if text is None:
        return ""
    try:
        kind, separator, value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8").partition(":")
    except ValueError:
        kind, separator, value = "", "", ""
    if (kind, separator) != ("after", ":"):
        raise ServiceError("bad_parameter", f"cursor {text!r} was not given by this service; send `next` as it came.")
    return value


def make_cursor(value: str) -> str:
    """An opaque cursor for the item after which to go on."""
    return base64.urlsafe_b64encode(f"after:{value}".encode()).rstrip(b"=").decode()


def page(call: Call, items: list[Any], last: str | None) -> Answer:
    """A page of a list; `last` is the last item's id where more may follow."""
    following = None if last is None else make_cursor(last)
    headers = {} if following is None else next_link(call, following)
    return Answer(body={"items": items, "next": following}, headers=headers)


def next_link(call: Call, cursor: str) -> dict[str, str]:
    """The header that leads to the next page of the same list."""
    query = dict(call.request.query_params.items()) | {"cursor": cursor}
    address = f"{call.services.settings.base_url}{call.request.url.path}?{urlencode(query)}"
    return {"Link": f'<{address}>; rel="next"'}
