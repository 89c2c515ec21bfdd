"""Where a request comes from: an address, seen through the proxies that stand before the service."""

import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from service.hosts import listed
from service.settings import Settings, SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HOUSEHOLD = 64
"""Bits of an IPv6 address that stand for one caller: whoever has one address has the others of its network as well."""


def caller_address(settings: Settings) -> Callable[[Mapping[str, Any]], str]:
    """Tells the caller's address from an ASGI scope. Raises SettingsError where the proxies are no networks."""
    proxies = _networks(settings)

    def address(scope: Mapping[str, Any]) -> str:
        peer = (scope.get("client") or ("",))[0]
        if not proxies or not _is_among(peer, proxies):
            return _household(peer)
        named = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for each in reversed(b",".join(named).decode("latin-1").split(",")):
            if not _is_among(each.strip(), proxies):
                return _household(each.strip()) or _household(peer)
        return _household(peer)

    return address


def _networks(settings: Settings) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(each) for each in listed(settings.proxies))
    except ValueError as error:
        message = f"NOCES_PROXIES cannot be used: {error}; it takes networks such as 10.0.0.0/8, separated by commas."
        raise SettingsError(message) from error


@lru_cache(maxsize=10_000)
def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def _is_among(text: str, networks: tuple[Network, ...]) -> bool:
    address = _parsed(text)
    return address is not None and any(address in network for network in networks)


def _household(text: str) -> str:
    address = _parsed(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, HOUSEHOLD), strict=False))
    return "" if address is None else str(address)
