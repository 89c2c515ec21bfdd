"""What `noces policy` does."""

from pathlib import Path
from typing import Any

import msgspec

from domain.policy import Policy, policy_toml
from service.operations.reach import answered, client
from service.operations.reading import read_policy
from service.settings import Settings


async def show_policy(settings: Settings, organisation: str | None, version: int | None) -> tuple[dict[str, Any], str]:
    """(the policy as the API tells it, the same as TOML); the newest without a version."""
    async with client(settings, organisation) as http:
        if version is None:
            found: dict[str, Any] = answered(await http.get("/v1/policies"))["items"][-1]
        else:
            found = answered(await http.get(f"/v1/policies/{version}"))
    return found, policy_toml(msgspec.convert(found["policy"], Policy))


async def adopt_policy(settings: Settings, organisation: str | None, file: Path) -> Any:  # noqa: ANN401  # JSON
    """The policy of a file, adopted. Raises ServiceError `bad_policy`."""
    policy = read_policy(file)
    async with client(settings, organisation) as http:
        return answered(await http.post("/v1/policies", json=msgspec.to_builtins(policy)))
