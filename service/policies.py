"""The policies of the organisations, as their logs hold them."""

from domain import events as e
from domain.policy import POLICY_1, Policy
from events.codec import decode
from events.store import EventStore

POLICY_STREAM = "policy"


class Policies:
    """Which policy is in force, at hand after it was asked for once."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: dict[str, tuple[int, Policy]] = {}

    def at_hand(self, organisation: str) -> tuple[int, Policy] | None:
        """The policy in force, where it was asked for before."""
        return self._known.get(organisation)

    def forget(self, organisation: str) -> None:
        """Read it again the next time: another was adopted."""
        self._known.pop(organisation, None)

    async def in_force(self, organisation: str) -> tuple[int, Policy]:
        """The policy in force and its version; policy 1 by default before any was adopted (version 0)."""
        known = self._known.get(organisation)
        if known is None:
            version = await self._store.version(organisation, POLICY_STREAM)
            adopted = await self._store.read_stream(organisation, POLICY_STREAM, after=version - 1) if version else ()
            data = decode(adopted[-1]) if adopted else None
            known = (version, data.policy) if isinstance(data, e.PolicyAdopted) else (0, POLICY_1)
            self._known[organisation] = known
        return known

    async def at(self, organisation: str, position: int) -> tuple[int, Policy]:
        """The policy that was in force at a position of the log, and its version."""
        known = 0, POLICY_1
        for each in await self._store.read_stream(organisation, POLICY_STREAM):
            data = decode(each)
            if each.position <= position and isinstance(data, e.PolicyAdopted):
                known = each.version, data.policy
        return known
