"""How much is measured: as published, tiny for a test, or with a log of ten million events."""

from msgspec import Struct


class Sizes(Struct, frozen=True, kw_only=True):
    """How many of each; the defaults are what docs/speed.md tells."""

    rounds: int = 5
    clients: int = 64
    partnerships: int = 4_096
    posts: int = 4_000
    short_stream: int = 10
    long_stream: int = 100_000
    commands: int = 100
    replayed: int = 200_000
    peers: int = 50_000
    restored: int = 50_000
    lines: int = 10_000
    small_log: int = 10_000
    big_log: int = 1_000_000
    requests: int = 500
    memory_lines: int = 200_000
    memory_events: int = 1_000_000
    start_events: int = 1_000_000
    repeats: int = 2_000
    deliveries: int = 200
    spoiled: int = 20_000
    large: int = 1_000_000
    """Bytes of a body, the most that is taken."""


PUBLISHED = Sizes()
BIG = Sizes(big_log=10_000_000, replayed=2_000_000)
QUICK = Sizes(
    rounds=1, clients=8, partnerships=16, posts=64, long_stream=300, commands=5, replayed=1_000, peers=1_000, restored=1_000, lines=200,
    small_log=500, big_log=1_000, requests=20, memory_lines=500, memory_events=1_000, start_events=1_000, repeats=20,
    deliveries=8, spoiled=50, large=10_000,
)  # fmt: skip
