"""Names that claims and links are joined from: a character that nobody sees could make two of them look like one."""

import re

from domain import commands as c
from service.errors import ServiceError

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def check_names(command: object) -> None:
    """Refuse a partnership or a link whose name holds a control character. Raises ServiceError `bad_text`."""
    match command:
        case c.OpenPartnership(client=client, partner=partner, links=links):
            names = [client, partner, *(part for link in links for part in link)]
        case c.AddLink(system, kind, external_id):
            names = [system, kind, external_id]
        case _:
            return
    for name in names:
        if _CONTROL.search(name):
            raise ServiceError("bad_text", f"{name!r} holds a control character; send it without.")
