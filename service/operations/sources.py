"""What `noces sources` does."""

from typing import Any

import msgspec

from service.errors import ServiceError
from service.operations.reach import answered, client
from service.settings import Settings


async def create_source(settings: Settings, **wanted: Any) -> Any:  # noqa: ANN401  # click's options in, JSON out
    """A new source: `{"id", "url"}`."""
    body = {
        "connector": wanted["connector"], "name": wanted["name"], "secrets": list(wanted["secrets"]),
        "settings": read_pairs(wanted["pairs"]),
    }  # fmt: skip
    async with client(settings, wanted.get("organisation")) as http:
        return answered(await http.post("/v1/sources", json=body))


def read_pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs; a value that is JSON is taken as such."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ServiceError("bad_parameter", f"--setting takes NAME=VALUE; {pair!r} has no '='.")
        try:
            found[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[name] = value
    return found
