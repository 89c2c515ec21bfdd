"""The doctor on limits: what is unsafe is named with its setting, what is sane is left alone."""

import resource

import pytest

from service.doctor import examine
from tests.service.world import settings_of

OPEN = {"allowed_hosts": "noces.example", "metrics": "key", "proxies": "10.0.0.0/8"}


async def levels(folder, **chosen):
    return {each.name: each.level for each in await examine(settings_of(folder, **chosen), None)}


async def test_a_careful_service_has_nothing_to_mend(tmp_path):
    found = await levels(tmp_path, **OPEN)
    assert {found[name] for name in ("exposure", "connections", "deadlines", "rates")} == {"ok"}


async def test_a_service_for_this_machine_alone_need_not_name_hosts_or_proxies(tmp_path):
    found = await levels(tmp_path, public_base_url="")
    assert found["exposure"] == "ok"
    assert "allowed_hosts" not in found


@pytest.mark.parametrize(
    ("name", "level", "chosen"),
    [
        ("allowed_hosts", "warning", {"allowed_hosts": ""}),
        ("metrics", "warning", {"metrics": "public"}),
        ("proxies", "warning", {"proxies": ""}),
        ("cors_origins", "unsafe", {"cors_origins": "https://a.example,http://b.example"}),
        ("connections", "warning", {"connections": 100, "streams": 100}),
        ("deadlines", "unsafe", {"head_seconds": 301.0}),
        ("deadlines", "unsafe", {"receive_seconds": 1e6}),
        ("deadlines", "unsafe", {"send_seconds": 3_600.0}),
        ("deadlines", "unsafe", {"idle_seconds": 86_400}),
        ("rates", "warning", {"key_requests": 10**9}),
        ("rates", "warning", {"address_requests": 10**9}),
        ("rates", "warning", {"source_requests": 10**9}),
        ("rates", "warning", {"hook_body_limit": 10**9}),
    ],
)
async def test_what_is_unsafe_is_named(tmp_path, name, level, chosen):
    assert (await levels(tmp_path, **{**OPEN, **chosen}))[name] == level


async def test_more_connections_than_the_system_allows_files_are_told(tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unbounded = hard == resource.RLIM_INFINITY
    found = await levels(tmp_path, **OPEN, connections=10**9 if unbounded else hard)
    assert found["connections"] == ("ok" if unbounded else "unsafe")
