"""Old shapes read as today's: (type, schema) -> a function from that schema's data to the next one's.

Entries are never rewritten; reading climbs from the stored schema to the current one.
"""

from collections.abc import Callable, Mapping
from typing import Any

Data = dict[str, Any]
Upcaster = Callable[[Data], Data]

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""No type has changed its shape yet."""


def upcast(
    kind: str, schema: int, data: Data, target: int, upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS
) -> Data:
    """Lift data from one schema to the target, a step at a time; KeyError when a step is missing."""
    for step in range(schema, target):
        data = upcasters[kind, step](data)
    return data
